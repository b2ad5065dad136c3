package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// maxInFlight bounds how many callers of a side are there at once, so that a server that
// hangs cannot have this program take all memory. No load here gets near it: in the worst
// case all callers of the last second wait.
const maxInFlight = 1000

// A drive has the callers of a schedule come to all sides.
type drive struct {
	phases   []phase
	schedule []arrival
	sides    []*side
	tick     func(n int) // called every tickTime in phase n
	done     func(n int) // called when phase n is over and its callers have left, in order

	start    time.Time
	ticked   time.Time
	phase    int // at hand
	finished int // phases for which done was called
	waiting  []atomic.Int32
	callers  sync.WaitGroup
}

const tickTime = 100 * time.Millisecond

// run returns when all callers have left. Each comes at his time, whether or not those
// before him have been answered, and what he waits counts from then on also if the machine
// was too busy to let him come. A phase that ctx cuts off is not done.
func (d *drive) run(ctx context.Context) {
	d.start = time.Now()
	d.waiting = make([]atomic.Int32, len(d.phases))
	next := 0
	for n, p := range d.phases {
		d.phase = n
		for _, s := range d.sides {
			s.service.enter(n, p.mode)
		}
		for next < len(d.schedule) && d.schedule[next].phase == n {
			a := d.schedule[next]
			if !d.sleepUntil(ctx, d.start.Add(a.at)) {
				break
			}
			for _, s := range d.sides {
				d.come(ctx, s, a, uint64(next))
			}
			next++
		}
		d.sleepUntil(ctx, d.start.Add(p.end))
	}
	d.phase = len(d.phases)
	d.callers.Wait()
	if ctx.Err() == nil {
		d.finish()
	}
}

// come has a caller come to s, with call n.
func (d *drive) come(ctx context.Context, s *side, a arrival, n uint64) {
	at := d.start.Add(a.at)
	if !s.tally.come(a, time.Since(at)) {
		return
	}
	d.waiting[a.phase].Add(1)
	d.callers.Go(func() {
		defer d.waiting[a.phase].Add(-1)
		ctx, cancel := context.WithDeadline(ctx, at.Add(patience))
		defer cancel()
		o := outcomeOf(s.call(ctx, a.method, n))
		s.tally.leave(a, o, time.Since(at))
	})
}

// finish calls done for the phases that are.
func (d *drive) finish() {
	for d.finished < d.phase && d.waiting[d.finished].Load() == 0 {
		d.done(d.finished)
		d.finished++
	}
}

// sleepUntil reports whether the time at came before the end of ctx.
func (d *drive) sleepUntil(ctx context.Context, at time.Time) bool {
	for time.Now().Before(at) && ctx.Err() == nil {
		timer := time.NewTimer(min(time.Until(at), tickTime))
		select {
		case now := <-timer.C:
			if now.Sub(d.ticked) >= tickTime {
				d.ticked = now
				d.finish()
				d.tick(d.phase)
			}
		case <-ctx.Done():
			timer.Stop()
		}
	}
	return ctx.Err() == nil
}
