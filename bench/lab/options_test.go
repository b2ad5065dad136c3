package main

import (
	"errors"
	"flag"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/firebreak-go/firebreak/bench/lab/sim"
)

func TestFlags(t *testing.T) {
	for _, tt := range []struct {
		args       string // with a bar between them
		models     int
		transients int
		policies   string
		loads      []float64
		seeds      int
		command    string
	}{
		{"", 8, 6, "firebreak failsafe-go Gradient2 Vegas CoDel fixed limit none", sim.Loads(), 1, program},
		{"-full", 8, 6, "firebreak failsafe-go Gradient2 Vegas CoDel fixed limit none", sim.Loads(), 3, program + " -full=true"},
		{"-full|-seeds=2", 8, 6, "firebreak failsafe-go Gradient2 Vegas CoDel fixed limit none", sim.Loads(), 2, program + " -full=true -seeds=2"},
		{"-models=none|-policies=codel,Firebreak", 0, 6, "firebreak CoDel", sim.Loads(), 1, program + " -models=none -policies=codel,Firebreak"},
		{"-models=Shared cpu,io-bound|-transients=none", 2, 0, "firebreak failsafe-go Gradient2 Vegas CoDel fixed limit none", sim.Loads(), 1,
			program + " -models='Shared cpu,io-bound' -transients=none"},
		{"-loads=2, 0.5,2|-html=x.html|-json", 8, 6, "firebreak failsafe-go Gradient2 Vegas CoDel fixed limit none", []float64{0.5, 2}, 1, program + " -loads='2, 0.5,2'"},
	} {
		o, err := parse(split(tt.args), io.Discard)
		if err != nil {
			t.Errorf("%s: %v", tt.args, err)
			continue
		}
		var names []string
		for _, p := range o.policies {
			names = append(names, p.Name)
		}
		if len(o.models) != tt.models || len(o.transients) != tt.transients || len(o.seeds) != tt.seeds ||
			strings.Join(names, " ") != tt.policies || !slices.Equal(o.loads, tt.loads) || o.command != tt.command {
			t.Errorf("%s: got %d models, %d transients, %v, loads %v, seeds %v, %s", tt.args, len(o.models), len(o.transients), names, o.loads, o.seeds, o.command)
		}
	}
}

func split(args string) []string {
	if args == "" {
		return nil
	}
	return strings.Split(args, "|")
}

// An error names the flag, its value and what was wanted.
func TestBadFlags(t *testing.T) {
	for args, wants := range map[string][]string{
		"-models=pool,pond":              {`-models is "pool,pond"`, `"pond"`, "shared CPU"},
		"-models=":                       {`-models is ""`, "want some of pool"},
		"-policies=none,x":               {`-policies is "none,x"`, `"x"`, "Gradient2"},
		"-transients=flood":              {`-transients is "flood"`, "spike"},
		"-loads=1,0":                     {`-loads is "1,0"`, `"0"`, "over 0, up to 100"},
		"-loads=NaN":                     {`-loads is "NaN"`, "want numbers"},
		"-loads=101":                     {`-loads is "101"`, "up to 100"},
		"-seeds=0":                       {`"0"`, "-seeds", "want 1 to 100"},
		"-seeds=many":                    {`"many"`, "-seeds", "want 1 to 100"},
		"-models=none|-transients=none":  {"-models and -transients are both none"},
		"pool":                           {`the argument is "pool"`, "want none"},
		"-models=x|-loads=y|-policies=z": {"-models", "-loads", "-policies"}, // all at once
		"-model=pool":                    {"-model"},
	} {
		_, err := parse(split(args), io.Discard)
		if err == nil {
			t.Errorf("%s: got no error", args)
			continue
		}
		for _, want := range wants {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %q, want %q in it", args, err, want)
			}
		}
	}
}

func TestHelp(t *testing.T) {
	var b strings.Builder
	if _, err := parse([]string{"-h"}, &b); !errors.Is(err, flag.ErrHelp) {
		t.Fatalf("got %v, want %v", err, flag.ErrHelp)
	}
	for _, want := range []string{"Usage: " + program, "-html file", "-seeds seeds", "(default 1)", "I/O-bound", "spike", "fixed limit"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("want %q in\n%s", want, b.String())
		}
	}
	for i, line := range strings.Split(b.String(), "\n") {
		if len(line) > 110 {
			t.Errorf("line %d has %d columns: %s", i+1, len(line), line)
		}
	}
}
