package main

import (
	"testing"
	"time"

	"github.com/firebreak-go/firebreak/examples/internal/database"
)

func TestTally(t *testing.T) {
	const ms = time.Millisecond
	tl := newTally("server", 2)
	for i := range 100 {
		tl.come(critical, time.Duration(i)*ms)
		tl.leave(critical, good, time.Duration(i+1)*ms)
	}
	for range 10 {
		tl.come(bestEffort, 0)
		tl.leave(bestEffort, refused, 2*ms)
	}
	tl.come(bestEffort, 0)
	tl.come(bestEffort, 0)
	tl.leave(bestEffort, late, time.Second)
	tl.turnAway(critical)
	tl.end(2*time.Second, database.Use{All: 4 * time.Second, Wasted: time.Second})
	got, inFlight := tl.now()
	want := row{
		load: 2, server: "server", lasted: 2 * time.Second,
		offered: [classes]int{101, 12},
		counts:  [classes][outcomes]int{{good: 100, failed: 1}, {late: 1, refused: 10}},
		p50:     50 * ms, p99: 99 * ms, refusal: [2]time.Duration{2 * ms, 2 * ms},
		use:    database.Use{All: 4 * time.Second, Wasted: time.Second},
		capped: 1, lag: 99 * ms,
	}
	if got != want || inFlight != 1 {
		t.Errorf("got %+v and %d in flight, want %+v and 1", got, inFlight, want)
	}
	if got.came() != 113 || got.total(good) != 100 || got.rate(100) != 50 || got.wasted() != 0.25 {
		t.Errorf("got %d came, %d good, %v/s, %v wasted, want 113, 100, 50, 0.25", got.came(), got.total(good), got.rate(100), got.wasted())
	}
	if r := (row{}); r.rate(1) != 0 || r.wasted() != 0 {
		t.Errorf("nothing: got %v/s, %v wasted, want 0", r.rate(1), r.wasted())
	}
}
