package breaker

import (
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/firebreak-go/firebreak"
)

// circuit is the state of a Breaker, without its lock. gobreaker counts the votes
// and decides when to open, how many probes to let pass and when to close. What it
// lacks is here: an open time that grows, holds, forced states. What would trap
// its users is kept from them:
//
//   - All its callbacks run under its mutex. The only one used here writes down
//     what has changed.
//   - It drops the vote of a call that took longer than the window: the dependency
//     that hangs is the one that it would not see. While the circuit is closed a
//     call is therefore shown to it only when it ends.
//   - A probe that never votes would keep it half-open for ever: the Breaker gives
//     each probe a time limit.
type circuit struct {
	cfg     *Config
	changes []Change // not yet told
	machine *gobreaker.TwoStepCircuitBreaker[struct{}]

	state      State
	telling    bool      // somebody tells the changes, in their order
	generation uint64    // counts the changes of state
	opened     int       // how often the circuit opened since it was closed
	openUntil  time.Time //
	holdUntil  time.Time // until when the dependency asked to be left alone
	cause      error     // the failure that opened the circuit, or asked for the hold
}

// permit is the right to one attempt and one vote.
type permit struct {
	generation uint64
	begin      time.Time     // zero if nobody asks how long it took
	latency    time.Duration // how long the answer took, once known
	probe      *probe        // nil while the circuit is closed
}

// probe is an attempt by which a half-open circuit is judged.
type probe struct {
	done     func(error)
	answered atomic.Bool
	voted    bool        // guarded by the Breaker's mu
	timer    *time.Timer // guarded by the Breaker's mu; may be nil
}

func (p permit) answered(err error) {
	if p.probe != nil && err == nil {
		p.probe.answered.Store(true)
	}
}

// Votes as gobreaker takes them.
var (
	errFailed  = errors.New("failed")
	errIgnored = errors.New("ignored")
)

func (c *circuit) init(cfg *Config) {
	c.cfg = cfg
	c.machine = c.newMachine()
}

func (c *circuit) newMachine() *gobreaker.TwoStepCircuitBreaker[struct{}] {
	return gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		MaxRequests:   uint32(c.cfg.Probes), //nolint:gosec // Validate bounds it
		Interval:      c.cfg.Window,
		BucketPeriod:  c.cfg.Window / buckets,
		Timeout:       1, // openUntil is what counts
		ReadyToTrip:   c.tooManyFailures,
		OnStateChange: c.moved,
		IsExcluded:    func(err error) bool { return err == errIgnored }, //nolint:errorlint // a vote, never wrapped
	})
}

func (c *circuit) tooManyFailures(n gobreaker.Counts) bool {
	calls := n.Requests - n.TotalExclusions
	return int64(n.ConsecutiveFailures) >= int64(c.cfg.ConsecutiveFailures) ||
		int64(calls) >= int64(c.cfg.MinCalls) && float64(n.TotalFailures) >= c.cfg.FailureRatio*float64(calls)
}

// moved is told of gobreaker's changes of state, under its mutex.
func (c *circuit) moved(_ string, _, to gobreaker.State) {
	switch to {
	case gobreaker.StateOpen:
		c.opened++
		c.openUntil = time.Now().Add(openFor(c.opened, c.cfg.OpenFor, c.cfg.MaxOpenFor, rand.Float64()))
		c.enter(Open)
	case gobreaker.StateHalfOpen:
		c.enter(HalfOpen)
	case gobreaker.StateClosed:
		c.opened, c.cause = 0, nil
		c.enter(Closed)
	}
}

func (c *circuit) enter(s State) {
	c.changes = append(c.changes, Change{From: c.state, To: s})
	c.state = s
	c.generation++
}

// openFor returns how long the circuit stays open the n-th time in a row: base,
// doubled each time up to limit, spread by a fifth either way by chance, which is
// in [0, 1).
func openFor(n int, base, limit time.Duration, chance float64) time.Duration {
	d := base
	for range n - 1 {
		if d >= limit/2 {
			d = limit
			break
		}
		d *= 2
	}
	return time.Duration(float64(d) * (0.8 + 0.4*chance))
}

// admit returns the permit for an attempt, or why there is none.
func (c *circuit) admit() (permit, *firebreak.RejectedError) {
	if c.state == ForcedOpen {
		return permit{}, c.rejection("forced_open", 0)
	}
	p := permit{generation: c.generation}
	if c.cfg.SlowAfter > 0 || c.cfg.FairTime > 0 {
		p.begin = time.Now()
	}
	if c.state == ForcedClosed || c.state == Closed && c.holdUntil.IsZero() {
		return p, nil
	}
	now := time.Now()
	if c.state == Open && now.Before(c.openUntil) {
		return permit{}, c.rejection("open", c.openUntil.Sub(now))
	}
	if now.Before(c.holdUntil) {
		return permit{}, c.rejection("held", c.holdUntil.Sub(now))
	}
	c.holdUntil = time.Time{}
	if c.state == Closed {
		c.cause = nil
		return p, nil
	}
	done, err := c.machine.Allow() // half-open from here on
	if err != nil {
		return permit{}, c.rejection("probing", 0)
	}
	p.generation = c.generation
	p.probe = &probe{done: done}
	return p, nil
}

func (c *circuit) rejection(reason string, after time.Duration) *firebreak.RejectedError {
	return &firebreak.RejectedError{Policy: "breaker", Reason: reason, Err: ErrOpen, RetryAfter: after, Cause: c.cause}
}

// vote counts the outcome of an attempt, if the state is still the one in which
// it began.
func (c *circuit) vote(p permit, o firebreak.Outcome) {
	if p.probe != nil {
		if p.probe.voted {
			return
		}
		p.probe.voted = true
		if p.probe.timer != nil {
			p.probe.timer.Stop()
		}
	}
	if p.generation != c.generation || c.state == ForcedClosed {
		return
	}
	if o.Class == firebreak.Overload {
		c.hold(o)
	}
	if p.probe != nil {
		c.cast(p.probe.done, o)
		return
	}
	if o.Class != firebreak.Success && o.Class != firebreak.Failure {
		return
	}
	if done, err := c.machine.Allow(); err == nil {
		c.cast(done, o)
	}
}

func (c *circuit) cast(done func(error), o firebreak.Outcome) {
	switch o.Class {
	case firebreak.Success:
		done(nil)
	case firebreak.Failure:
		before := c.opened
		done(errFailed)
		if c.opened != before {
			c.cause = bare(o.Err)
			c.changes[len(c.changes)-1].Cause = c.cause
		}
	default:
		done(errIgnored) // the place is free for another probe
	}
}

// hold rejects calls for as long as the dependency asked for.
func (c *circuit) hold(o firebreak.Outcome) {
	if o.RetryAfter <= 0 || c.cfg.MaxHold == NoHold {
		return
	}
	until := time.Now().Add(min(o.RetryAfter, c.cfg.MaxHold))
	if until.After(c.holdUntil) {
		c.holdUntil, c.cause = until, bare(o.Err)
	}
}

// bare returns err without what a transport noted on it.
func bare(err error) error {
	if e, ok := err.(*firebreak.AttemptError); ok { //nolint:errorlint // the outermost only
		return e.Err
	}
	return err
}

// force puts the circuit into s. Closed means anew.
func (c *circuit) force(s State) {
	c.machine = c.newMachine()
	c.opened, c.cause, c.openUntil, c.holdUntil = 0, nil, time.Time{}, time.Time{}
	c.enter(s)
}

// evictable reports whether nothing is lost with the circuit.
func (c *circuit) evictable(now time.Time) bool {
	switch c.state {
	case Closed, HalfOpen:
		return !now.Before(c.holdUntil)
	case Open:
		return !now.Before(c.openUntil) && !now.Before(c.holdUntil)
	default:
		return false
	}
}
