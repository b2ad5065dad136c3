package peers

import (
	"time"

	"github.com/firebreak-go/firebreak/bench/lab/sim"
)

// CoDel is a limit like that of [Fixed] with a queue of controlled delay: who comes
// when the queue has not been empty for 100ms may wait for 5ms, and who comes at any
// other time for 100ms. It is the variant for requests instead of packets that
// Facebook uses, with the two times that it uses for all its services, as described
// in Ben Maurer, Fail at Scale, ACM Queue 13(8), 2015; the queue is first in, first
// out also under load, where the article turns it round. It knows no priorities.
func CoDel() sim.Maker {
	return sim.Maker{Name: "CoDel", New: func(desk sim.Desk, m sim.Model) sim.Policy {
		return &codel{desk: desk, limit: m.Knee(), waiting: make(map[*sim.Request]bool)}
	}}
}

type codel struct {
	desk      sim.Desk
	limit     int
	inFlight  int
	queue     line
	waiting   map[*sim.Request]bool // who is in the queue
	lastEmpty time.Duration
}

func (c *codel) Arrive(now time.Duration, r *sim.Request) {
	const (
		standing = 100 * time.Millisecond
		short    = 5 * time.Millisecond
	)
	if c.inFlight < c.limit {
		c.inFlight++
		c.desk.Start(r)
		return
	}
	if c.queue.len() == 0 {
		c.lastEmpty = now
	}
	patience := standing
	if now-c.lastEmpty > standing {
		patience = short
	}
	c.queue.push(r)
	c.waiting[r] = true
	c.desk.At(now+patience, func(now time.Duration) {
		if c.waiting[r] {
			c.Leave(now, r)
			c.desk.Refuse(r, 0)
		}
	})
}

func (c *codel) Leave(_ time.Duration, r *sim.Request) {
	c.queue.remove(r)
	delete(c.waiting, r)
}

func (c *codel) Done(time.Duration, *sim.Request, sim.End) {
	if c.queue.len() == 0 {
		c.inFlight--
		return
	}
	r := c.queue.pop()
	delete(c.waiting, r)
	c.desk.Start(r)
}
