package peers

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCoDel(t *testing.T) {
	d := begin(CoDel(), 1)
	d.arrive(0, 0, 90*ms)
	d.arrive(10*ms, 3, 15*ms) // the queue was empty: this one may wait for 100ms
	d.arrive(20*ms, 0, 45*ms) // the same: it was empty 10ms ago
	d.arrive(100*ms, 0, ms)   // still so
	d.arrive(111*ms, 0, ms)   // the queue stands for over 100ms: 5ms
	d.arrive(148*ms, 0, ms)   // the same, and there is a place in time
	d.arrive(160*ms, 0, 9*ms) // nobody is there
	d.arrive(161*ms, 0, ms)   // the queue is new
	d.run(patience)
	want := []string{
		"0s: 0 started", "90ms: 0 done", "90ms: 1 started", "105ms: 1 done", "105ms: 2 started", "116ms: 4 refused",
		"150ms: 2 done", "150ms: 3 started", "151ms: 3 done", "151ms: 5 started", "152ms: 5 done",
		"160ms: 6 started", "169ms: 6 done", "169ms: 7 started", "170ms: 7 done",
	}
	if diff := cmp.Diff(want, d.log); diff != "" {
		t.Error(diff)
	}
}

func TestCoDelForgetsWhoLeft(t *testing.T) {
	d := begin(CoDel(), 1)
	d.arrive(0, 0, ms)
	d.arrive(0, 0, ms)
	d.run(0)
	d.policy.Leave(0, d.requests[1].lab)
	d.becomes(1, "left")
	d.run(patience) // neither started nor refused
	if diff := cmp.Diff(map[string]int{"done": 1, "left": 1}, d.count()); diff != "" {
		t.Error(diff)
	}
}
