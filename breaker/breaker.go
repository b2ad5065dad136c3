// Package breaker stops calls to a dependency that is down, so that callers learn
// it at once and the dependency can recover.
//
// A closed breaker lets calls pass and counts how they end. When too many fail it
// opens: calls are rejected without being made. After a while it lets a few
// probes pass; they close it again, or it stays open for longer.
//
// The state machine is that of github.com/sony/gobreaker.
package breaker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/firebreak-go/firebreak"
)

// ErrOpen is the sentinel of a rejection: the breaker is open, or half-open with
// all its probes under way. Nothing was sent.
var ErrOpen = errors.New("circuit breaker is open")

// errHungProbe is what a probe failed with that did not answer in time.
var errHungProbe = errors.New("probe did not answer in time")

// A State is a state of a Breaker.
type State uint8

const (
	// Closed lets calls pass and counts how they end.
	Closed State = iota
	// Open rejects calls.
	Open
	// HalfOpen lets a few probes pass.
	HalfOpen
	// ForcedOpen rejects calls until [Breaker.Reset].
	ForcedOpen
	// ForcedClosed lets calls pass, however they end, until [Breaker.Reset].
	ForcedClosed
)

// String returns the state in lower case: "closed", "open", "half-open",
// "forced-open", "forced-closed".
func (s State) String() string {
	switch s {
	case Closed:
		return "closed"
	case Open:
		return "open"
	case HalfOpen:
		return "half-open"
	case ForcedOpen:
		return "forced-open"
	case ForcedClosed:
		return "forced-closed"
	default:
		return fmt.Sprintf("state(%d)", int(s))
	}
}

// A Change is a change of state.
type Change struct {
	From, To State
	Cause    error // the failure that opened the breaker; nil in other changes
}

// A Breaker is a policy that rejects calls while a dependency is down. It is a
// [firebreak.Gate], too. It is safe for concurrent use.
//
// What votes is how an attempt's result ended: a response whose body breaks off
// is a failure. Callers who gave up, rejections by other policies, and answers
// that only ask for less ([firebreak.Overload]) do not vote; an answer that says
// when to come back holds calls off until then. A vote does not count if the
// state has changed since its attempt began.
type Breaker struct {
	cfg Config

	mu      sync.Mutex // guards the fields below; no callback of the user's runs under it
	circuit circuit
	home    firebreak.Origin // of the first call, for changes by hand
}

// New returns a closed Breaker. It panics if cfg is not valid.
func New(cfg Config) *Breaker {
	if err := cfg.Validate(); err != nil {
		panic(fmt.Errorf("breaker.New: %w", err))
	}
	b := &Breaker{cfg: cfg.withDefaults()}
	b.circuit.init(&b.cfg)
	return b
}

// Do runs next if the breaker lets it. Otherwise it returns a
// [*firebreak.RejectedError] around [ErrOpen], with the time to wait and the
// failure that opened the breaker.
func (b *Breaker) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	p, err := b.admit(ctx, c)
	if err != nil {
		return nil, err
	}
	returned, voted := false, false
	defer func() {
		switch {
		case voted:
		case returned: // the classifier panicked: that says nothing of the dependency
			b.vote(ctx, c.Origin(), p, firebreak.Outcome{Class: firebreak.Ignored, Err: firebreak.ErrNoReturn})
		default:
			b.vote(ctx, c.Origin(), p, firebreak.Outcome{Class: firebreak.Failure, Err: firebreak.ErrNoReturn})
		}
	}()
	result, err := next(ctx, c)
	returned = true
	if pending, ok := result.(firebreak.Pending); ok {
		voted = true
		p.answered(err)
		b.voteAtEnd(ctx, c.Origin(), p, pending)
		return result, err
	}
	o := c.Outcome(err)
	voted = true
	b.vote(ctx, c.Origin(), p, o)
	return result, err
}

// voteAtEnd is apart from Do so that only calls with such a result pay for the
// closure.
func (b *Breaker) voteAtEnd(ctx context.Context, from firebreak.Origin, p permit, result firebreak.Pending) {
	p.latency = b.elapsed(p)
	result.OnDone(func(o firebreak.Outcome) { b.vote(ctx, from, p, o) })
}

// Allow admits or rejects an attempt, as Do does; done casts its vote.
func (b *Breaker) Allow(ctx context.Context, c firebreak.Call) (done func(firebreak.Outcome), err error) {
	p, err := b.admit(ctx, c)
	if err != nil {
		return nil, err
	}
	from := c.Origin()
	var once sync.Once
	return func(o firebreak.Outcome) { once.Do(func() { b.vote(ctx, from, p, o) }) }, nil
}

// admit returns a permit for an attempt. One for a probe votes by itself when
// the probe takes too long, so that a probe that hangs cannot hold the circuit.
func (b *Breaker) admit(ctx context.Context, c firebreak.Call) (permit, error) {
	if err := c.Err(ctx); err != nil {
		return permit{}, err // a caller who has left takes no probe
	}
	from := c.Origin()
	b.mu.Lock()
	if b.home == (firebreak.Origin{}) {
		b.home = from
	}
	p, rejection := b.circuit.admit()
	b.mu.Unlock()
	b.tell(ctx, from)
	if rejection != nil {
		return permit{}, c.Reject(ctx, rejection)
	}
	if p.probe != nil {
		b.limit(ctx, from, p)
	}
	return p, nil
}

// limit has the probe of p vote when its time is over: for the dependency if that
// has answered and only the result lasts, against it if not.
func (b *Breaker) limit(ctx context.Context, from firebreak.Origin, p permit) {
	ctx = context.WithoutCancel(ctx)
	timer := time.AfterFunc(b.cfg.ProbeTimeout, func() {
		o := firebreak.Outcome{Class: firebreak.Failure, Err: errHungProbe}
		if p.probe.answered.Load() {
			o = firebreak.Outcome{Class: firebreak.Success}
		}
		b.vote(ctx, from, p, o)
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	p.probe.timer = timer
	if p.probe.voted {
		timer.Stop()
	}
}

// vote counts how the attempt of p ended. Only the first vote of a probe counts.
func (b *Breaker) vote(ctx context.Context, from firebreak.Origin, p permit, o firebreak.Outcome) {
	if p.latency == 0 {
		p.latency = b.elapsed(p)
	}
	o = b.judge(p, o)
	b.mu.Lock()
	b.circuit.vote(p, o)
	b.mu.Unlock()
	b.tell(ctx, from)
}

// elapsed returns how long the attempt of p has taken, if that matters.
func (b *Breaker) elapsed(p permit) time.Duration {
	if p.begin.IsZero() {
		return 0
	}
	return time.Since(p.begin)
}

// judge applies what the configuration says of slow calls and impatient callers.
func (b *Breaker) judge(p permit, o firebreak.Outcome) firebreak.Outcome {
	if b.cfg.SlowAfter > 0 && o.Class == firebreak.Success && p.latency >= b.cfg.SlowAfter {
		return firebreak.Outcome{Class: firebreak.Failure, Err: fmt.Errorf("answer took %v, slow from %v on", p.latency, b.cfg.SlowAfter)}
	}
	if b.cfg.FairTime > 0 && p.latency < b.cfg.FairTime && endedByCaller(o.Err) {
		o.Class = firebreak.Ignored
	}
	return o
}

// endedByCaller reports whether err is a deadline, but not one of a timeout policy.
func endedByCaller(err error) bool {
	if !errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	_, ours := errors.AsType[*firebreak.TimeoutError](err)
	return !ours
}

// tell emits the changes of state and hands them to OnStateChange, one at a time
// and without a lock: what is told may use the breaker. If somebody is at it
// already, that one goes on with what came in the meantime.
func (b *Breaker) tell(ctx context.Context, from firebreak.Origin) {
	for b.tellOne(ctx, from) {
	}
}

func (b *Breaker) tellOne(ctx context.Context, from firebreak.Origin) bool {
	b.mu.Lock()
	if b.circuit.telling || len(b.circuit.changes) == 0 {
		b.mu.Unlock()
		return false
	}
	b.circuit.telling = true
	change := b.circuit.changes[0]
	b.circuit.changes = b.circuit.changes[1:]
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		b.circuit.telling = false
		b.mu.Unlock()
	}()
	from.Emit(ctx, firebreak.Event{
		Kind: firebreak.EventTransition, Policy: "breaker", From: change.From.String(), To: change.To.String(), Err: change.Cause,
	})
	if b.cfg.OnStateChange != nil {
		b.cfg.OnStateChange(change)
	}
	return true
}

// State returns the state. An open breaker becomes half-open with the first call
// after its time.
func (b *Breaker) State() State {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.circuit.state
}

// ForceOpen rejects all calls until [Breaker.Reset].
func (b *Breaker) ForceOpen() { b.force(ForcedOpen) }

// ForceClosed lets all calls pass until [Breaker.Reset].
func (b *Breaker) ForceClosed() { b.force(ForcedClosed) }

// Reset closes the breaker and forgets what it has counted.
func (b *Breaker) Reset() { b.force(Closed) }

func (b *Breaker) force(s State) {
	b.mu.Lock()
	b.circuit.force(s)
	home := b.home
	b.mu.Unlock()
	b.tell(context.Background(), home)
}

// Evictable implements [firebreak.Evicter]: a breaker is not forgotten while it
// rejects calls.
func (b *Breaker) Evictable() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.circuit.evictable(time.Now())
}

// Describe implements [firebreak.Describer].
func (b *Breaker) Describe() firebreak.Description {
	return firebreak.Description{Kind: firebreak.KindBreaker, Text: fmt.Sprintf("breaker %v of %v", b.cfg.FailureRatio, b.cfg.Window)}
}

// Report implements [firebreak.Reporter].
func (b *Breaker) Report(yield func(firebreak.Status)) {
	yield(firebreak.Status{Policy: "breaker", State: b.State().String()})
}
