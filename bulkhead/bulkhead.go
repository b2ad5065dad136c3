// Package bulkhead limits how many calls are in flight, so that one slow
// dependency cannot take every worker.
//
// A slot is held until the result has ended: until a response body is read or
// closed, until a stream is finished. The limit is a safety net, not a rate: in
// good times nobody reaches it.
package bulkhead

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/firebreak-go/firebreak"
)

// Defaults of Config.
const (
	DefaultMaxCalls = 256
	DefaultMaxWait  = time.Second
)

// ErrFull is the sentinel of a rejection: all slots were taken, and so was the
// queue, or MaxWait passed in it. Nothing was sent.
var ErrFull = errors.New("bulkhead is full")

// Config configures a Bulkhead. Its zero value has 256 slots and no queue.
type Config struct {
	// MaxCalls is how many calls may be in flight, over 0. The default is 256,
	// which a client of one dependency reaches only when that has become slow.
	MaxCalls int

	// MaxQueue is how many calls may wait for a slot, first in, first out. The
	// default is 0: a full bulkhead rejects at once, and the caller learns of the
	// trouble instead of waiting in it. A queue without bound is not offered.
	MaxQueue int

	// MaxWait is how long a call may wait in the queue; it never waits longer than
	// its own deadline allows. The default is 1s. It needs a MaxQueue over 0.
	MaxWait time.Duration
}

// Validate returns all that is wrong with cfg, or nil.
func (cfg Config) Validate() error {
	var problems []error
	if cfg.MaxCalls < 0 {
		problems = append(problems, fmt.Errorf("MaxCalls is %d, want more than 0, or 0 for %d", cfg.MaxCalls, DefaultMaxCalls))
	}
	if cfg.MaxQueue < 0 {
		problems = append(problems, fmt.Errorf("MaxQueue is %d, want 0 or more", cfg.MaxQueue))
	}
	if cfg.MaxWait < 0 {
		problems = append(problems, fmt.Errorf("MaxWait is %v, want more than 0, or 0 for %v", cfg.MaxWait, DefaultMaxWait))
	}
	if cfg.MaxWait > 0 && cfg.MaxQueue == 0 {
		problems = append(problems, fmt.Errorf("MaxWait is %v without a queue, want MaxQueue over 0 or no MaxWait", cfg.MaxWait))
	}
	return errors.Join(problems...)
}

// A Bulkhead is a policy that limits the calls in flight. It is a
// [firebreak.Gate], too. It is safe for concurrent use.
//
// It knows nothing of who calls: a call that is made through the same Bulkhead
// from inside of another needs a second slot, and is rejected if there is none.
type Bulkhead struct {
	maxWait  time.Duration
	released func(firebreak.Outcome) // gives a slot back

	mu    sync.Mutex // guards slots
	slots slots
}

// New returns a Bulkhead. It panics if cfg is not valid.
func New(cfg Config) *Bulkhead {
	if err := cfg.Validate(); err != nil {
		panic(fmt.Errorf("bulkhead.New: %w", err))
	}
	b := &Bulkhead{maxWait: cfg.MaxWait}
	if b.maxWait == 0 {
		b.maxWait = DefaultMaxWait
	}
	b.slots.max, b.slots.maxWaiting = cfg.MaxCalls, cfg.MaxQueue
	if b.slots.max == 0 {
		b.slots.max = DefaultMaxCalls
	}
	b.released = func(firebreak.Outcome) { b.release() }
	return b
}

// Do runs next in a slot, which it holds until the result has ended. Without a
// slot it returns a [*firebreak.RejectedError] around [ErrFull], or what the call
// ends with if that ends in the queue.
func (b *Bulkhead) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	if c.Exempt {
		return next(ctx, c)
	}
	if err := b.acquire(ctx, c); err != nil {
		return nil, err
	}
	return b.run(ctx, c, next)
}

// run runs next in a slot that was taken.
func (b *Bulkhead) run(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	held := true
	defer func() {
		if held {
			b.release()
		}
	}()
	result, err := next(ctx, c)
	if p, ok := result.(firebreak.Pending); ok {
		held = false
		p.OnDone(b.released)
	}
	return result, err
}

// Allow takes a slot, as Do does; done gives it back.
func (b *Bulkhead) Allow(ctx context.Context, c firebreak.Call) (done func(firebreak.Outcome), err error) {
	if c.Exempt {
		return func(firebreak.Outcome) {}, nil
	}
	if err := b.acquire(ctx, c); err != nil {
		return nil, err
	}
	var once sync.Once
	return func(firebreak.Outcome) { once.Do(b.release) }, nil
}

func (b *Bulkhead) acquire(ctx context.Context, c firebreak.Call) error {
	if ctx.Err() != nil {
		return firebreak.Unsent(c.Err(ctx)) // nothing is taken for a caller who has left, and nothing rejected
	}
	b.mu.Lock()
	if b.slots.take() {
		b.mu.Unlock()
		return nil
	}
	w := b.slots.wait()
	b.mu.Unlock()
	if w == nil {
		return b.reject(ctx, c, "full")
	}
	begin := time.Now()
	granted, err := b.await(ctx, c, w)
	c.Emit(ctx, firebreak.Event{Kind: firebreak.EventWait, Policy: "bulkhead", Duration: time.Since(begin), Err: err})
	if !granted && err == nil {
		return b.reject(ctx, c, "queue_timeout")
	}
	return firebreak.Unsent(err)
}

// await waits for the slot of w, for maxWait at most. A slot that is granted at
// the moment at which the call ends is given back: err is nil if granted is true.
func (b *Bulkhead) await(ctx context.Context, c firebreak.Call, w *waiter) (granted bool, err error) {
	granted, err = c.Wait(ctx, b.maxWait, w.granted)
	if !granted {
		b.mu.Lock()
		granted = !b.slots.leave(w)
		b.mu.Unlock()
	}
	if granted && err == nil {
		err = c.Err(ctx)
	}
	if granted && err != nil {
		b.release()
		return false, err
	}
	return granted, err
}

func (b *Bulkhead) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.slots.free()
}

// reject returns the rejection of a call for which there was no slot: all are in
// use then.
func (b *Bulkhead) reject(ctx context.Context, c firebreak.Call, reason string) error {
	return c.Reject(ctx, b.rejection(reason))
}

func (b *Bulkhead) rejection(reason string) *firebreak.RejectedError {
	return &firebreak.RejectedError{Policy: "bulkhead", Reason: reason, Err: ErrFull, Limit: b.slots.max, Usage: b.slots.max}
}

// Describe implements [firebreak.Describer]. It panics for a zero value, so that a
// Stack is not made of one.
func (b *Bulkhead) Describe() firebreak.Description {
	if b.released == nil {
		panic("bulkhead: a Bulkhead that New has not made, want one of bulkhead.New")
	}
	text := fmt.Sprintf("bulkhead %d", b.slots.max)
	if b.slots.maxWaiting > 0 {
		text += fmt.Sprintf(" (queue %d for %v)", b.slots.maxWaiting, b.maxWait)
	}
	return firebreak.Description{Kind: firebreak.KindBulkhead, Text: text}
}

// Report implements [firebreak.Reporter].
func (b *Bulkhead) Report(yield func(firebreak.Status)) {
	b.mu.Lock()
	s := firebreak.Status{Policy: "bulkhead", InFlight: b.slots.taken, Waiting: b.slots.waiting, Limit: b.slots.max}
	b.mu.Unlock()
	yield(s)
}
