package peers

import (
	"time"

	"github.com/firebreak-go/firebreak/bench/lab/sim"
)

// Fixed is a limit that somebody measured: the concurrency at which the undisturbed
// server does the most, and a queue, first in, first out, that is drained in a quarter
// of the callers' patience, and no shorter than the limit. It is the best that a
// bulkhead, Envoy's circuit breaker or a pool with a bounded queue can be set to for
// this one model. It knows no priorities, and does not notice when the server changes.
func Fixed() sim.Maker {
	return sim.Maker{Name: "fixed limit", New: func(desk sim.Desk, m sim.Model) sim.Policy {
		room := int(m.Capacity() * m.Patience.Seconds() / 4)
		return &fixed{desk: desk, limit: m.Knee(), room: max(room, m.Knee())}
	}}
}

type fixed struct {
	desk     sim.Desk
	limit    int
	room     int // in the queue
	inFlight int
	queue    line
}

func (f *fixed) Arrive(_ time.Duration, r *sim.Request) {
	switch {
	case f.inFlight < f.limit:
		f.inFlight++
		f.desk.Start(r)
	case f.queue.len() < f.room:
		f.queue.push(r)
	default:
		f.desk.Refuse(r, 0)
	}
}

func (f *fixed) Leave(_ time.Duration, r *sim.Request) { f.queue.remove(r) }

func (f *fixed) Done(time.Duration, *sim.Request, sim.End) {
	if f.queue.len() > 0 {
		f.desk.Start(f.queue.pop())
		return
	}
	f.inFlight--
}
