package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/firebreak-go/firebreak/audit/internal/rule"
	"github.com/firebreak-go/firebreak/audit/internal/rules"
)

// A command is one run of the program.
type command struct {
	stdout, stderr io.Writer
	terminal       bool // stderr is one
}

// run does what args ask for, and returns the exit code.
func (c *command) run(ctx context.Context, args []string) int {
	if len(args) > 0 {
		switch args[0] {
		case "explain":
			return c.explain(args[1:])
		case "merge":
			return c.audit(ctx, "merge", args[1:])
		case "help":
			args = []string{"-help"}
		}
	}
	return c.audit(ctx, "", args)
}

// complain prints err, each line of it with the name of the program.
func (c *command) complain(err error) {
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(c.stderr, "firebreak-audit: %s\n", strings.TrimSuffix(line, "\n"))
	}
}

// usage complains and returns the exit code of a command line that is wrong.
func (c *command) usage(err error) int {
	if errors.Is(err, flag.ErrHelp) {
		return exitClean
	}
	c.complain(err)
	return exitUsage
}

// version returns that of the program.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// explain prints the pages of the rules that args name, or a list of all.
func (c *command) explain(args []string) int {
	if len(args) == 0 {
		for _, r := range rules.All() {
			fmt.Fprintf(c.stdout, "%s %-8s %s: %s\n", r.ID, r.Level, r.Name, r.Title)
		}
		return exitClean
	}
	var found []*rule.Rule
	for _, name := range args {
		r := rules.Find(name)
		if r == nil {
			return c.usage(fmt.Errorf("explain: %s is no rule; firebreak-audit explain lists them", name))
		}
		found = append(found, r)
	}
	for i, r := range found {
		if i > 0 {
			fmt.Fprintln(c.stdout)
		}
		fmt.Fprintf(c.stdout, "%s\nLevel: %s\n", strings.TrimRight(rules.Page(r), "\n"), r.Level)
	}
	return exitClean
}
