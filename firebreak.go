// Package firebreak turns the follow-up actions of post-mortems into middleware:
// time out every call, retry with backoff, jitter and a budget, break the circuit
// to a dependency that is down, and keep one slow dependency from taking every
// worker.
//
// A [Stack] is a fixed list of policies around a call. The policies live in
// packages of their own (timeout, retry, breaker, bulkhead, shed) and know no
// transport; firebreakhttp brings them to net/http, and [Do] to any function:
//
//	stack := firebreak.New("payments",
//		timeout.New(10*time.Second), // the whole call
//		retry.New(retry.Config{}),
//		breaker.New(breaker.Config{}),
//		bulkhead.New(bulkhead.Config{MaxCalls: 64}),
//		timeout.New(2*time.Second), // each attempt
//	)
//	user, err := firebreak.Do(ctx, stack, "lookup", fetchUser, firebreak.Idempotent)
//
// Three words recur. A call is one operation as its caller sees it. An attempt is
// one try of it. A policy that does not let a call or an attempt happen rejects
// it, with a [*RejectedError].
package firebreak

import (
	"context"
	"time"

	"github.com/firebreak-go/firebreak/internal/ctxerr"
)

// A Handler makes one attempt of a call. Its result may be [Pending], even with
// an error: an HTTP response of status 503 is both.
type Handler func(ctx context.Context, c Call) (result any, err error)

// A Policy decides whether, when and how often next runs. A policy value owns
// its state: one breaker in two Stacks is one breaker.
//
// The contract, which package policytest checks:
//
//   - It returns the result of next or discards it ([Discard]); it never drops
//     one. A result may come together with an error.
//   - The context that it gives to next ends when the caller's does, and carries
//     the caller's values.
//   - A panic or a [runtime.Goexit] of next passes through it and releases
//     everything that the call held.
//   - What it holds for a call it holds until the result has ended ([Call.OnDone]).
//   - An outcome of class [Ignored] releases, but does not count.
//   - It runs the callbacks that it was given in order and without a lock.
//   - It is safe for concurrent use.
//   - It passes its Call on to next, changed where needed, never a new one.
type Policy interface {
	Do(ctx context.Context, c Call, next Handler) (result any, err error)
}

// A Gate is the simpler kind of policy: it admits or rejects an attempt and
// learns how it ended. [Admit] makes a Policy's Do of it.
//
// If err is nil, done must be called once, when the attempt's result has ended;
// calls after the first have no effect. If err is not nil, done is nil.
type Gate interface {
	Allow(ctx context.Context, c Call) (done func(Outcome), err error)
}

// A Call is what policies know of a call. It is passed by value: a policy that
// repeats a call numbers its copies.
type Call struct {
	// Op is the name of the operation, of low cardinality: "GET",
	// "/pkg.Service/Method", "lookup".
	Op string

	// Target is the dependency that is called, in one spelling: "api.example.com".
	// It may be empty.
	Target string

	// Idempotent says that making the call twice is as good as making it once.
	// Only such calls are repeated, and those that provably never left.
	Idempotent bool

	// Attempt is the number of the attempt, from 1 on. It is 0 where no policy
	// further out repeats the call.
	Attempt int

	// Request is what the adapter sends. It may be a [Rewinder].
	Request any

	// Classify says what an error means to the policies. It may be nil; then
	// [Classify] does.
	Classify func(error) Class

	// Cancel, if not nil, is closed when the caller gives up, as
	// [net/http.Request.Cancel] is: a signal besides the context.
	Cancel <-chan struct{}

	// Inbound says that the call came in: this process serves it. Its Stack then adds
	// to the span that is in the context, which is that of the server, where it would
	// otherwise make one.
	Inbound bool

	// Exempt has the policies that reject calls, but not the timeouts, let this one
	// pass and not count it: a health check, which has to be answered just when
	// nothing else is.
	Exempt bool

	// Began, if not nil, is marked by the adapter of a server when the answer begins,
	// while the call goes on. How long a call takes is measured until then: how fast
	// its caller reads the rest says nothing of the server.
	Began *Moment

	// Streams says that the result is a stream, whose Handler returns when it has
	// begun and which may live for long after that. A timeout of an attempt bounds
	// the time until then; one of the call bounds all of it.
	Streams bool

	limit      limit   // earliest deadline of the Stack's timeouts that the context does not carry yet
	carried    limit   // latest deadline of a timeout that the context was given
	start      *start  // what bounds the time until the stream has begun, or nil
	deferLimit bool    // the layer at hand may leave its deadline to a later one
	early      bool    // the time of the layer at hand counts from when the call arrived
	terminal   Handler // what the chain ends in
	state      *state
}

// A Rewinder is a Request that must be prepared before it is sent again, for
// instance with a fresh copy of its body.
type Rewinder interface {
	// Rewind prepares the next attempt. If it returns an error, the request can
	// not be sent again, and the call ends with the result at hand.
	Rewind() error
}

// Idempotent marks a call of [Do] as one that is as good made twice as made once.
func Idempotent(c *Call) { c.Idempotent = true }

// ByTarget returns c.Target. It is the usual key function for [Keyed].
func ByTarget(c Call) string { return c.Target }

// Stack returns the name of the Stack that the call passes through, or "" outside
// of one.
func (c Call) Stack() string {
	if c.state == nil {
		return ""
	}
	return c.state.root.stack.name
}

// An Origin is where a call comes from. It can be kept, to [Origin.Emit] what
// happens when the call is over, or between calls.
type Origin struct {
	op, target string
	attempt    int
	root       *root // nil outside of a Stack
}

// Origin returns where c comes from.
func (c Call) Origin() Origin {
	o := Origin{op: c.Op, target: c.Target, attempt: c.Attempt}
	if c.state != nil {
		o.root = c.state.root
	}
	return o
}

// Deadline returns the time by which the call must have ended: the earlier of
// ctx's deadline and that of the Stack's timeouts further out. ok is false if
// there is neither.
func (c Call) Deadline(ctx context.Context) (at time.Time, ok bool) {
	at, ok = ctx.Deadline()
	if c.limit.err != nil && (!ok || c.limit.at.Before(at)) {
		return c.limit.at, true
	}
	return at, ok
}

// Expires returns the error with which ctx ends at its deadline, if that is one of a
// timeout of the Stack, or nil. A server that was told the deadline may be the first
// to say that it has passed: by this a transport knows whose it was.
func (c Call) Expires(ctx context.Context) *TimeoutError {
	if at, ok := ctx.Deadline(); ok && c.carried.err != nil && at.Equal(c.carried.at) {
		return c.carried.err
	}
	return nil
}

// Err returns nil while the call may go on, and the error that it ends with
// afterwards: a [*TimeoutError] after a timeout of the Stack, an error that
// matches both ctx.Err() and context.Cause(ctx) after the caller's end.
func (c Call) Err(ctx context.Context) error {
	if ctx.Err() != nil {
		if c.start.missed() {
			return c.start.expired
		}
		return ctxerr.Of(ctx)
	}
	if c.limit.err != nil && time.Until(c.limit.at) <= 0 {
		return c.limit.err
	}
	select {
	case <-c.Cancel: // never ready if nil
		return context.Canceled
	default:
		return nil
	}
}

// Wait waits until ready can be received from, for d at most, and reports which
// of both it was. If the call ends before, it returns [Call.Err] at once. ready
// may be nil, which makes it a sleep.
func (c Call) Wait(ctx context.Context, d time.Duration, ready <-chan struct{}) (isReady bool, err error) {
	if err = c.Err(ctx); err == nil {
		if isReady = c.wait(ctx, d, ready); isReady {
			return true, nil
		}
		err = c.Err(ctx)
	}
	if expired, ok := err.(*TimeoutError); ok && expired == c.limit.err {
		c.Origin().timedOut(ctx, expired)
	}
	return false, err
}

// wait reports whether ready was first.
func (c Call) wait(ctx context.Context, d time.Duration, ready <-chan struct{}) bool {
	if c.limit.err != nil {
		d = min(d, time.Until(c.limit.at))
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ready:
		return true
	case <-timer.C:
	case <-ctx.Done():
	case <-c.Cancel:
	}
	return false
}
