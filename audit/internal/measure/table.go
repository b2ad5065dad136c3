package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// A ratio prints as 0.93 (13/14), or – if it is of nothing.
type ratio struct{ part, whole int }

func (r ratio) String() string {
	if r.whole == 0 {
		return "–"
	}
	return fmt.Sprintf("%.3f (%d/%d)", float64(r.part)/float64(r.whole), r.part, r.whole)
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func judged(v *verdict) bool { return v.Judged }

// A table is what is printed in columns.
type table struct {
	heading string
	columns []string // the first is a name, the others are numbers
	rows    [][]string
}

func (t *table) add(cells ...any) {
	row := make([]string, len(cells))
	for i, cell := range cells {
		row[i] = fmt.Sprint(cell)
	}
	t.rows = append(t.rows, row)
}

// text prints t for a terminal.
func (t *table) text(w io.Writer) {
	fmt.Fprintf(w, "\n%s\n", t.heading)
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{t.columns}, t.rows...) {
		fmt.Fprintln(columns, strings.Join(row, "\t"))
	}
	_ = columns.Flush() // nobody to tell
}

// markdown prints t for a page.
func (t *table) markdown(w io.Writer) {
	fmt.Fprintf(w, "\n%s\n\n| %s |\n|---%s|\n", t.heading, strings.Join(t.columns, " | "), strings.Repeat("|--:", len(t.columns)-1))
	for _, row := range t.rows {
		fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | "))
	}
}

// tables returns what was measured.
func tables(verdicts []*verdict, rest []found, reports map[string]*report) []*table {
	return []*table{summary(verdicts, rest), families(verdicts), ofRules(verdicts, rest), speed(reports)}
}

func summary(verdicts []*verdict, rest []found) *table {
	high := func(v *verdict) bool { return v.Judged && v.Severity == "high" }
	every := func(*verdict) bool { return true }
	all, grave := scoreOf(verdicts, rule.Note, judged), scoreOf(verdicts, rule.Warning, judged)
	highs, whole := scoreOf(verdicts, rule.Note, high), scoreOf(verdicts, rule.Note, every)
	t := &table{heading: "Accuracy", columns: []string{"", "measured"}}
	t.add("labelled sites", fmt.Sprintf("%d missing, %d fine", all.Missing, all.Fine))
	t.add("in files that are not judged", len(verdicts)-all.Missing-all.Fine)
	t.add("precision, warnings and errors", grave.precision())
	t.add("precision, all levels", all.precision())
	t.add("recall, all levels", all.recall())
	t.add("recall, high severity", highs.recall())
	t.add("recall, warnings and errors", grave.recall())
	t.add("recall, files that are not judged too", whole.recall())
	t.add("findings on lines without a label", len(rest))
	return t
}

func families(verdicts []*verdict) *table {
	t := &table{heading: "By family of the corpus", columns: []string{"family", "missing", "found", "fine", "reported", "at warning", "precision", "recall"}}
	known := make(map[string]bool)
	for _, v := range verdicts {
		for _, family := range v.Families {
			known[family] = true
		}
	}
	for _, family := range sorted(known) {
		in := func(v *verdict) bool { return v.Judged && slices.Contains(v.Families, family) }
		s, g := scoreOf(verdicts, rule.Note, in), scoreOf(verdicts, rule.Warning, in)
		t.add(family, s.Missing, s.Found, s.Fine, s.Reported, g.Reported, s.precision(), s.recall())
	}
	return t
}

func ofRules(verdicts []*verdict, rest []found) *table {
	t := &table{heading: "By rule", columns: []string{"rule", "missing sites reported", "fine sites reported", "precision", "findings without a label"}}
	for _, row := range byRule(verdicts, rest) {
		t.add(row.rule, row.right, row.wrong, ratio{row.right, row.right + row.wrong}, row.unlabelled)
	}
	return t
}

// A ruleRow counts the sites that one rule reports.
type ruleRow struct {
	rule                     string
	right, wrong, unlabelled int
}

func byRule(verdicts []*verdict, rest []found) []ruleRow {
	rows := make(map[string]*ruleRow)
	row := func(id string) *ruleRow {
		if rows[id] == nil {
			rows[id] = &ruleRow{rule: id}
		}
		return rows[id]
	}
	for _, v := range verdicts {
		for _, id := range rulesOf(v) {
			if v.Missing {
				row(id).right++
			} else {
				row(id).wrong++
			}
		}
	}
	for _, f := range rest {
		row(f.Rule).unlabelled++
	}
	var all []ruleRow
	for _, id := range sorted(rows) {
		all = append(all, *rows[id])
	}
	return all
}

// rulesOf returns the rules that report v, each once.
func rulesOf(v *verdict) []string {
	var ids []string
	for _, f := range v.By {
		if !slices.Contains(ids, f.Rule) {
			ids = append(ids, f.Rule)
		}
	}
	slices.Sort(ids)
	return ids
}

func speed(reports map[string]*report) *table {
	t := &table{heading: "Speed and memory", columns: []string{"module", "kLOC", "loading, CPU s", "audit, CPU s", "audit, ms/kLOC", "wall s", "peak MB", "findings", "problems"}}
	var sum report
	for _, repo := range sorted(reports) {
		r := reports[repo]
		t.addSpeed(repo, r)
		sum.Lines += r.Lines
		sum.LoadCPU += r.LoadCPU
		sum.AuditCPU += r.AuditCPU
		sum.Wall += r.Wall
		sum.PeakRSS = max(sum.PeakRSS, r.PeakRSS)
		sum.Findings = append(sum.Findings, r.Findings...)
		sum.Problems = append(sum.Problems, r.Problems...)
	}
	t.addSpeed("all", &sum)
	return t
}

func (t *table) addSpeed(name string, r *report) {
	thousands := float64(r.Lines) / 1000
	t.add(name, fmt.Sprintf("%.1f", thousands), fmt.Sprintf("%.1f", r.LoadCPU.Seconds()), fmt.Sprintf("%.2f", r.AuditCPU.Seconds()),
		fmt.Sprintf("%.1f", float64(r.AuditCPU)/float64(time.Millisecond)/max(thousands, 0.001)), fmt.Sprintf("%.1f", r.Wall.Seconds()), r.PeakRSS>>20, len(r.Findings), len(r.Problems))
}

// printWrong lists the fine sites that are reported, the missing ones that are not, and
// why packages were left out.
func printWrong(w io.Writer, verdicts []*verdict, reports map[string]*report) {
	fmt.Fprintf(w, "\nfalse reports:\n")
	for _, v := range verdicts {
		if v.Missing || len(v.By) == 0 {
			continue
		}
		fmt.Fprintf(w, "%v: %s: %s: %s\n", v.place, strings.Join(v.Families, "+"), v.Why, v.Reason)
		for _, f := range v.By {
			fmt.Fprintf(w, "\t%s %s %s:%d: %s\n", f.Rule, f.Level, f.At.File, f.At.Line, f.Message)
		}
	}
	fmt.Fprintf(w, "\nmisses:\n")
	for _, v := range verdicts {
		if !v.Missing || len(v.By) > 0 {
			continue
		}
		where := ""
		if !v.Judged {
			where = " (file not judged)"
		}
		fmt.Fprintf(w, "%v: %s: %s: %s%s\n", v.place, strings.Join(v.Families, "+"), v.Severity, v.Reason, where)
	}
	fmt.Fprintf(w, "\nleft out:\n")
	for _, repo := range sorted(reports) {
		problems := reports[repo].Problems
		for i, problem := range problems {
			if i == 5 {
				fmt.Fprintf(w, "%s: and %d more\n", repo, len(problems)-i)
				break
			}
			fmt.Fprintf(w, "%s: %s\n", repo, problem)
		}
	}
}

func printRest(w io.Writer, rest []found) {
	fmt.Fprintf(w, "\nwithout a label:\n")
	slices.SortStableFunc(rest, func(a, b found) int { return cmp.Compare(a.Rule, b.Rule) })
	for _, f := range rest {
		fmt.Fprintf(w, "%s %s %v: %s\n", f.Rule, f.Level, f.At, f.Message)
	}
}
