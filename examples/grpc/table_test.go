package main

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firebreak-go/firebreak/examples/internal/console"
	"github.com/firebreak-go/firebreak/examples/internal/programtest"
)

// fixedRun returns what a run might have counted.
func fixedRun() (phases []phase, sides []*side) {
	const ms = time.Millisecond
	phases = script(defaultDuration)
	sides = []*side{plain: {name: "plain"}, protected: {name: "firebreak"}}
	for _, s := range sides {
		s.service, s.tally = newService(len(phases)), newTally(len(phases))
	}
	leave := func(side, phase int, m method, n int, o outcome, took time.Duration) {
		a := arrival{phase: phase, method: m}
		for range n {
			sides[side].tally.come(a, 0)
			sides[side].tally.leave(a, o, took)
		}
	}
	for side := range sides {
		leave(side, 0, getItem, 200, good, 51*ms)
	}
	leave(plain, 1, getItem, 160, good, 52*ms)
	leave(plain, 1, getItem, 40, late, 1000*ms)
	leave(protected, 1, getItem, 199, good, 9500*time.Microsecond)
	leave(protected, 1, getItem, 1, late, 950*ms)
	for side := range sides {
		leave(side, 1, placeOrder, 4, good, 52*ms)
		leave(side, 1, placeOrder, 1, late, 1000*ms)
		leave(side, 2, getItem, 100, good, 60*ms)
	}
	leave(plain, 2, placeOrder, 80, good, 60*ms)
	leave(protected, 2, placeOrder, 64, good, 50*ms)
	leave(protected, 2, placeOrder, 16, failed, 50*ms)
	leave(plain, 2, quotePrices, 10, good, 60*ms)
	leave(protected, 2, quotePrices, 8, good, 60*ms)
	leave(protected, 2, quotePrices, 2, failed, 60*ms)
	leave(plain, 3, listItems, 50, failed, 150*ms)
	leave(protected, 3, listItems, 50, failed, 100*time.Microsecond)
	leave(plain, 4, listItems, 50, good, 50*ms)
	leave(protected, 4, listItems, 49, good, 50*ms)
	leave(protected, 4, listItems, 1, failed, ms)
	leave(plain, 5, getItem, 90, good, 999*ms)
	leave(plain, 5, getItem, 3600, late, 1000*ms)
	leave(protected, 5, getItem, 1200, good, 90*ms)
	leave(protected, 5, getItem, 2490, refused, 12*ms)
	leave(plain, 5, placeOrder, 650, late, 1000*ms)
	leave(protected, 5, placeOrder, 649, good, 90*ms)
	leave(protected, 5, placeOrder, 1, refused, 150*ms)

	a, b := sides[plain].service.counts, sides[protected].service.counts
	a[0].runs[getItem], b[0].runs[getItem] = 200, 200
	a[1].hung, b[1].hung = []time.Duration{1000 * ms, 1000 * ms, 999 * ms}, []time.Duration{300 * ms}
	a[2].orders, a[2].again, a[2].repeats = 96, 16, 40
	b[2].orders, b[2].repeats, b[2].early = 80, 30, 1
	a[3].runs[listItems], b[3].runs[listItems] = 150, 12
	sides[plain].tally.capped, sides[protected].tally.lag = 3, 120*ms
	return phases, sides
}

func TestTable(t *testing.T) {
	phases, sides := fixedRun()
	var out bytes.Buffer
	printParts(&out, true)
	printHead(&out)
	for n, p := range phases {
		printPhase(&out, n, p, sides)
	}
	for _, text := range append(findings(results(phases, len(phases), sides)), remarks(sides)...) {
		console.PrintText(&out, text)
	}
	want, err := os.ReadFile("testdata/table.txt")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), out.String()); d != "" {
		t.Errorf("table, findings and remarks (-want +got):\n%s", d)
	}
	programtest.CheckWidth(t, out.String())
}

// A run that ended early has findings of what there was.
func TestFindingsOfAnEarlyEnd(t *testing.T) {
	phases, sides := fixedRun()
	if got := findings(results(phases, 0, sides)); got != nil {
		t.Errorf("of no phase: got %q, want nothing", got)
	}
	if got := findings(results(phases, 2, sides)); len(got) != 2 {
		t.Errorf("of two phases: got %q, want two", got)
	}
}
