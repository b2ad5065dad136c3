package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/firebreak-go/firebreak/audit/internal/baseline"
	"github.com/firebreak-go/firebreak/audit/internal/config"
	"github.com/firebreak-go/firebreak/audit/internal/output"
	"github.com/firebreak-go/firebreak/audit/internal/result"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
	"github.com/firebreak-go/firebreak/audit/internal/rules"
)

// formats are the forms of output that -format knows.
var formats = map[string]writer{
	"text":     output.Text,
	"json":     output.JSONLines,
	"sarif":    output.SARIF,
	"github":   output.GitHub,
	"markdown": output.Markdown,
}

// options are what the command line asks for.
type options struct {
	dir           string
	configFile    string
	only          string
	tags          string
	format        string
	failOn        string
	baselineFile  string
	writeBaseline string
	htmlFile      string
	sarifFile     string
	markdownFile  string
	runtimeFile   string
	fix           bool
	nosec         bool
	verbose       bool
	version       bool
	patterns      []string

	config   *config.Config
	baseline *baseline.Baseline
	runtime  *runtimeReport
	fail     failure
}

// A failure says which results make the run fail.
type failure struct {
	level rule.Level // the least; Off means none
	fresh bool       // only those that a baseline does not have
}

// by reports whether r makes the run fail.
func (f failure) by(r *result.Result) bool {
	return r.Suppressed == nil && f.level != rule.Off && r.Level >= f.level && (!f.fresh || r.Status == result.New)
}

// parse reads the command line of the subcommand verb, "" being the audit, and the files it
// names.
func (c *command) parse(verb string, args []string) (*options, error) {
	var o options
	flags := c.flags(verb, &o)
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			flags.SetOutput(c.stderr)
			flags.Usage()
			return nil, err
		}
		return nil, fmt.Errorf("%w; -help lists the flags", err)
	}
	o.patterns = flags.Args()
	if len(o.patterns) == 0 {
		o.patterns = []string{"./..."}
	}
	for _, pattern := range o.patterns {
		if strings.HasPrefix(pattern, "-") {
			return nil, fmt.Errorf("%s comes after a package: flags come first", pattern)
		}
	}
	if o.version {
		return &o, nil
	}
	if verb == "merge" && o.runtimeFile == "" {
		return nil, errors.New("merge: want -runtime with the report of the running service, as its page serves it as JSON")
	}
	if formats[o.format] == nil {
		return nil, fmt.Errorf("-format is %q, want text, json, sarif, github or markdown", o.format)
	}
	if o.writeBaseline != "" && o.baselineFile != "" {
		return nil, errors.New("-write-baseline writes all findings anew: it does not go with -baseline")
	}
	return &o, o.read()
}

// flags returns the flags of verb, which set o.
func (c *command) flags(verb string, o *options) *flag.FlagSet {
	flags := flag.NewFlagSet("firebreak-audit", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // an error is printed once, and the usage for -help
	flags.Usage = func() {
		fmt.Fprintf(flags.Output(), "usage: firebreak-audit [flags] [packages]\n"+
			"       firebreak-audit explain [rule...]\n"+
			"       firebreak-audit merge -runtime r.json [flags] [packages]\n"+
			"       go vet -vettool=$(which firebreak-audit) [packages]\n\nflags:\n")
		flags.PrintDefaults()
		fmt.Fprintf(flags.Output(), "\nexit codes: 0 nothing at the level of -fail-on; 1 findings; 2 a wrong command line,\n"+
			"configuration or baseline, no package, or a file that cannot be written; 3 packages that could not be loaded\n")
	}
	flags.StringVar(&o.dir, "C", "", "run in `DIR`")
	flags.StringVar(&o.configFile, "config", "", "configuration `FILE` (default "+config.Name+", here or above in the module)")
	flags.StringVar(&o.only, "rules", "", "run only the rules of this `LIST`, as in TA102,TA201; those that are off by default run as notes")
	flags.StringVar(&o.tags, "tags", "", "build tags, as in go build")
	flags.StringVar(&o.format, "format", "text", "form of the output: text, json (a line each), sarif, github, markdown")
	flags.StringVar(&o.failOn, "fail-on", "", "least `LEVEL` that makes the exit code 1: off, note, warning, error; new, new:warning or new:error count only what a baseline does not have (default error)")
	flags.StringVar(&o.baselineFile, "baseline", "", "compare with the baseline `FILE`, and print what is new")
	flags.StringVar(&o.writeBaseline, "write-baseline", "", "write what is found to `FILE`, and exit with 0")
	flags.StringVar(&o.htmlFile, "html", "", "also write a page to `FILE`")
	flags.StringVar(&o.sarifFile, "sarif", "", "also write SARIF 2.1.0 to `FILE`")
	flags.StringVar(&o.markdownFile, "markdown", "", "also write a summary for a pull request to `FILE`")
	flags.BoolVar(&o.nosec, "compat-nosec", false, "accept #nosec G112 and G114, gosec's suppressions of what are TA201 and TA202 here")
	flags.BoolVar(&o.fix, "fix", false, "apply the fixes that are safe")
	flags.BoolVar(&o.verbose, "v", false, "print uses, where contexts came from, and what is suppressed or known")
	flags.BoolVar(&o.version, "version", false, "print the version")
	if verb == "merge" {
		flags.StringVar(&o.runtimeFile, "runtime", "", "`FILE` with the report of a running service, as JSON")
	}
	return flags
}

// read reads the files that the command line names.
func (o *options) read() error {
	dir, err := filepath.Abs(o.dir)
	if err != nil {
		return err
	}
	if o.dir, err = filepath.EvalSymlinks(dir); err != nil { // the go command names files so
		return fmt.Errorf("-C: %w", err)
	}
	if err := o.readConfig(); err != nil {
		return err
	}
	if o.fail, err = o.failure(); err != nil {
		return err
	}
	if o.runtimeFile != "" {
		if o.runtime, err = readRuntime(o.runtimeFile); err != nil {
			return err
		}
	}
	if o.baselineFile != "" {
		o.baseline, err = baseline.Read(o.baselineFile)
	}
	return err
}

func (o *options) readConfig() error {
	file := o.configFile
	if file == "" {
		file = config.Find(o.dir)
	}
	o.config = config.Default()
	if file != "" {
		read, err := config.Read(shortest(file), rules.Find)
		if err != nil {
			return err
		}
		o.config = read
	}
	o.config.Nosec = o.config.Nosec || o.nosec
	if o.only == "" {
		return nil
	}
	levels := make(map[string]rule.Level)
	for _, r := range rules.All() {
		levels[r.ID] = rule.Off
	}
	for name := range strings.SplitSeq(o.only, ",") {
		r := rules.Find(strings.TrimSpace(name))
		if r == nil {
			return fmt.Errorf("-rules: %s is no rule; firebreak-audit explain lists them", name)
		}
		levels[r.ID] = max(r.Level, rule.Note)
		if level := o.config.Levels[r.ID]; level != rule.Off {
			levels[r.ID] = level
		}
	}
	o.config.Levels = levels
	return nil
}

// shortest names file from the working directory if it is below.
func shortest(file string) string {
	here, err := os.Getwd()
	if err != nil {
		return file
	}
	if name, err := filepath.Rel(here, file); err == nil && filepath.IsLocal(name) {
		return name
	}
	return file
}

func (o *options) failure() (failure, error) {
	text := o.failOn
	if text == "" {
		return failure{level: o.config.FailOn}, nil
	}
	name, fresh := strings.CutPrefix(text, "new")
	if fresh && o.baselineFile == "" {
		return failure{}, fmt.Errorf("-fail-on is %q, which needs a -baseline", text)
	}
	if fresh && name == "" {
		return failure{level: rule.Note, fresh: true}, nil
	}
	level, ok := rule.ParseLevel(strings.TrimPrefix(name, ":"))
	if !ok || fresh != strings.HasPrefix(name, ":") {
		return failure{}, fmt.Errorf("-fail-on is %q, want off, note, warning, error, new, new:warning or new:error", text)
	}
	return failure{level: level, fresh: fresh}, nil
}
