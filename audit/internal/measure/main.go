// Command measure says how well the auditor finds what people found: it runs all rules on
// the modules of a corpus whose lines are labelled, and prints precision and recall.
//
//	go run ./internal/measure [-corpus FILE] [-v] [-u] DIR [repo…]
//
// DIR has each module in a directory named as in the corpus; without names all are run.
//
// # Counting
//
// The unit is the site: a labelled line. A line labelled under two families is one site.
// A site is reported if a finding at level note or above stands on its line, or has a use
// there, whatever the rule: a client without a limit is one finding at its origin, while
// the corpus labels the lines where it hurts.
//
//	precision = missing sites reported / all sites reported
//	recall    = missing sites reported / missing sites
//
// Precision is given at two levels: over sites that are reported at level warning or
// above, and over all; recall counts all levels. Rules that are off by default are not
// counted. Sites in files that could not be loaded (a package that does not type-check, a
// file of another system) are counted apart, and as not reported in "recall, all files".
// Findings on lines that nobody labelled are counted, and listed with -u: they are neither
// right nor wrong here.
//
// # Speed
//
// The CPU time of loading is that of the go command, of reading the export data of
// dependencies, and of parsing and type-checking; that of the audit is the SSA form and
// the rules. Lines are all lines of the files that were judged. The peak is that of the
// auditor's own memory.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	if len(os.Args) == 4 && os.Args[1] == "-child" {
		if err := child(os.Args[2], os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "measure:", err)
		os.Exit(2)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("measure", flag.ExitOnError)
	corpus := flags.String("corpus", "", "labels, as JSON lines (default DIR/corpus.jsonl)")
	verbose := flags.Bool("v", false, "list each false report and each miss")
	unlabelled := flags.Bool("u", false, "list findings on lines without a label")
	page := flags.String("markdown", "", "write the tables into this `FILE`, between its lines "+begin+" and "+end)
	timeout := flags.Duration("timeout", 10*time.Minute, "limit for one module")
	_ = flags.Parse(args) // ends the process on an error
	if flags.NArg() == 0 {
		return errors.New("want the directory of the corpus: measure DIR [repo…]")
	}
	dir, err := filepath.Abs(flags.Arg(0))
	if err != nil {
		return err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return err
	}
	if *corpus == "" {
		*corpus = filepath.Join(dir, "corpus.jsonl")
	}
	sites, err := readCorpus(*corpus)
	if err != nil {
		return err
	}
	reports := make(map[string]*report)
	for _, repo := range reposOf(sites, flags.Args()[1:]) {
		fmt.Fprintf(os.Stderr, "\r\033[K%s", repo)
		r, err := auditRepo(ctx, repo, filepath.Join(dir, repo), *timeout)
		if err != nil {
			fmt.Fprintf(os.Stderr, "\r\033[K%v\n", err)
			continue
		}
		reports[repo] = r
	}
	fmt.Fprint(os.Stderr, "\r\033[K")
	if len(reports) == 0 {
		return errors.New("no module could be audited")
	}
	verdicts, rest := judge(sites, reports)
	measured := tables(verdicts, rest, reports)
	for _, t := range measured {
		t.text(os.Stdout)
	}
	if *page != "" {
		if err := update(*page, measured); err != nil {
			return err
		}
	}
	if *verbose {
		printWrong(os.Stdout, verdicts, reports)
	}
	if *unlabelled {
		printRest(os.Stdout, rest)
	}
	return nil
}

// reposOf returns the modules to run: those named, or all of the corpus.
func reposOf(sites []*site, named []string) []string {
	if len(named) > 0 {
		return named
	}
	var all []string
	for _, s := range sites {
		if !slices.Contains(all, s.Repo) {
			all = append(all, s.Repo)
		}
	}
	return all
}

// The lines of a page between which the tables stand.
const (
	begin = "<!-- measured -->"
	end   = "<!-- end measured -->"
)

// update writes the tables into the page.
func update(page string, measured []*table) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(text), begin+"\n")
	_, after, closed := strings.Cut(rest, end+"\n")
	if !found || !closed {
		return fmt.Errorf("%s has no lines %s and %s", page, begin, end)
	}
	var out strings.Builder
	out.WriteString(before + begin + "\n")
	for _, t := range measured {
		t.markdown(&out)
	}
	out.WriteString("\n" + end + "\n" + after)
	return os.WriteFile(page, []byte(out.String()), 0o600) // it is there already, and keeps its mode
}
