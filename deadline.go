package firebreak

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"
)

// DefaultTimeout bounds the calls of a Stack that has no timeout policy.
const DefaultTimeout = 30 * time.Second

// A TimeoutError says that a timeout policy ended a call or an attempt. It
// matches [context.DeadlineExceeded] with [errors.Is], and Timeout reports true.
// A deadline of the caller's own is not a TimeoutError.
type TimeoutError struct {
	After time.Duration // the limit that was passed
	Scope string        // "call" for the whole call, "attempt" for one attempt of it
}

// Error returns a line such as "timeout: attempt took over 2s".
func (e *TimeoutError) Error() string {
	return "timeout: " + e.Scope + " took over " + e.After.String()
}

// Unwrap returns [context.DeadlineExceeded].
func (e *TimeoutError) Unwrap() error { return context.DeadlineExceeded }

// Timeout reports true, for net.Error and url.Error.
func (e *TimeoutError) Timeout() bool { return true }

// Temporary reports true, for net.Error.
func (e *TimeoutError) Temporary() bool { return true }

var _ net.Error = (*TimeoutError)(nil)

// Scopes of a TimeoutError.
const (
	scopeCall    = "call"
	scopeAttempt = "attempt"
)

// A limit is a deadline.
type limit struct {
	at  time.Time
	err *TimeoutError // nil if there is no limit
}

// Until runs next under the deadline at. If the deadline ends the attempt, or the
// use of its result, err is what it ends with. A deadline of the caller's that is
// not later is left to do its work. Package timeout is made of it.
//
// The context given to next carries the deadline, with err as its cause. Only
// inside a [Stack] that has another timeout further in, and no policy between
// the two that could miss it, this one is merged into that.
//
// If the call [Call.Streams] and err is of an attempt, next has until the deadline to
// return, and the result may live longer: the context does not carry the deadline
// then, but is cancelled at it.
func Until(ctx context.Context, c Call, at time.Time, err *TimeoutError, next Handler) (any, error) {
	if c.early {
		c.early = false
		at = at.Add(-time.Since(c.state.ticket.arrived))
	}
	if c.limit.err != nil && !at.Before(c.limit.at) {
		at, err = c.limit.at, c.limit.err
	}
	if c.deferLimit && !c.Streams { // the timeouts of a stream bound different times
		c.limit = limit{at, err}
		return next(ctx, c)
	}
	c.limit = limit{}
	if callers, ok := ctx.Deadline(); ok && !at.Before(callers) {
		return next(ctx, c)
	}
	if c.Streams && err.Scope == scopeAttempt {
		return untilBegun(ctx, c, at, err, next)
	}
	return until(ctx, c, at, err, next)
}

func until(ctx context.Context, c Call, at time.Time, expired *TimeoutError, next Handler) (any, error) {
	inner, cancel := context.WithDeadlineCause(ctx, at, expired)
	returned := false
	defer func() {
		if !returned {
			cancel()
		}
	}()
	c.carried = limit{at, expired}
	result, err := next(inner, c)
	returned = true

	late := errors.Is(inner.Err(), context.DeadlineExceeded) && context.Cause(inner) == error(expired)
	result, err = inTime(result, err, late, expired)
	if p, ok := result.(Pending); ok {
		coverResult(ctx, c.Origin(), p, expired, cancel)
		return result, err
	}
	cancel()
	if passed(err, expired) {
		c.Origin().timedOut(ctx, expired)
	}
	return result, err
}

// untilBegun is until for a stream that has time only to begin.
func untilBegun(ctx context.Context, c Call, at time.Time, expired *TimeoutError, next Handler) (any, error) {
	inner, cancel := context.WithCancelCause(ctx)
	begun := &start{expired: expired}
	timer := time.AfterFunc(time.Until(at), func() {
		if begun.decide(startMissed) {
			cancel(expired)
		}
	})
	c.start = begun
	returned := false
	defer func() {
		if !returned {
			timer.Stop()
			cancel(nil)
		}
	}()
	result, err := next(inner, c)
	returned = true

	timer.Stop()
	result, err = inTime(result, err, !begun.decide(startMade), expired)
	if p, ok := result.(Pending); ok {
		p.OnDone(func(Outcome) { cancel(nil) })
		return result, err
	}
	cancel(nil)
	if passed(err, expired) {
		c.Origin().timedOut(ctx, expired)
	}
	return result, err
}

// A start is whether a stream has begun in time.
type start struct {
	expired *TimeoutError
	state   atomic.Int32
}

const (
	startMade   = 1
	startMissed = 2
)

// decide says how it is, and reports whether that was open.
func (s *start) decide(state int32) bool { return s.state.CompareAndSwap(0, state) }

func (s *start) missed() bool { return s != nil && s.state.Load() == startMissed }

// inTime returns what an attempt ends with that returned result and err, and whose time
// was over by then if late is true.
func inTime(result any, err error, late bool, expired *TimeoutError) (any, error) {
	p, pending := result.(Pending)
	switch {
	case late && pending && !p.Ended():
		p.Discard() // it came too late to be read
		return nil, expired
	case late && err != nil && endsWithContext(err):
		Discard(result)
		if !errors.Is(err, expired) { // what a transport noted on it stays
			err = expired
		}
		return nil, err
	default:
		return result, err
	}
}

// passed reports whether err is the end by expired. A caller may cancel for a
// timeout that another call had, which is the same value for all calls of a policy.
func passed(err error, expired *TimeoutError) bool {
	return errors.Is(err, expired) && !errors.Is(err, context.Canceled)
}

// coverResult keeps the deadline over p until that has ended. It is apart from
// until so that only calls with such a result pay for the closure.
func coverResult(ctx context.Context, from Origin, p Pending, expired *TimeoutError, cancel context.CancelFunc) {
	p.OnDone(func(o Outcome) {
		cancel()
		if passed(o.Err, expired) {
			from.timedOut(ctx, expired)
		}
	})
}

// endsWithContext reports whether err is how code ends whose context is done,
// rather than an answer that happened to come late.
func endsWithContext(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return true
	}
	t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && t.Timeout()
}

// lastResort ends an attempt that came to its end without any deadline.
var lastResort = TimeoutError{After: DefaultTimeout, Scope: scopeAttempt}

// defaultTimeout is the outermost policy of a Stack that names no timeout.
type defaultTimeout struct{ call TimeoutError }

func newDefaultTimeout() *defaultTimeout {
	return &defaultTimeout{
		call: TimeoutError{After: DefaultTimeout, Scope: scopeCall},
	}
}

func (t *defaultTimeout) Do(ctx context.Context, c Call, next Handler) (any, error) {
	return Until(ctx, c, time.Now().Add(DefaultTimeout), &t.call, next)
}

func (t *defaultTimeout) Describe() Description {
	return Description{Kind: KindTimeout, Text: "timeout " + DefaultTimeout.String() + " (default)", Timeout: DefaultTimeout}
}
