package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-go/firebreak/examples/internal/programtest"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		args string
		want options
	}{
		{"", options{step: 3600 * time.Millisecond, seed: 1}},
		{"-step 100ms -pool line -seed 0", options{step: 100 * time.Millisecond}},
		{"--step=3.8s --pool=random --seed=18446744073709551615", options{step: 3800 * time.Millisecond, random: true, seed: 1<<64 - 1}},
		{"-html a/b.html", options{step: 3600 * time.Millisecond, seed: 1, html: "a/b.html"}},
	} {
		got, err := parse(strings.Fields(tt.args))
		if got != tt.want || err != nil {
			t.Errorf("parse(%q): got %+v, %v, want %+v", tt.args, got, err, tt.want)
		}
		again, err := parse(strings.Fields(got.String()))
		again.html = got.html // does not change the load
		if again != got || err != nil {
			t.Errorf("parse(%q) of the flags that %q gives: got %+v, %v, want %+v", got, tt.args, again, err, got)
		}
	}
}

func TestBadFlags(t *testing.T) {
	const (
		wantStep = "want a time from 100ms to 3.8s, such as 2s"
		wantPool = "want line or random"
		wantSeed = "want a whole number from 0"
	)
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"-frobnicate"}, `flag provided but not defined: -frobnicate`},
		{[]string{"now"}, `unexpected argument "now"`},
		{[]string{"-seed", "5", "now", "-seed", "6"}, `unexpected argument "now"`},
		{[]string{"-step"}, `flag needs an argument: -step`},
		{[]string{"-step", "99ms"}, `invalid value "99ms" for flag -step: ` + wantStep},
		{[]string{"-step", "3801ms"}, `invalid value "3801ms" for flag -step: ` + wantStep},
		{[]string{"-step", "3"}, `invalid value "3" for flag -step: ` + wantStep},
		{[]string{"-step", "-1s"}, `invalid value "-1s" for flag -step: ` + wantStep},
		{[]string{"-step", ""}, `invalid value "" for flag -step: ` + wantStep},
		{[]string{"-pool", "fifo"}, `invalid value "fifo" for flag -pool: ` + wantPool},
		{[]string{"-pool", ""}, `invalid value "" for flag -pool: ` + wantPool},
		{[]string{"-seed", "-1"}, `invalid value "-1" for flag -seed: ` + wantSeed},
		{[]string{"-seed", "1.5"}, `invalid value "1.5" for flag -seed: ` + wantSeed},
		{[]string{"-seed", "99999999999999999999"}, `invalid value "99999999999999999999" for flag -seed: ` + wantSeed},
		{[]string{"-html", ""}, `invalid value "" for flag -html: want the name of a file`},
	} {
		var stdout, stderr bytes.Buffer
		status := run(t.Context(), tt.args, &stdout, &stderr)
		want := "overload: " + tt.want + "; -h shows the flags\n"
		if status != 2 || stderr.String() != want || stdout.Len() > 0 {
			t.Errorf("run(%q): got status %d, stderr %q, stdout %q, want status 2 and %q", tt.args, status, stderr.String(), stdout.String(), want)
		}
	}
}

func TestHelp(t *testing.T) {
	for _, arg := range []string{"-h", "-help", "--help"} {
		var stdout, stderr bytes.Buffer
		status := run(t.Context(), []string{arg}, &stdout, &stderr)
		if status != 0 || stderr.Len() > 0 {
			t.Errorf("run(%s): got status %d, stderr %q, want status 0 and nothing", arg, status, stderr.String())
		}
		for _, name := range []string{"-step", "-pool", "-seed", "-html", "exit status"} {
			if !strings.Contains(stdout.String(), name) {
				t.Errorf("run(%s): got a help without %s", arg, name)
			}
		}
		programtest.CheckWidth(t, stdout.String())
	}
}
