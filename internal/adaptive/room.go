package adaptive

import (
	"sync/atomic"
	"time"
)

const (
	burstMin    = 64
	burstFor    = 0.1 // seconds of throughput
	standingMin = 8
	graceFor    = 100 * time.Millisecond
	graceCalls  = 200
)

// rooms says how many may wait, class by class, with all that are more important
// counted ahead. There is room for a burst while the queue ahead was empty a short time
// ago; a queue that stands longer is no burst, and only delays everyone.
//
// It is written under the lock and read without it.
type rooms struct {
	ahead    [Classes]atomic.Int64 // how many wait of this class and the more important ones
	empty    [Classes]atomic.Int64 // when ahead was 0 last
	burst    atomic.Int64
	standing atomic.Int64
	grace    atomic.Int64 // how long a queue is a burst
}

// adapt sets the rooms for a limit and a throughput per second. While an experiment
// lasts a queue is no sign of anything.
func (r *rooms) adapt(limit int, rate float64, experiment bool) {
	standing := max(standingMin, int64(limit/2))
	r.standing.Store(standing)
	r.burst.Store(max(burstMin, int64(burstFor*rate), standing))
	grace := graceFor
	if rate > 0 {
		grace = max(grace, time.Duration(min(graceCalls/rate, longest.Seconds())*float64(time.Second)))
	}
	if experiment {
		grace = max(grace, longest)
	}
	r.grace.Store(int64(grace))
}

// size returns how many may wait in all for one more of class c to be let in. The most
// important class always has the room of a burst: nobody else waits for it to be served.
// Where it alone takes all that the server can do, chance makes its queue stand, and a
// short one would refuse some of it while the less important have slots.
func (r *rooms) size(now time.Duration, c Class) int64 {
	if c == Critical || int64(now)-r.empty[c].Load() <= r.grace.Load() {
		return r.burst.Load()
	}
	return r.standing.Load()
}

// full reports whether there is no room for another waiter of class c.
func (r *rooms) full(now time.Duration, c Class) bool {
	n := r.ahead[c].Load()
	return n >= r.standing.Load() && n >= r.size(now, c)
}

// changed notes how many wait from class c on.
func (r *rooms) changed(now time.Duration, q *queue, c Class) {
	n := q.ahead(c)
	for i := c; ; {
		if r.ahead[i].Load() == 0 {
			r.empty[i].Store(int64(now))
		}
		r.ahead[i].Store(int64(n))
		if i++; i == Classes {
			return
		}
		n += q.lines[i].waiting
	}
}
