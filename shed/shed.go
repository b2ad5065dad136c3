// Package shed keeps a server from taking on more than it can do.
//
// A [Shed] finds out by itself how many calls the server can have in flight, lets a
// short queue even out bursts, and refuses the rest at once, the least important
// first, with the time at which to come back. There is no limit to set: it belongs
// to the service, the machine and the hour. [Rate] is the other limit of a server, a
// quota for each caller.
package shed

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/internal/adaptive"
)

// ErrShed is the sentinel of a rejection by a [Shed]: the server has too much to do.
// The call was not begun.
var ErrShed = errors.New("server is overloaded")

// Config configures a Shed. Its zero value is what most servers want.
type Config struct {
	// Shadow has the Shed decide, and tell in events and in firebreak.shadow what it
	// would have rejected, but reject nobody: for the first week in a service that
	// was never limited. With no limit in force there is nothing to try out, and it
	// goes by latencies alone: what it tells is an estimate.
	Shadow bool
}

// A Shed is a policy that limits the load of a server. It is a [firebreak.Gate], too.
// It is safe for concurrent use.
//
// One Shed is for all calls of a process: they share what limits it, and of two each
// would see only what the other leaves. A call counts from when it is let in until
// its result has ended; how long it took is measured until its answer began. Calls that
// came to nothing sooner than others are answered say nothing: they failed at once, their
// callers gave up, a policy further in rejected them. Those that took longer show that
// the server is slow, but not that it does its work.
//
// The priority of a call is that of its context: [firebreak.PriorityOf].
type Shed struct {
	shadow  bool
	start   time.Time         // what the times of limiter are since
	limiter *adaptive.Limiter // nil in the zero value
}

// New returns a Shed.
func New(cfg Config) *Shed {
	return &Shed{shadow: cfg.Shadow, start: time.Now(), limiter: adaptive.New(0, adaptive.Config{Shadow: cfg.Shadow})}
}

func (s *Shed) now() time.Duration { return time.Since(s.start) }

// Do runs next if the server can take it on, at once or after a short wait. Otherwise
// it returns a [*firebreak.RejectedError] around [ErrShed] with the time after which
// to come back, or what the call ends with if that ends in the queue.
func (s *Shed) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (result any, err error) {
	if c.Exempt {
		return next(ctx, c)
	}
	begin := s.now()
	if ctx.Err() != nil || !s.limiter.TryAdmit(begin) {
		if begin, err = s.queue(ctx, c, begin); err != nil {
			return nil, err
		}
	}
	return s.run(ctx, c, begin, next)
}

// run runs next for a call that was let in at begin.
func (s *Shed) run(ctx context.Context, c firebreak.Call, begin time.Duration, next firebreak.Handler) (result any, err error) {
	released := false
	defer func() {
		if !released {
			s.release(c.Began, begin, firebreak.NoReturn(ctx))
		}
	}()
	result, err = next(ctx, c)
	if p, ok := result.(firebreak.Pending); ok {
		s.releaseAtEnd(c, begin, p)
		released = true
		return result, err
	}
	o := s.outcome(c, err)
	released = true
	s.release(c.Began, begin, o)
	return result, err
}

// outcome returns how a call ended. A panic of c.Classify says nothing of the server.
func (s *Shed) outcome(c firebreak.Call, err error) firebreak.Outcome {
	if err == nil && c.Classify == nil {
		return firebreak.Outcome{}
	}
	return c.Outcome(err)
}

// releaseAtEnd is apart from Do so that only calls with such a result pay for the
// closure.
func (s *Shed) releaseAtEnd(c firebreak.Call, begin time.Duration, p firebreak.Pending) {
	answered := s.now()
	began := c.Began
	p.OnDone(func(o firebreak.Outcome) {
		s.limiter.Release(s.now(), s.latency(began, begin, answered), endOf(o.Class))
	})
}

// Allow admits or rejects a call, as Do does; done gives its place back.
func (s *Shed) Allow(ctx context.Context, c firebreak.Call) (done func(firebreak.Outcome), err error) {
	if c.Exempt {
		return func(firebreak.Outcome) {}, nil
	}
	begin := s.now()
	if ctx.Err() != nil || !s.limiter.TryAdmit(begin) {
		if begin, err = s.queue(ctx, c, begin); err != nil {
			return nil, err
		}
	}
	var once sync.Once
	return func(o firebreak.Outcome) { once.Do(func() { s.release(c.Began, begin, o) }) }, nil
}

func (s *Shed) release(began *firebreak.Moment, begin time.Duration, o firebreak.Outcome) {
	now := s.now()
	s.limiter.Release(now, s.latency(began, begin, now), endOf(o.Class))
}

// latency returns the time from begin until the answer began, or else until end.
func (s *Shed) latency(began *firebreak.Moment, begin, end time.Duration) time.Duration {
	if began != nil {
		if at, ok := began.Time(); ok {
			end = at.Sub(s.start)
		}
	}
	return max(end-begin, 0)
}

func endOf(class firebreak.Class) adaptive.End {
	switch class {
	case firebreak.Success:
		return adaptive.Completed
	case firebreak.Ignored:
		return adaptive.Ignored
	default:
		return adaptive.Failed
	}
}

// Close has s refuse all calls from now on, with the reason "closing" and no time at
// which to come back: another server may have room now. Those that wait are served. Give it to [net/http.Server.RegisterOnShutdown].
func (s *Shed) Close() { s.limiter.Close(s.now()) }

// Describe implements [firebreak.Describer]. It panics for a zero value, so that a
// Stack is not made of one.
func (s *Shed) Describe() firebreak.Description {
	if s.limiter == nil {
		panic("shed: a Shed that New has not made, want one of shed.New")
	}
	text := "shed"
	if s.shadow {
		text = "shed (shadow)"
	}
	return firebreak.Description{Kind: firebreak.KindShed, Text: text}
}

// Report implements [firebreak.Reporter].
func (s *Shed) Report(yield func(firebreak.Status)) {
	now := s.Snapshot()
	yield(firebreak.Status{Policy: "shed", InFlight: now.InFlight, Waiting: now.Waiting, Limit: now.Limit})
}

// A Snapshot is what a [Shed] knows at one moment.
type Snapshot struct {
	Limit    int // calls that may be in flight
	InFlight int // calls that are; over Limit for a while after that was lowered
	Waiting  int // calls in the queue

	// Baseline is how long a call takes when it does not have to wait for others, 0 if
	// that is not known yet; Latency is how long calls took of late.
	Baseline, Latency time.Duration

	// Throughput is how many calls were answered per second of late.
	Throughput float64
}

// Snapshot returns what s knows now.
func (s *Shed) Snapshot() Snapshot {
	now := s.limiter.Snapshot()
	waiting := 0
	for _, n := range now.Waiting {
		waiting += n
	}
	return Snapshot{
		Limit: now.Limit, InFlight: now.InFlight, Waiting: waiting,
		Baseline: now.Baseline, Latency: now.Latency, Throughput: now.Throughput,
	}
}
