package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/firebreak-go/firebreak/audit/internal/baseline"
	"github.com/firebreak-go/firebreak/audit/internal/engine"
	"github.com/firebreak-go/firebreak/audit/internal/fix"
	"github.com/firebreak-go/firebreak/audit/internal/output"
	"github.com/firebreak-go/firebreak/audit/internal/program"
	"github.com/firebreak-go/firebreak/audit/internal/result"
	"github.com/firebreak-go/firebreak/audit/internal/rules"
)

// A writer writes a run in one form.
type writer func(io.Writer, *output.Run) error

// errLoad says that no package could be loaded.
var errLoad = errors.New("cannot load packages")

// audit audits packages, prints what it finds, and returns the exit code.
func (c *command) audit(ctx context.Context, verb string, args []string) int {
	o, err := c.parse(verb, args)
	if err != nil {
		return c.usage(err)
	}
	if o.version {
		fmt.Fprintln(c.stdout, "firebreak-audit", version())
		return exitClean
	}
	progress := startProgress(c)
	run, err := c.find(ctx, o, progress)
	progress.stop()
	if err != nil {
		c.complain(err)
		if errors.Is(err, errLoad) {
			return exitLoad
		}
		return exitUsage
	}
	for _, problem := range run.Problems {
		c.complain(problem)
	}
	if o.writeBaseline != "" {
		return c.baseline(o, run)
	}
	if err := c.print(o, run); err != nil {
		c.complain(err)
		return exitUsage
	}
	fmt.Fprintln(c.stderr, run.Summary())
	switch {
	case len(run.Problems) > 0:
		return exitLoad
	case slices.ContainsFunc(run.Results, o.fail.by):
		return exitFindings
	}
	return exitClean
}

// fixRounds is how often -fix audits again, to apply fixes that overlapped others.
const fixRounds = 5

// find audits the packages, applies fixes if the options say so, and compares with a
// baseline and a running service.
func (c *command) find(ctx context.Context, o *options, progress *progress) (*output.Run, error) {
	run, err := c.once(ctx, o, progress)
	if err != nil || !o.fix {
		return run, err
	}
	fixed := 0
	files := make(map[string]bool)
	for range fixRounds {
		plan, err := fix.New(run.Open())
		if err != nil {
			return nil, err
		}
		if err := plan.Write(); err != nil {
			return nil, err
		}
		if len(plan.Files()) == 0 {
			break
		}
		fixed += len(plan.Applied)
		for _, file := range plan.Files() {
			files[file] = true
		}
		if run, err = c.once(ctx, o, progress); err != nil {
			return nil, err
		}
	}
	progress.stop()
	fmt.Fprintf(c.stderr, "%s fixed in %s\n", output.Count(fixed, "finding"), output.Count(len(files), "file"))
	return run, nil
}

// once audits the packages.
func (c *command) once(ctx context.Context, o *options, progress *progress) (*output.Run, error) {
	progress.say("loading packages")
	var buildFlags []string
	if o.tags != "" {
		buildFlags = append(buildFlags, "-tags="+o.tags)
	}
	loaded, problems, err := program.Load(program.LoadConfig{
		Context: ctx, Dir: o.dir, Flags: buildFlags,
		Loaded: func() { progress.say("following contexts and clients") },
	}, o.patterns...)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errLoad, err)
	}
	if len(loaded.Packages) == 0 && len(problems) == 0 {
		return nil, fmt.Errorf("%w matches %s", program.ErrNoPackage, strings.Join(o.patterns, " "))
	}
	for _, problem := range problems {
		if errors.Is(problem, program.ErrNoPackage) {
			return nil, problem
		}
	}
	run := &output.Run{
		Version: version(), Dir: o.dir, Rules: rules.All(), Problems: problems, Page: rules.Page, Verbose: o.verbose,
		Baseline: o.baseline != nil,
	}
	collector := result.NewCollector(loaded, o.dir)
	for _, f := range engine.Run(loaded, engine.Config{
		Catalog: o.config.Catalog, Rules: rules.All(), Levels: o.config.Levels, Settings: o.config.Settings, Exclude: o.config.Exclude,
		Programs: o.config.Programs, Nosec: o.config.Nosec,
	}) {
		run.Results = append(run.Results, collector.Add(f))
	}
	if len(loaded.Packages) > 0 {
		run.Module = loaded.Packages[0].Module
	}
	if o.runtime != nil {
		merge(run, o.runtime)
	}
	if o.baseline != nil {
		run.Fixed = o.baseline.Compare(run.Results)
	}
	return run, nil
}

// baseline writes one, and returns the exit code.
func (c *command) baseline(o *options, run *output.Run) int {
	b := baseline.Of(run.Results)
	if err := b.Write(o.writeBaseline); err != nil {
		c.complain(err)
		return exitUsage
	}
	fmt.Fprintf(c.stderr, "%s written to %s\n", output.Count(len(b.Findings), "finding"), o.writeBaseline)
	if len(run.Problems) > 0 {
		return exitLoad
	}
	return exitClean
}

// print writes run to standard output, and to the files that the options name.
func (c *command) print(o *options, run *output.Run) error {
	for _, file := range []struct {
		name  string
		write writer
	}{{o.htmlFile, output.HTML}, {o.sarifFile, output.SARIF}, {o.markdownFile, output.Markdown}} {
		if file.name == "" {
			continue
		}
		var text bytes.Buffer
		if err := file.write(&text, run); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Clean(file.name), text.Bytes(), 0o644); err != nil { //nolint:gosec // a report is for others to read
			return err
		}
	}
	return formats[o.format](c.stdout, run)
}
