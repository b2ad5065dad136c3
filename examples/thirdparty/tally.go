package main

import (
	"slices"
	"sync"
	"time"

	"github.com/firebreak-go/firebreak/examples/internal/traffic"
)

// A fate is how a call ended, as its caller sees it.
type fate int

const (
	waiting fate = iota // it has not
	good
	bad // an error, or nothing when the caller gave up
)

// A record is one call.
type record struct {
	at, took time.Duration // since the start of the run; what the caller waited
	phase    int
	fate     fate
}

// A tally is what is counted of one side. It is safe for concurrent use.
type tally struct {
	mu       sync.Mutex // guards the fields below
	phase    int        // the one at hand
	busy     int        // calls that hold a worker
	calls    []record   // in the order in which they came
	attempts []int      // per phase, by when they came to the third party
	slots    []int      // per phase, the most workers that were held at once
	lastErr  error      // what the last bad call ended with
}

func newTally(phases int) *tally {
	return &tally{attempts: make([]int, phases), slots: make([]int, phases)}
}

// enter begins phase n.
func (t *tally) enter(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.phase = n
	t.slots[n] = t.busy
}

// attempted counts an attempt.
func (t *tally) attempted() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.attempts[t.phase]++
}

// hold counts n more workers as held.
func (t *tally) hold(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.busy += n
	t.slots[t.phase] = max(t.slots[t.phase], t.busy)
}

// call counts a call that comes at the time at, and returns its number.
func (t *tally) call(at time.Duration) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls = append(t.calls, record{at: at, phase: t.phase})
	return len(t.calls) - 1
}

// settle says how call n ended for its caller at the time at. Only the first time
// counts.
func (t *tally) settle(n int, at time.Duration, f fate) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r := &t.calls[n]; r.fate == waiting {
		r.fate, r.took = f, at-r.at
	}
}

// failed notes what a bad call ended with.
func (t *tally) failed(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lastErr = err
}

// A row is what a table shows of a phase.
type row struct {
	came            int // calls, also those that have not ended
	calls, good     int
	p50, p99        time.Duration
	attempts, slots int
	busy            int // workers that are held at the moment
}

// row returns the row of phase n.
func (t *tally) row(n int) row {
	return t.rowOf(func(phase int) bool { return phase == n })
}

// total returns the row of all phases.
func (t *tally) total() row { return t.rowOf(func(int) bool { return true }) }

func (t *tally) rowOf(wanted func(phase int) bool) row {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := row{busy: t.busy}
	var took []time.Duration
	for i := range t.calls {
		c := &t.calls[i]
		if !wanted(c.phase) {
			continue
		}
		r.came++
		if c.fate == waiting {
			continue
		}
		took = append(took, c.took)
		if c.fate == good {
			r.good++
		}
	}
	for n := range t.attempts {
		if wanted(n) {
			r.attempts += t.attempts[n]
			r.slots = max(r.slots, t.slots[n])
		}
	}
	slices.Sort(took)
	r.calls, r.p50, r.p99 = len(took), traffic.Quantile(took, 0.5), traffic.Quantile(took, 0.99)
	return r
}

// goodInARow is how many calls in a row must be good for the calls to be good
// again.
const goodInARow = 10

// recovery returns how long after begin, when phase n began, the first of
// goodInARow good calls came, the last of which may be beyond the end of the phase.
// If there is none, ok is false and after is for how long there was none.
func (t *tally) recovery(n int, begin time.Duration) (after time.Duration, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	inARow := 0
	for i := range t.calls {
		c := &t.calls[i]
		switch {
		case c.phase != n || c.fate == waiting:
			continue
		case c.fate != good:
			inARow = 0
		case inARow == 0:
			inARow = 1
		default:
			inARow++
		}
		if inARow <= 1 {
			after = c.at - begin
		}
		if inARow == goodInARow {
			return after, true
		}
	}
	return after, inARow > 0
}
