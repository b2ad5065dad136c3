package main

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// maxInFlight bounds how many callers are there at once, so that a server that hangs
// cannot have this program take all memory. No load here gets near it: in the worst case
// all callers of the last second wait.
const maxInFlight = 2000

// A drive has the callers of a schedule come to a server.
type drive struct {
	schedule []arrival
	lead     time.Duration // those who come before it are not counted
	length   time.Duration
	call     caller
	tally    *tally
	used     func() use // what the server has used so far
	tick     func()     // called now and then

	start    time.Time
	callers  sync.WaitGroup
	inFlight atomic.Int32
}

const tickTime = 100 * time.Millisecond

// run returns when all callers have left, or soon after ctx has ended. Each comes at his
// time, whether or not those before him have been answered, and what he waits counts
// from then on also if the machine was too busy to let him come.
func (d *drive) run(ctx context.Context) {
	d.start = time.Now()
	counted, _ := slices.BinarySearchFunc(d.schedule, d.lead, func(a arrival, at time.Duration) int { return cmp.Compare(a.at, at) })
	d.send(ctx, d.schedule[:counted], newTally("", 0))
	d.sleepUntil(ctx, d.start.Add(d.lead))
	before := d.used()
	d.send(ctx, d.schedule[counted:], d.tally)
	d.sleepUntil(ctx, d.start.Add(d.length))
	d.tally.end(d.length-d.lead, d.used().since(before))
	d.wait()
}

// send has the callers come who are counted in t.
func (d *drive) send(ctx context.Context, callers []arrival, t *tally) {
	for _, a := range callers {
		at := d.start.Add(a.at)
		if !d.sleepUntil(ctx, at) {
			return
		}
		if d.inFlight.Load() == maxInFlight {
			t.turnAway(a.class)
			continue
		}
		d.inFlight.Add(1)
		t.come(a.class, time.Since(at))
		d.callers.Go(func() {
			defer d.inFlight.Add(-1)
			ctx, cancel := context.WithDeadline(ctx, at.Add(patience))
			defer cancel()
			o := d.call(ctx, a.class)
			t.leave(a.class, o, time.Since(at))
		})
	}
}

// sleepUntil reports whether the time at came before the end of ctx.
func (d *drive) sleepUntil(ctx context.Context, at time.Time) bool {
	for time.Now().Before(at) {
		timer := time.NewTimer(min(time.Until(at), tickTime))
		select {
		case <-timer.C:
			d.tick()
		case <-ctx.Done():
			timer.Stop()
			return false
		}
	}
	return ctx.Err() == nil
}

// wait waits for the callers who are still there.
func (d *drive) wait() {
	left := make(chan struct{})
	go func() {
		defer close(left)
		d.callers.Wait()
	}()
	ticker := time.NewTicker(tickTime)
	defer ticker.Stop()
	for {
		select {
		case <-left:
			return
		case <-ticker.C:
			d.tick()
		}
	}
}
