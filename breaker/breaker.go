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
	"reflect"
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

// A Breaker is a policy that rejects calls while a dependency is down. It is a
// [firebreak.Gate], too. It is safe for concurrent use.
//
// What votes is how an attempt's result ended: a response whose body breaks off
// is a failure. One that is bad from its beginning, because it came with an error
// or late, is so at once. Callers who gave up, rejections by other policies, and
// answers that only ask for less ([firebreak.Overload]) do not vote; an answer
// that says when to come back holds calls off until then, or until another call that
// was under way succeeds: then it was not meant for all. One that says exactly when the
// one call is to be made again ([firebreak.AttemptError]) holds no others off. A vote
// does not count if the state has changed since its attempt began.
type Breaker struct {
	cfg *Config // never changed

	mu      sync.Mutex // guards the fields below; no callback of the user's runs under it
	circuit circuit
	home    firebreak.Origin // of the latest call, for changes made by hand
}

// defaults are shared by all breakers of the zero Config: with one breaker per
// dependency there may be thousands.
var defaults = Config{}.withDefaults()

// New returns a closed Breaker. It panics if cfg is not valid.
func New(cfg Config) *Breaker {
	if err := cfg.Validate(); err != nil {
		panic(fmt.Errorf("breaker.New: %w", err))
	}
	b := &Breaker{cfg: &defaults}
	if !reflect.ValueOf(cfg).IsZero() {
		full := cfg.withDefaults() // apart, so that only such a cfg is on the heap
		b.cfg = &full
	}
	b.circuit.init(b.cfg)
	return b
}

// Do runs next if the breaker lets it. Otherwise it returns a
// [*firebreak.RejectedError] around [ErrOpen], with the time to wait and the
// failure that opened the breaker.
func (b *Breaker) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (result any, err error) {
	if c.Exempt {
		return next(ctx, c)
	}
	from := c.Origin()
	p, err := b.admit(ctx, c, from)
	if err != nil {
		return nil, err
	}
	return b.run(ctx, c, from, p, next)
}

// run runs next with a permit.
func (b *Breaker) run(ctx context.Context, c firebreak.Call, from firebreak.Origin, p permit, next firebreak.Handler) (result any, err error) {
	returned, ended := false, false
	defer func() {
		switch {
		case ended:
		case returned: // a callback of the user's panicked: that says nothing of the dependency
			b.vote(ctx, from, p, firebreak.Outcome{Class: firebreak.Ignored, Err: firebreak.ErrNoReturn})
			firebreak.Discard(result)
		default:
			b.vote(ctx, from, p, firebreak.NoReturn(ctx))
		}
	}()
	result, err = next(ctx, c)
	returned = true
	o := b.judge(ctx, p, c.Began, c.Outcome(err))
	if pending, ok := result.(firebreak.Pending); ok && o.Class == firebreak.Success {
		b.voteAtEnd(ctx, from, p, pending)
	} else {
		b.vote(ctx, from, p, o)
	}
	ended = true
	return result, err
}

// voteAtEnd is apart from Do so that only calls with such a result pay for the
// closure.
func (b *Breaker) voteAtEnd(ctx context.Context, from firebreak.Origin, p permit, result firebreak.Pending) {
	if p.probe != nil {
		b.mu.Lock()
		p.probe.answered = true
		b.mu.Unlock()
	}
	result.OnDone(func(o firebreak.Outcome) { b.vote(ctx, from, p, b.fair(ctx, p, o)) })
}

// Allow admits or rejects an attempt, as Do does; done casts its vote. It does not know
// when a result begins: [Config.SlowAfter] is measured until done, or until
// [firebreak.Call.Began].
func (b *Breaker) Allow(ctx context.Context, c firebreak.Call) (done func(firebreak.Outcome), err error) {
	if c.Exempt {
		return func(firebreak.Outcome) {}, nil
	}
	from := c.Origin()
	p, err := b.admit(ctx, c, from)
	if err != nil {
		return nil, err
	}
	var once sync.Once
	began := c.Began
	return func(o firebreak.Outcome) { once.Do(func() { b.vote(ctx, from, p, b.judge(ctx, p, began, o)) }) }, nil
}

// admit returns a permit for an attempt.
func (b *Breaker) admit(ctx context.Context, c firebreak.Call, from firebreak.Origin) (permit, error) {
	if err := c.Err(ctx); err != nil {
		return permit{}, err // a caller who has left takes no probe
	}
	home := originOf(c)
	b.mu.Lock()
	b.home = home // not only the first: a Stack that was replaced by another must go
	p, rejection := b.circuit.admit()
	news := b.circuit.sign(ctx, from)
	b.mu.Unlock()
	if p.probe != nil {
		b.limit(ctx, from, p)
	}
	if news {
		b.tellFirst(p)
	}
	if rejection != nil {
		return permit{}, c.Reject(ctx, rejection)
	}
	return p, nil
}

// originOf returns where c comes from, but for what only this call is.
func originOf(c firebreak.Call) firebreak.Origin {
	c.Op, c.Attempt = "", 0
	return c.Origin()
}

// tellFirst tells what the admission of p changed. If a callback panics, the
// attempt will not be made, and its place is free again.
func (b *Breaker) tellFirst(p permit) {
	told := false
	defer func() {
		if !told && p.probe != nil {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.circuit.vote(p, firebreak.Outcome{Class: firebreak.Ignored})
		}
	}()
	b.tell()
	told = true
}

// limit has the probe of p vote when its time is over, so that a probe that hangs
// cannot hold the circuit: for the dependency if that has answered and only the
// result lasts, against it if not.
func (b *Breaker) limit(ctx context.Context, from firebreak.Origin, p permit) {
	timer := time.AfterFunc(b.cfg.ProbeTimeout, func() {
		o := firebreak.Outcome{Class: firebreak.Failure, Err: errHungProbe}
		b.mu.Lock()
		if p.probe.answered {
			o = firebreak.Outcome{Class: firebreak.Success}
		}
		b.mu.Unlock()
		b.vote(ctx, from, p, o)
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	p.probe.timer = timer
}

// vote counts how the attempt of p ended. Only the first vote of a probe counts.
func (b *Breaker) vote(ctx context.Context, from firebreak.Origin, p permit, o firebreak.Outcome) {
	b.mu.Lock()
	b.circuit.vote(p, o)
	news := b.circuit.sign(ctx, from)
	b.mu.Unlock()
	if news {
		b.tell()
	}
}

// judge applies what the configuration says of slow answers and impatient callers.
func (b *Breaker) judge(ctx context.Context, p permit, began *firebreak.Moment, o firebreak.Outcome) firebreak.Outcome {
	if b.cfg.SlowAfter == 0 || o.Class != firebreak.Success {
		return b.fair(ctx, p, o)
	}
	took := time.Since(p.begin)
	if began != nil {
		if at, ok := began.Time(); ok {
			took = at.Sub(p.begin)
		}
	}
	if took >= b.cfg.SlowAfter {
		return firebreak.Outcome{Class: firebreak.Failure, Err: fmt.Errorf("answer took %v, slow from %v on", took, b.cfg.SlowAfter)}
	}
	return o
}

// fair has the failure not count that comes of too little time.
func (b *Breaker) fair(ctx context.Context, p permit, o firebreak.Outcome) firebreak.Outcome {
	if b.cfg.FairTime > 0 && endedByCaller(ctx, o.Err) && time.Since(p.begin) < b.cfg.FairTime {
		o.Class = firebreak.Ignored
	}
	return o
}

// endedByCaller reports whether err comes of the caller's own deadline: not of one
// of a timeout policy, nor of one further in or in the dependency.
func endedByCaller(ctx context.Context, err error) bool {
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) || !errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	_, policys := errors.AsType[*firebreak.TimeoutError](err)
	return !policys
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
	b.circuit.sign(context.Background(), b.home)
	b.mu.Unlock()
	b.tell()
}

// Evictable implements [firebreak.Evicter]: a breaker is not forgotten while it
// rejects calls.
func (b *Breaker) Evictable() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.circuit.evictable(time.Now())
}

// Describe implements [firebreak.Describer]. It panics for a zero value, so that a
// Stack is not made of one.
func (b *Breaker) Describe() firebreak.Description {
	if b.cfg == nil {
		panic("breaker: a Breaker that New has not made, want one of breaker.New")
	}
	return firebreak.Description{Kind: firebreak.KindBreaker, Text: fmt.Sprintf("breaker %v of %v", b.cfg.FailureRatio, b.cfg.Window)}
}

// Report implements [firebreak.Reporter].
func (b *Breaker) Report(yield func(firebreak.Status)) {
	yield(firebreak.Status{Policy: "breaker", State: b.State().String()})
}
