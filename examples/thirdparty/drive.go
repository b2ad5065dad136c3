package main

import (
	"context"
	"slices"
	"sync"
	"time"
)

// A side is a service that calls the third party with one kind of client: callers
// come whether or not earlier ones have been served, wait in line for one of a few
// workers, and give up after a while.
type side struct {
	name    string
	get     getter
	workers int
	tally   *tally

	queue chan ticket
}

// A ticket is a caller in line.
type ticket struct {
	number   int
	deadline time.Time
}

// A load is traffic, the same for each side. It ends after the phases, or with its
// context.
type load struct {
	rps      int           // calls per second
	patience time.Duration // for how long a caller waits
	phases   []phase
	sides    []*side
	entered  func(n int) // called when phase n begins
	tick     func(n int) // called now and then in phase n
	left     func(n int) // called when phase n ends
}

const tickTime = 200 * time.Millisecond

// run drives the load. It returns when no call is under way any more.
func (l *load) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	start := time.Now()
	total := l.phases[len(l.phases)-1].end
	calls := int(total.Seconds() * float64(l.rps))
	var workers sync.WaitGroup
	for _, s := range l.sides {
		s.queue = make(chan ticket, calls)
		for range s.workers {
			workers.Go(func() { s.work(ctx, start) })
		}
	}
	l.send(ctx, start, calls)
	for range l.patience/tickTime + 1 { // for the callers who still wait
		if !l.waited() || !sleepUntil(ctx, time.Now().Add(tickTime)) {
			break
		}
	}
	cancel()
	for _, s := range l.sides {
		close(s.queue)
	}
	workers.Wait()
}

// waited reports whether any caller still waits.
func (l *load) waited() bool {
	return slices.ContainsFunc(l.sides, func(s *side) bool {
		r := s.tally.total()
		return r.calls < r.came
	})
}

// send lets the callers come, at even distances, and the phases change.
func (l *load) send(ctx context.Context, start time.Time, calls int) {
	ticks := time.Duration(0)
	sent := 0
	for n, p := range l.phases {
		for _, s := range l.sides {
			s.tally.enter(n)
		}
		l.entered(n)
		for {
			nextCall := time.Duration(sent) * time.Second / time.Duration(l.rps)
			if sent == calls {
				nextCall = p.end
			}
			at := min(nextCall, ticks, p.end)
			if !sleepUntil(ctx, start.Add(at)) {
				l.left(n)
				return
			}
			if at == p.end {
				break
			}
			if at == ticks {
				l.tick(n)
				ticks += tickTime
				continue
			}
			for _, s := range l.sides {
				s.queue <- s.ticket(ctx, start, l.patience) // it has room for all
			}
			sent++
		}
		l.left(n)
	}
}

// sleepUntil reports whether the time at came before the end of ctx.
func sleepUntil(ctx context.Context, at time.Time) bool {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// ticket lets a caller come, who leaves again when nothing has come for patience.
func (s *side) ticket(ctx context.Context, start time.Time, patience time.Duration) ticket {
	now := time.Now()
	n := s.tally.call(now.Sub(start))
	time.AfterFunc(patience, func() {
		if ctx.Err() == nil { // cut off by the end of the run is neither good nor bad
			s.tally.settle(n, time.Since(start), bad)
		}
	})
	return ticket{number: n, deadline: now.Add(patience)}
}

// work serves callers, also those who have left already: it is for the client to
// see that.
func (s *side) work(ctx context.Context, start time.Time) {
	for t := range s.queue {
		if ctx.Err() != nil {
			continue // the run is over
		}
		s.tally.hold(1)
		err := s.get(ctx, t.deadline)
		s.tally.hold(-1)
		switch {
		case err == nil:
			s.tally.settle(t.number, time.Since(start), good)
		case ctx.Err() == nil:
			s.tally.failed(err)
			s.tally.settle(t.number, time.Since(start), bad)
		}
	}
}
