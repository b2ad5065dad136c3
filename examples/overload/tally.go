package main

import (
	"slices"
	"sync"
	"time"

	"github.com/firebreak-go/firebreak/examples/internal/database"
	"github.com/firebreak-go/firebreak/examples/internal/traffic"
)

// A tally is what is counted of one load on one server. It is safe for concurrent use.
type tally struct {
	mu       sync.Mutex // guards the fields below
	row      row        // without the quantiles
	inFlight int
	took     [classes][]time.Duration
	refusals []time.Duration // how long it took to be refused
}

// A row is what the table shows of one load on one server.
type row struct {
	load   float64
	server string
	lasted time.Duration // how long callers came

	offered  [classes]int
	counts   [classes][outcomes]int
	p50, p99 time.Duration    // of what critical callers waited, with or without an answer
	refusal  [2]time.Duration // after how long half, and 99 of 100, of the refused were so
	use      database.Use

	capped int           // callers who failed because too many were in flight
	lag    time.Duration // by how much a caller came too late at the most
}

func newTally(server string, load float64) *tally {
	return &tally{row: row{server: server, load: load}}
}

// come counts a caller who comes, lag after he should have.
func (t *tally) come(c class, lag time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.row.offered[c]++
	t.row.lag = max(t.row.lag, lag)
	t.inFlight++
}

// leave counts what became of a caller after took.
func (t *tally) leave(c class, o outcome, took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.inFlight--
	t.row.counts[c][o]++
	t.took[c] = append(t.took[c], took)
	if o == refused {
		t.refusals = append(t.refusals, took)
	}
}

// turnAway counts a caller who came while maxInFlight others were there.
func (t *tally) turnAway(c class) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.row.offered[c]++
	t.row.counts[c][failed]++
	t.row.capped++
}

// end says how long callers came, and what the server used in that time.
func (t *tally) end(lasted time.Duration, u database.Use) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.row.lasted, t.row.use = lasted, u
}

// now returns the row as it stands, and how many callers wait.
func (t *tally) now() (r row, inFlight int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r = t.row
	took, refusals := slices.Clone(t.took[critical]), slices.Clone(t.refusals)
	slices.Sort(took)
	slices.Sort(refusals)
	r.p50, r.p99 = traffic.Quantile(took, 0.5), traffic.Quantile(took, 0.99)
	r.refusal = [2]time.Duration{traffic.Quantile(refusals, 0.5), traffic.Quantile(refusals, 0.99)}
	return r, t.inFlight
}

// total returns how many callers of any class had the outcome.
func (r row) total(o outcome) int { return r.counts[critical][o] + r.counts[bestEffort][o] }

// came returns how many callers of any class came.
func (r row) came() int { return r.offered[critical] + r.offered[bestEffort] }

// rate returns n as a rate per second.
func (r row) rate(n int) float64 { return ratio(float64(n), r.lasted.Seconds()) }

// wasted returns the share of the time of the connections that went to callers who had
// left.
func (r row) wasted() float64 { return ratio(float64(r.use.Wasted), float64(r.use.All)) }

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}
