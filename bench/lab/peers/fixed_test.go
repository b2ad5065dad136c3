package peers

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firebreak-go/firebreak/bench/lab/sim"
)

// begin returns a desk for a maker's policy, before a server with some workers.
func begin(maker sim.Maker, workers int) *desk {
	d := newDesk(workers)
	d.policy = maker.New(d, sim.Model{Workers: workers, Mean: 1})
	return d
}

func TestFixed(t *testing.T) {
	d := begin(Fixed(), 2)
	for i := range 5 { // two at work, two who wait, and one too many
		d.arrive(ms, i%4, 10*ms)
	}
	d.arrive(12*ms, 0, 5*ms)
	d.run(patience)
	want := []string{
		"1ms: 0 started", "1ms: 1 started", "1ms: 4 refused",
		"11ms: 0 done", "11ms: 2 started", "11ms: 1 done", "11ms: 3 started",
		"21ms: 2 done", "21ms: 5 started", "21ms: 3 done", "26ms: 5 done",
	}
	if diff := cmp.Diff(want, d.log); diff != "" {
		t.Error(diff)
	}
}

func TestFixedForgetsWhoLeft(t *testing.T) {
	d := begin(Fixed(), 2)
	d.arrive(0, 0, 2*patience)
	d.arrive(0, 0, 3*patience)
	d.arrive(ms, 0, ms)            // leaves first
	d.arrive(2*ms, 0, ms)          // and this one next
	d.arrive(patience, 0, ms)      // one too many
	d.arrive(patience+2*ms, 0, ms) // these have the places of those who left
	d.arrive(patience+3*ms, 0, ms)
	d.run(4 * patience)
	want := map[string]int{"done": 4, "left": 2, "refused": 1}
	if diff := cmp.Diff(want, d.count()); diff != "" {
		t.Error(diff)
	}
}

func TestNone(t *testing.T) {
	d := begin(None(), 1)
	for range 100 {
		d.arrive(ms, 3, ms)
	}
	d.run(patience)
	if diff := cmp.Diff(map[string]int{"done": 100}, d.count()); diff != "" {
		t.Error(diff)
	}
}
