package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/firebreak-go/firebreak/examples/internal/database"
)

// maxInFlight bounds how many callers are there at once, so that a server that hangs
// cannot have this program take all memory. No load here gets near it: in the worst case
// all callers of the last second wait.
const maxInFlight = 2000

// A drive has the callers of a schedule come to a server. Those of its first part, the
// lead, are not counted, nor those who come after its length while counted ones still
// wait: what is counted is a stretch of a load that was there before and goes on.
type drive struct {
	schedule     []arrival // longer than length by the patience of a caller
	lead, length time.Duration
	call         caller
	tally        *tally
	used         func() database.Use // what the server has used so far
	tick         func()              // called every tickTime

	start    time.Time
	ticked   time.Time
	inFlight atomic.Int32
}

const tickTime = 100 * time.Millisecond

// run returns when all callers have left. Each comes at his time, whether or not those
// before him have been answered, and what he waits counts from then on also if the
// machine was too busy to let him come.
func (d *drive) run(ctx context.Context) {
	d.start = time.Now()
	ctx, hangUp := context.WithCancel(ctx)
	var counted, others sync.WaitGroup
	nobody := newTally("", 0)
	d.send(ctx, 0, d.lead, nobody, &others)
	before := d.used()
	d.send(ctx, d.lead, d.length, d.tally, &counted)
	d.tally.end(d.length-d.lead, d.used().Since(before))

	tail, enough := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		counted.Wait()
		enough()
	})
	d.send(tail, d.length, d.length+patience, nobody, &others)
	watch.Wait()
	hangUp() // nobody asks what becomes of the others
	others.Wait()
}

// send has the callers come who do so in the time given, and returns at its end. They
// are counted in t.
func (d *drive) send(ctx context.Context, from, to time.Duration, t *tally, callers *sync.WaitGroup) {
	for _, a := range d.schedule {
		at := d.start.Add(a.at)
		if a.at < from {
			continue
		}
		if a.at >= to || !d.sleepUntil(ctx, at) {
			break
		}
		if d.inFlight.Load() == maxInFlight {
			t.turnAway(a.class)
			continue
		}
		d.inFlight.Add(1)
		t.come(a.class, time.Since(at))
		callers.Go(func() {
			defer d.inFlight.Add(-1)
			ctx, cancel := context.WithDeadline(ctx, at.Add(patience))
			defer cancel()
			o := d.call(ctx, a.class)
			t.leave(a.class, o, time.Since(at))
		})
	}
	d.sleepUntil(ctx, d.start.Add(to))
}

// sleepUntil reports whether the time at came before the end of ctx.
func (d *drive) sleepUntil(ctx context.Context, at time.Time) bool {
	for time.Now().Before(at) && ctx.Err() == nil {
		timer := time.NewTimer(min(time.Until(at), tickTime))
		select {
		case now := <-timer.C:
			if now.Sub(d.ticked) >= tickTime {
				d.ticked = now
				d.tick()
			}
		case <-ctx.Done():
			timer.Stop()
		}
	}
	return ctx.Err() == nil
}
