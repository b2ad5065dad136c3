package breaker

import (
	"errors"
	"math/rand/v2"
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
//   - It counts failures in a row within its window only: those of a caller who
//     waits long for each would never be enough. They are counted here.
type circuit struct {
	cfg     *Config
	changes []news // in their order
	machine *gobreaker.TwoStepCircuitBreaker[struct{}]

	generation uint64    // counts the changes of state
	until      time.Time // when an open time or a hold ends: calls are rejected before it
	cause      error     // the failure that opened the circuit last, or asked for the hold
	failedAt   time.Time // when the last failure in a row was counted
	inRow      int32     // failures in a row while closed
	opened     int32     // how often the circuit opened since it was closed
	state      State
	telling    bool // somebody is at the changes
}

// permit is the right to one attempt and one vote.
type permit struct {
	generation uint64
	begin      time.Time // zero if nobody asks how long it takes
	probe      *probe    // nil while the circuit is closed
}

// probe is an attempt by which a half-open circuit is judged. Its fields are
// guarded by the Breaker's mu.
type probe struct {
	done     func(error)
	timer    *time.Timer // nil until it is set
	answered bool        // the result has begun, and only its end is to come
	voted    bool
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
		BucketPeriod:  (c.cfg.Window + buckets - 1) / buckets, // rounded up: rounded down there may be one more
		Timeout:       1,                                      // until is what counts
		ReadyToTrip:   c.tooManyFailures,
		OnStateChange: c.moved,
		IsExcluded:    func(err error) bool { return err == errIgnored }, //nolint:errorlint // a vote, never wrapped
	})
}

// tooManyFailures decides after each failure whether to open. The ratio is a
// quotient, not a product: 3 of 30 are 0.1, but 0.1 of 30 is more than 3.
func (c *circuit) tooManyFailures(n gobreaker.Counts) bool {
	return int64(c.inRow) >= int64(c.cfg.ConsecutiveFailures) ||
		int64(n.Requests) >= int64(c.cfg.MinCalls) && float64(n.TotalFailures)/float64(n.Requests) >= c.cfg.FailureRatio
}

// moved is told of gobreaker's changes of state, under its mutex.
func (c *circuit) moved(_ string, _, to gobreaker.State) {
	switch to {
	case gobreaker.StateOpen:
		c.opened++
		until := time.Now().Add(openFor(c.opened, c.cfg.OpenFor, c.cfg.MaxOpenFor, rand.Float64()))
		if until.After(c.until) { // a hold may be longer
			c.until = until
		}
		c.enter(Open)
	case gobreaker.StateHalfOpen:
		c.enter(HalfOpen)
	case gobreaker.StateClosed:
		c.opened = 0
		c.enter(Closed)
	}
}

func (c *circuit) enter(s State) {
	c.changes = append(c.changes, news{Change: Change{From: c.state, To: s}})
	c.state = s
	c.generation++
	c.inRow = 0
}

// openFor returns how long the circuit stays open the n-th time in a row: base,
// doubled each time up to limit, spread by a fifth either way by chance, which is
// in [0, 1).
func openFor(n int32, base, limit time.Duration, chance float64) time.Duration {
	d := base
	for range n - 1 {
		if d > limit/2 {
			d = limit
			break
		}
		d *= 2
	}
	return time.Duration(float64(d) * (0.8 + 0.4*chance))
}

// admit returns the permit for an attempt, or why there is none.
func (c *circuit) admit() (permit, *firebreak.RejectedError) {
	p, rejection, decided := c.decide()
	if decided {
		return p, rejection
	}
	done, err := c.machine.Allow() // half-open from here on
	if err != nil {
		return permit{}, c.rejection("probing", 0)
	}
	p.generation = c.generation
	p.probe = &probe{done: done}
	return p, nil
}

// decide does what admit does, unless that takes a probe.
func (c *circuit) decide() (p permit, rejection *firebreak.RejectedError, decided bool) {
	if c.state == ForcedOpen {
		return permit{}, c.rejection("forced_open", 0), true
	}
	p = permit{generation: c.generation, begin: c.begin()}
	if c.state == ForcedClosed || c.state == Closed && c.inRow == 0 && c.until.IsZero() {
		return p, nil, true
	}
	now := time.Now()
	switch {
	case !now.Before(c.until):
		c.until = time.Time{}
	case c.state == Open:
		return permit{}, c.rejection("open", c.until.Sub(now)), true
	default:
		return permit{}, c.rejection("held", c.until.Sub(now)), true
	}
	if c.state != Closed {
		return p, nil, false
	}
	if now.Sub(c.failedAt) >= c.cfg.Window { // nobody called for so long: the row is old
		c.inRow = 0
	}
	return p, nil, true
}

// begin returns the time of a permit.
func (c *circuit) begin() time.Time {
	if c.cfg.SlowAfter > 0 || c.cfg.FairTime > 0 {
		return time.Now()
	}
	return time.Time{}
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
	switch o.Class {
	case firebreak.Success:
		c.inRow = 0
		// The dependency refuses one call and answers others, as a server does that sheds
		// what it cannot do, and several of which one shuts down. A hold is for all calls.
		c.until = time.Time{}
	case firebreak.Failure:
		c.inRow++
		c.failedAt = time.Now()
	default:
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

// hold rejects calls for as long as the dependency asked for. What says exactly when one
// call is to be made again says nothing of the others.
func (c *circuit) hold(o firebreak.Outcome) {
	said, ok := errors.AsType[*firebreak.AttemptError](o.Err)
	if o.RetryAfter <= 0 || c.cfg.MaxHold == NoHold || ok && said.Exact {
		return
	}
	until := time.Now().Add(min(o.RetryAfter, c.cfg.MaxHold))
	if until.After(c.until) {
		c.until, c.cause = until, bare(o.Err)
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
	c.opened, c.cause, c.until = 0, nil, time.Time{}
	c.enter(s)
}

// evictable reports whether nothing is lost with the circuit: it was not forced,
// and rejects no calls.
func (c *circuit) evictable(now time.Time) bool {
	return c.state != ForcedOpen && c.state != ForcedClosed && !now.Before(c.until)
}
