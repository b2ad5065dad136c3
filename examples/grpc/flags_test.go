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
		{"", options{duration: 33 * time.Second, seed: 1}},
		{"-duration 1s -throttle -seed 0", options{duration: time.Second, throttle: true}},
		{"--duration=40s --seed=18446744073709551615", options{duration: 40 * time.Second, seed: 1<<64 - 1}},
	} {
		if got, err := parse(strings.Fields(tt.args)); got != tt.want || err != nil {
			t.Errorf("parse(%q): got %+v, %v, want %+v", tt.args, got, err, tt.want)
		}
	}
}

func TestBadFlags(t *testing.T) {
	const (
		wantDuration = "want a time from 1s to 40s, such as 20s"
		wantSeed     = "want a whole number from 0"
	)
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"-frobnicate"}, `flag provided but not defined: -frobnicate`},
		{[]string{"now"}, `unexpected argument "now"`},
		{[]string{"-throttle", "now", "-seed", "6"}, `unexpected argument "now"`},
		{[]string{"-duration"}, `flag needs an argument: -duration`},
		{[]string{"-duration", "999ms"}, `invalid value "999ms" for flag -duration: ` + wantDuration},
		{[]string{"-duration", "41s"}, `invalid value "41s" for flag -duration: ` + wantDuration},
		{[]string{"-duration", "3"}, `invalid value "3" for flag -duration: ` + wantDuration},
		{[]string{"-duration", ""}, `invalid value "" for flag -duration: ` + wantDuration},
		{[]string{"-seed", "-1"}, `invalid value "-1" for flag -seed: ` + wantSeed},
		{[]string{"-seed", "x"}, `invalid value "x" for flag -seed: ` + wantSeed},
	} {
		var stdout, stderr bytes.Buffer
		status := run(t.Context(), tt.args, &stdout, &stderr)
		want := "grpc: " + tt.want + "; -h shows the flags\n"
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
		for _, name := range []string{"-duration", "-throttle", "-seed", "exit status"} {
			if !strings.Contains(stdout.String(), name) {
				t.Errorf("run(%s): got a help without %s", arg, name)
			}
		}
		programtest.CheckWidth(t, stdout.String())
	}
}
