package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firebreak-go/firebreak/examples/internal/programtest"
)

// fixedRun returns what a short run might have counted.
func fixedRun() (phases []phase, plain, guarded *tally) {
	phases = []phase{
		{name: "well", end: time.Second},
		{name: "hanging", mode: hanging, begin: time.Second, end: 2 * time.Second},
		{name: "well again", again: true, begin: 2 * time.Second, end: 3 * time.Second},
		{name: "resetting", mode: resetting, begin: 3 * time.Second, end: 4 * time.Second},
	}
	fill := func(t *tally, phase int, took time.Duration, fates string) {
		t.enter(phase)
		for i, f := range fates {
			at := phases[phase].begin + time.Duration(i)*50*time.Millisecond
			n := t.call(at)
			if f != 'w' {
				t.settle(n, at+took, map[rune]fate{'g': good, 'b': bad}[f])
			}
		}
	}
	plain, guarded = newTally(4), newTally(4)
	fill(plain, 0, 41*time.Millisecond, strings.Repeat("g", 20))
	fill(guarded, 0, 41*time.Millisecond, strings.Repeat("g", 20))
	fill(plain, 1, time.Second, strings.Repeat("b", 20))
	plain.hold(20)
	plain.attempted()
	fill(guarded, 1, 0, strings.Repeat("b", 20))
	fill(plain, 2, time.Second, strings.Repeat("b", 20))
	fill(guarded, 2, 41*time.Millisecond, strings.Repeat("b", 5)+strings.Repeat("g", 15))
	return phases, plain, guarded
}

func TestTable(t *testing.T) {
	phases, plain, guarded := fixedRun()
	var out bytes.Buffer
	printTable(&out, phases, []*side{{name: "plain", tally: plain}, {name: "firebreak", tally: guarded}})
	printFindings(&out, phases, plain, guarded)
	want, err := os.ReadFile("testdata/table.txt")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), out.String()); d != "" {
		t.Errorf("printTable and printFindings (-want +got):\n%s", d)
	}
	programtest.CheckWidth(t, out.String())
}

// On a terminal the line of a phase is rewritten in place, elsewhere there is one
// per phase.
func TestScreen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		phases, plain, guarded := fixedRun()
		sides := []*side{{name: "plain", tally: plain}, {name: "firebreak", tally: guarded}}
		for terminal, want := range map[bool]string{
			false: "  1.0s  hanging         20     0    20      20     0     0  closed\n",
			true: "\r  1.0s  hanging         20     0    20      20     0     0  closed\x1b[K" +
				"\r  1.0s  hanging         20     0    20      20     0     0  closed\x1b[K\n",
		} {
			var out bytes.Buffer
			s := newScreen(&out, phases, sides, newStack(60, nil, nil))
			programtest.CheckWidth(t, out.String())
			s.terminal = terminal
			out.Reset()
			s.update(1)
			s.finish(1)
			if out.String() != want {
				t.Errorf("terminal %t: got %q, want %q", terminal, out.String(), want)
			}
		}
	})
}
