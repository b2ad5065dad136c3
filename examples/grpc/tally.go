package main

import (
	"slices"
	"sync"
	"time"

	"github.com/firebreak-go/firebreak/examples/internal/traffic"
)

// A tally is what is counted of the callers of one side. It is safe for concurrent use.
type tally struct {
	mu       sync.Mutex // guards the fields below
	inFlight int
	cells    [][methods]cell // per phase
	capped   int             // callers who were turned away because too many others were there
	lag      time.Duration   // by how much a caller came too late at the most
}

// A cell is what is counted of the callers of a method who came in a phase.
type cell struct {
	came   int
	counts [outcomes]int
	took   [outcomes][]time.Duration
}

func newTally(phases int) *tally { return &tally{cells: make([][methods]cell, phases)} }

// come counts a caller who comes, lag after he should have. It reports false if he is
// turned away.
func (t *tally) come(a arrival, lag time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := &t.cells[a.phase][a.method]
	c.came++
	t.lag = max(t.lag, lag)
	if t.inFlight == maxInFlight {
		c.counts[failed]++
		t.capped++
		return false
	}
	t.inFlight++
	return true
}

// leave counts what became of a caller after took.
func (t *tally) leave(a arrival, o outcome, took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.inFlight--
	c := &t.cells[a.phase][a.method]
	c.counts[o]++
	c.took[o] = append(c.took[o], took)
}

// A row is what the table shows of some methods in a phase.
type row struct {
	came     int
	counts   [outcomes]int
	p50, p99 time.Duration // of what callers waited, with or without an answer
	refusal  time.Duration // within which half of the refused were so
}

// row returns the row of the given methods in phase n.
func (t *tally) row(n int, of ...method) row {
	t.mu.Lock()
	defer t.mu.Unlock()
	var r row
	var all, refusals []time.Duration
	for _, m := range of {
		c := &t.cells[n][m]
		r.came += c.came
		for o, count := range c.counts {
			r.counts[o] += count
			all = append(all, c.took[o]...)
		}
		refusals = append(refusals, c.took[refused]...)
	}
	slices.Sort(all)
	slices.Sort(refusals)
	r.p50, r.p99, r.refusal = traffic.Quantile(all, 0.5), traffic.Quantile(all, 0.99), traffic.Quantile(refusals, 0.5)
	return r
}

// trouble returns how many callers were turned away, and by how much one came too late at
// the most.
func (t *tally) trouble() (capped int, lag time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.capped, t.lag
}

// waiting returns how many callers wait.
func (t *tally) waiting() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.inFlight
}
