package policytest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-go/firebreak"
)

// What next returns in the rules.
var (
	errFailure  = errors.New("policytest: failure")
	errOverload = &firebreak.AttemptError{Err: errors.New("policytest: overload"), Class: firebreak.Overload, RetryAfter: time.Second}
	errPanic    = errors.New("policytest: Do panicked")
	errRejected = &firebreak.RejectedError{Policy: "policytest", Reason: "full", Err: errors.New("policytest: full")}
)

// newCall returns a call with a request of its own.
func newCall() firebreak.Call {
	return firebreak.Call{Op: "policytest", Target: "policytest.example", Request: new(int)}
}

// answer returns a Handler that returns what it is given.
func answer(result any, err error) firebreak.Handler {
	return func(context.Context, firebreak.Call) (any, error) { return result, err }
}

// A result is a Pending such as a response: it came with err or without.
type result struct {
	firebreak.Lifetime
	err error
}

// Discard implements [firebreak.Pending].
func (r *result) Discard() {
	if r.err == nil {
		r.End(firebreak.Outcome{Class: firebreak.Ignored})
		return
	}
	r.end()
}

// end is the end of a result that was used.
func (r *result) end() { r.End(firebreak.Call{}.Outcome(r.err)) }

func endedResult() *result {
	r := new(result)
	r.end()
	return r
}

// A transport is what policies stand around: it answers with results, and with
// err. It keeps its attempts.
type transport struct {
	err     error
	respond firebreak.Handler // nil or what answers instead

	mu       sync.Mutex // guards the field below
	attempts []*attempt
}

type attempt struct {
	ctx    context.Context //nolint:containedctx // the rules look whether it was released
	result any
}

func (tr *transport) handle(ctx context.Context, c firebreak.Call) (any, error) {
	a := &attempt{ctx: ctx}
	tr.mu.Lock()
	tr.attempts = append(tr.attempts, a)
	tr.mu.Unlock()
	if tr.respond == nil {
		a.result = &result{err: tr.err}
		return a.result, tr.err
	}
	got, err := tr.respond(ctx, c)
	a.result = got
	return got, err
}

func (tr *transport) all() []*attempt {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.attempts
}

func (tr *transport) count() int { return len(tr.all()) }

// checkResults reports results that are neither got, the one that the policy
// returned, nor discarded.
func (tr *transport) checkResults(t *testing.T, got any) {
	t.Helper()
	for i, a := range tr.all() {
		r, ok := a.result.(*result)
		switch {
		case !ok:
		case a.result != got && !r.Ended():
			t.Errorf("the result of attempt %d (its error: %v) was dropped: return it, or call firebreak.Discard with it", i+1, r.err)
		case a.result == got && r.Ended():
			t.Errorf("the result of attempt %d (its error: %v) was discarded and returned: do one of both", i+1, r.err)
		}
	}
}

// aliveContexts returns how many contexts that were made for next have not ended.
func (tr *transport) aliveContexts(callers context.Context) int {
	n := 0
	for _, a := range tr.all() {
		if a.ctx.Done() != callers.Done() && a.ctx.Err() == nil {
			n++
		}
	}
	return n
}

// endAll ends the results of all attempts.
func (tr *transport) endAll() {
	for _, a := range tr.all() {
		if r, ok := a.result.(*result); ok {
			r.end()
		}
	}
}

// finished runs f in a goroutine and returns a channel that is closed when that
// has ended, in whatever way.
func finished(f func()) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	return done
}

// within reports whether done is closed in time, in real time.
func within(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	case <-time.After(stuckAfter):
		return false
	}
}

// recovered runs f and returns what it panicked with, or nil.
func recovered(f func()) (value any) {
	defer func() { value = recover() }()
	f()
	return nil
}

// do makes a call in which next does not panic.
func do(ctx context.Context, t *testing.T, p firebreak.Policy, c firebreak.Call, next firebreak.Handler) (got any, err error) {
	t.Helper()
	defer func() {
		if v := recover(); v != nil {
			t.Errorf("Do panicked, next did not: %v", v)
			got, err = nil, errPanic
		}
	}()
	return p.Do(ctx, c, next)
}

// requireAdmits makes a good call and ends the test if p does not let it happen.
func requireAdmits(t *testing.T, p firebreak.Policy, when string) {
	t.Helper()
	next := new(transport)
	_, err := do(t.Context(), t, p, newCall(), next.handle)
	if next.count() == 0 {
		t.Fatalf("a good call was not admitted (%v) %s", err, when)
	}
	next.endAll()
}

// admittedAtOnce returns how many of many calls at once run next. They stay there,
// or, if pending, next has returned but their results are still in use.
func admittedAtOnce(t *testing.T, p firebreak.Policy, pending bool) int {
	ctx, cancel := context.WithCancel(t.Context())
	var admitted atomic.Int64
	var calls sync.WaitGroup
	for range many {
		calls.Go(func() {
			got, _ := do(ctx, t, p, newCall(), func(ctx context.Context, _ firebreak.Call) (any, error) {
				admitted.Add(1)
				if pending {
					return new(result), nil
				}
				<-ctx.Done()
				return nil, ctx.Err()
			})
			if pending {
				<-ctx.Done()
				firebreak.Discard(got)
			}
		})
	}
	synctest.Wait()
	n := admitted.Load()
	cancel()
	calls.Wait()
	return int(n)
}
