package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/firebreak-go/firebreak/bench/lab/peers"
	"github.com/firebreak-go/firebreak/bench/lab/sim"
)

// options are what the flags say.
type options struct {
	models     []sim.Model
	transients []sim.Transient
	policies   []sim.Maker
	loads      []float64
	seeds      []uint64
	full       bool
	html       string
	json       bool
	command    string // that says the same
}

const (
	program   = "go run ./bench/lab"
	fullSeeds = 3
	mostSeeds = 100
	mostLoad  = 100
)

func policies() []sim.Maker { return append([]sim.Maker{sim.Firebreak()}, peers.All()...) }

// parse reads the flags. It writes the help to w if that is asked for, and returns
// [flag.ErrHelp] then.
func parse(args []string, w io.Writer) (options, error) {
	o := options{}
	flags := flag.NewFlagSet("lab", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // errors are returned, and the help is for stdout
	models := flags.String("models", "all", "which `servers`, with commas between them, all or none")
	transients := flags.String("transients", "all", "which `disturbances`, with commas between them, all or none")
	makers := flags.String("policies", "all", "which `limiters`, with commas between them, or all")
	loads := flags.String("loads", "", "the `loads` as multiples of what a server can do, with commas between them (default 0.5 to 10)")
	seeds := count(1)
	flags.Var(&seeds, "seeds", "over how many `seeds` of the traffic the means are")
	flags.BoolVar(&o.full, "full", false, fmt.Sprintf("runs that are long enough for chance to stay under a percent, and %d seeds", fullSeeds))
	flags.StringVar(&o.html, "html", "", "write the tables and plots into this `file`, too: one page that needs nothing else")
	flags.BoolVar(&o.json, "json", false, "print JSON instead of tables")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		help(w, flags)
		return o, err
	} else if err != nil {
		return o, err
	}
	given := make(map[string]bool)
	o.command = program
	flags.Visit(func(f *flag.Flag) {
		given[f.Name] = true
		if f.Name != "html" && f.Name != "json" {
			o.command += " -" + f.Name + "=" + quote(f.Value.String())
		}
	})
	if o.full && !given["seeds"] {
		seeds = fullSeeds
	}

	var problems []error
	note := func(err error) {
		if err != nil {
			problems = append(problems, err)
		}
	}
	if flags.NArg() > 0 {
		note(fmt.Errorf("the argument is %q, want none but flags", flags.Arg(0)))
	}
	var err error
	o.models, err = choose("models", *models, sim.Models(), func(m sim.Model) string { return m.Name }, true)
	note(err)
	o.transients, err = choose("transients", *transients, sim.Transients(), func(t sim.Transient) string { return t.Name }, true)
	note(err)
	o.policies, err = choose("policies", *makers, policies(), func(m sim.Maker) string { return m.Name }, false)
	note(err)
	o.loads, err = parseLoads(*loads)
	note(err)
	for s := range uint64(seeds) {
		o.seeds = append(o.seeds, s+1)
	}
	if len(problems) == 0 && len(o.models) == 0 && len(o.transients) == 0 {
		note(errors.New("-models and -transients are both none, want one of them at least"))
	}
	return o, errors.Join(problems...)
}

// A count is the value of -seeds.
type count uint64

func (c *count) String() string { return strconv.FormatUint(uint64(*c), 10) }

func (c *count) Set(s string) error {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n < 1 || n > mostSeeds {
		return fmt.Errorf("want 1 to %d", mostSeeds)
	}
	*c = count(n)
	return nil
}

// choose returns those of all that a list names, in the order of all.
func choose[T any](flagName, list string, all []T, name func(T) string, noneToo bool) ([]T, error) {
	switch {
	case list == "all":
		return all, nil
	case list == "none" && noneToo:
		return nil, nil
	}
	var names []string
	byKey := make(map[string]bool)
	for _, v := range all {
		names = append(names, name(v))
		byKey[key(name(v))] = true
	}
	wanted := make(map[string]bool)
	for s := range strings.SplitSeq(list, ",") {
		if !byKey[key(s)] {
			return nil, fmt.Errorf("-%s is %q, where %q is not known: want some of %s", flagName, list, strings.TrimSpace(s), strings.Join(names, ", "))
		}
		wanted[key(s)] = true
	}
	return slices.DeleteFunc(slices.Clone(all), func(v T) bool { return !wanted[key(name(v))] }), nil
}

// key makes names equal that differ in case, spaces and signs only.
func key(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, name)
}

func parseLoads(list string) ([]float64, error) {
	if list == "" {
		return sim.Loads(), nil
	}
	var loads []float64
	for s := range strings.SplitSeq(list, ",") {
		load, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		if err != nil || !(load > 0 && load <= mostLoad) {
			return nil, fmt.Errorf("-loads is %q, where %q is none: want numbers over 0, up to %d", list, strings.TrimSpace(s), mostLoad)
		}
		loads = append(loads, load)
	}
	slices.Sort(loads)
	return slices.Compact(loads), nil
}

// quote writes a value as a shell reads it.
func quote(s string) string {
	if s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(".,-_/", r)
	}) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
