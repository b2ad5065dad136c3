package peers

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/firebreak-go/firebreak/bench/lab/sim"
)

// A desk runs a policy in virtual time before a server with some workers, and keeps
// a log of what became of each request.
type desk struct {
	now      time.Duration
	events   events
	made     int // events
	rand     *rand.Rand
	policy   sim.Policy
	idle     int   // workers
	backlog  []int // started, but without a worker
	inFlight int
	requests []*request
	ids      map[*sim.Request]int
	log      []string
}

type request struct {
	lab   *sim.Request
	state string
	begun time.Duration
	work  time.Duration
}

// patience is how long a caller waits for the start, and how long from there on.
const patience = time.Second

// An event happens at a time, those of one time in the order in which they were made.
type event struct {
	at time.Duration
	n  int
	f  func(now time.Duration)
}

type events []event

func (e *events) Len() int { return len(*e) }
func (e *events) Less(i, j int) bool {
	a, b := (*e)[i], (*e)[j]
	return a.at < b.at || a.at == b.at && a.n < b.n
}
func (e *events) Swap(i, j int) { (*e)[i], (*e)[j] = (*e)[j], (*e)[i] }
func (e *events) Push(x any)    { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func newDesk(workers int) *desk {
	return &desk{idle: workers, rand: rand.New(rand.NewPCG(1, 2)), ids: make(map[*sim.Request]int)}
}

func (d *desk) At(t time.Duration, f func(now time.Duration)) {
	d.made++
	heap.Push(&d.events, event{t, d.made, f})
}

func (d *desk) InFlight() int                          { return d.inFlight }
func (d *desk) Rand() *rand.Rand                       { return d.rand }
func (d *desk) Refuse(r *sim.Request, _ time.Duration) { d.becomes(d.ids[r], "refused") }

func (d *desk) becomes(id int, state string) {
	d.requests[id].state = state
	d.log = append(d.log, fmt.Sprintf("%v: %d %s", d.now, id, state))
}

func (d *desk) Start(r *sim.Request) {
	id := d.ids[r]
	d.becomes(id, "started")
	d.requests[id].begun = d.now
	d.inFlight++
	d.backlog = append(d.backlog, id)
	d.serve()
}

// serve gives the first of the backlog to a worker.
func (d *desk) serve() {
	if d.idle == 0 || len(d.backlog) == 0 {
		return
	}
	d.idle--
	id := d.backlog[0]
	d.backlog = d.backlog[1:]
	r := d.requests[id]
	d.At(d.now+r.work, func(now time.Duration) {
		d.becomes(id, "done")
		d.inFlight--
		d.idle++
		d.serve()
		latency := now - r.begun
		d.policy.Done(now, r.lab, sim.End{Latency: latency, Canceled: latency > patience})
	})
}

// arrive has the next request come at a time, of a class and with some work to do.
func (d *desk) arrive(at time.Duration, class int, work time.Duration) {
	id := len(d.requests)
	r := &request{lab: &sim.Request{Class: class}, work: work}
	d.requests = append(d.requests, r)
	d.ids[r.lab] = id
	d.At(at, func(now time.Duration) {
		d.policy.Arrive(now, r.lab)
		if r.state != "" {
			return
		}
		d.At(now+patience, func(now time.Duration) {
			if r.state == "" {
				d.becomes(id, "left")
				d.policy.Leave(now, r.lab)
			}
		})
	})
}

// run runs all events until the time.
func (d *desk) run(until time.Duration) {
	for len(d.events) > 0 && d.events[0].at <= until {
		e := heap.Pop(&d.events).(event)
		d.now = e.at
		e.f(e.at)
	}
	d.now = until
}

// count returns how many requests are in each state.
func (d *desk) count() map[string]int {
	n := make(map[string]int)
	for _, r := range d.requests {
		n[r.state]++
	}
	return n
}
