// Package policytest checks that a [firebreak.Policy] keeps its contract. It is
// for those who write policies of their own:
//
//	func TestContract(t *testing.T) {
//		policytest.Run(t, func() firebreak.Policy {
//			return quota.New(quota.Config{MaxCalls: 4})
//		})
//	}
//
// Each rule is a subtest with a name that says which. What it reports says what
// the policy did and what to do instead.
package policytest

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-go/firebreak"
)

const (
	// many is how many calls a rule makes, in a row or at once, to find what one
	// call leaves behind.
	many = 300

	// rest is how long a policy is left alone where a rule wants it back in its
	// resting state: a breaker that opened has to try again after it.
	rest = 24 * time.Hour

	// stuckAfter is how long, in real time, a call may be stuck in a lock.
	stuckAfter = 3 * time.Second
)

// Run checks that the policies of newPolicy keep the contract of
// [firebreak.Policy], as they are and in a Stack, and those of [firebreak.Gate] and
// [firebreak.Reserver] if they are one.
//
// newPolicy returns a new policy each time, in its resting state, in which it
// admits calls. A limit of concurrency is best a low one, so that a place that
// is lost shows; a limit of rate has to let 300 calls pass at once. After a day
// without calls the policy must be in its resting state again.
//
// The rules run in bubbles of [testing/synctest]: waiting takes no time. A
// policy that leaves a goroutine behind makes the test panic with "deadlock:
// main bubble goroutine has exited but blocked goroutines remain", below the name
// of the rule.
func Run(t *testing.T, newPolicy func() firebreak.Policy) {
	t.Helper()
	if newPolicy == nil || newPolicy() == nil {
		t.Fatal("newPolicy is nil or returns nil, want a new policy each time")
	}
	if !runPolicy(t, "Bare", newPolicy) {
		return
	}
	runPolicy(t, "InStack", func() firebreak.Policy { return firebreak.New("policytest", newPolicy()) })
	if _, ok := newPolicy().(firebreak.Gate); ok {
		runGate(t, func() firebreak.Gate { return newPolicy().(firebreak.Gate) })
	}
	if _, ok := newPolicy().(firebreak.Reserver); ok {
		runReserver(t, func() firebreak.Reserver { return newPolicy().(firebreak.Reserver) })
	}
}

// runPolicy reports false if it left rules out.
func runPolicy(t *testing.T, name string, fresh func() firebreak.Policy) (all bool) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		// Where these two are broken the other rules would panic, or hang.
		all = t.Run("CallPassedOn", func(t *testing.T) { checkCallPassedOn(t, fresh) }) &&
			t.Run("NoLockHeld", func(t *testing.T) { checkNoLockHeld(t, fresh) })
		if !all {
			return
		}
		for _, r := range rules {
			t.Run(r.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { r.check(t, fresh) })
			})
		}
	})
	return all
}

// rules are those of a Policy. Each check runs in a bubble.
var rules = []struct {
	name  string
	check func(t *testing.T, fresh func() firebreak.Policy)
}{
	{"ResultReturnedOrDiscarded", checkResult},
	{"ResultWithError", checkResultWithError},
	{"PanicPassesAndReleases", checkPanic},
	{"GoexitPassesAndReleases", checkGoexit},
	{"ContextEndsWithCallers", checkContextEnds},
	{"ContextCarriesValues", checkContextValues},
	{"ContextLivesUntilResultEnds", checkContextLives},
	{"ContextReleased", checkContextReleased},
	{"CallerGoneLeavesNothing", checkCallerGone},
	{"HoldsUntilResultEnds", checkHolds},
	{"ReleasesOnce", checkReleasesOnce},
	{"IgnoredDoesNotCount", checkIgnored},
	{"RepeatsOnlyIdempotent", checkRepeats},
	{"ConcurrentUse", checkConcurrentUse},
}

func checkCallPassedOn(t *testing.T, fresh func() firebreak.Policy) {
	const want = "pass on the Call that Do was given, changed where needed, never a new one"
	p, c := fresh(), newCall()
	marker := firebreak.Class(42)
	c.Idempotent, c.Cancel = true, make(chan struct{})
	c.Classify = func(error) firebreak.Class { return marker }
	stack := "" // outside of one p may bring its own, as a Keyed of Stacks does
	if s, ok := p.(*firebreak.Stack); ok {
		stack = s.Name()
	}
	if v := recovered(func() {
		_, _ = p.Do(t.Context(), c, func(_ context.Context, got firebreak.Call) (any, error) {
			switch {
			case got.Op != c.Op || got.Target != c.Target || got.Idempotent != c.Idempotent:
				t.Errorf("next got the Call %q to %q, idempotent %t, want %q, %q, %t: %s",
					got.Op, got.Target, got.Idempotent, c.Op, c.Target, c.Idempotent, want)
			case got.Request != c.Request || got.Cancel != c.Cancel || got.Classify == nil || got.Classify(nil) != marker:
				t.Errorf("next got a Call with another Request, Cancel or Classify: %s", want)
			case stack != "" && got.Stack() != stack:
				t.Errorf("next got a Call of the Stack %q, want %q: %s", got.Stack(), stack, want)
			}
			return nil, nil
		})
	}); v != nil {
		t.Errorf("Do panicked: %v: %s", v, want)
	}
}

// checkNoLockHeld runs in real time: a goroutine that waits for a lock does not
// let the time of a bubble go on.
func checkNoLockHeld(t *testing.T, fresh func() firebreak.Policy) {
	p := fresh()
	inNext, release := make(chan struct{}), make(chan struct{})
	first := finished(func() {
		_, _ = do(t.Context(), t, p, newCall(), func(context.Context, firebreak.Call) (any, error) {
			close(inNext)
			<-release
			return nil, nil
		})
	})
	select {
	case <-inNext:
	case <-first:
		t.Fatal("a new policy did not run next: newPolicy must return a policy that admits calls")
	case <-time.After(stuckAfter):
		t.Fatalf("a new policy did not run next for %v: newPolicy must return a policy that admits calls", stuckAfter)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	second := finished(func() { _, _ = do(ctx, t, p, newCall(), answer(nil, nil)) })
	select {
	case <-second:
	case <-time.After(50 * time.Millisecond): // it may be in a queue
		cancel()
	}
	stuck := !within(second)
	close(release)
	if stuck {
		t.Fatal("a call is stuck while another one is in next, although its context ended: release the lock before next runs")
	}
	if !within(first) {
		t.Fatal("a call is stuck after next returned: release what it waits for before next runs")
	}

	// The user's classifier makes a call of its own.
	c := newCall()
	c.Classify = func(err error) firebreak.Class {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, _ = do(ctx, t, p, newCall(), answer(nil, nil))
		return firebreak.Classify(err)
	}
	if !within(finished(func() { _, _ = do(t.Context(), t, p, c, answer(nil, errFailure)) })) {
		t.Fatal("Call.Classify is stuck in a call through the policy: call Classify, and Call.Outcome, without a lock")
	}
	if !within(finished(func() { _, _ = do(t.Context(), t, p, newCall(), answer(endedResult(), nil)) })) {
		t.Fatal("the policy is stuck with a result that has already ended: call OnDone without a lock, it may call back at once")
	}
}

func checkResult(t *testing.T, fresh func() firebreak.Policy) {
	for _, idempotent := range []bool{false, true} {
		p, next := fresh(), new(transport)
		c := newCall()
		c.Idempotent = idempotent
		got, err := do(t.Context(), t, p, c, next.handle)
		if next.count() == 0 {
			t.Fatalf("a new policy did not run next, err = %v: newPolicy must return a policy that admits calls", err)
		}
		next.checkResults(t, got)
		if r, ok := got.(*result); ok && err != nil {
			t.Errorf("the result came with the error %v, next returned nil", err)
			r.Discard()
		}
		next.endAll()
	}
	got, err := do(t.Context(), t, fresh(), newCall(), answer("value", nil))
	if got != "value" || err != nil {
		t.Errorf("Do returned %v, %v, want what next returned: %q, nil", got, err, "value")
	}
	requireAdmits(t, fresh(), "")
}

func checkResultWithError(t *testing.T, fresh func() firebreak.Policy) {
	for _, idempotent := range []bool{false, true} {
		for _, failure := range []error{errFailure, errOverload} {
			p, next := fresh(), &transport{err: failure}
			c := newCall()
			c.Idempotent = idempotent
			got, err := do(t.Context(), t, p, c, next.handle)
			next.checkResults(t, got)
			if _, ok := got.(*result); ok && err == nil { // an answer of the policy's own needs none
				t.Error("Do returned a result of next without the error that came with it: return both")
			}
			next.endAll()
		}
	}
}

func checkPanic(t *testing.T, fresh func() firebreak.Policy) {
	p := fresh()
	value := &struct{ text string }{"policytest: panic of next"}
	for i := range many {
		ran := false
		got := recovered(func() {
			_, _ = p.Do(t.Context(), newCall(), func(context.Context, firebreak.Call) (any, error) {
				ran = true
				panic(value)
			})
		})
		switch {
		case !ran:
			t.Fatalf("call %d was not admitted after as many panics of next: release with defer what the call held", i+1)
		case got == nil:
			t.Fatal("Do returned although next panicked: do not recover, or panic again with the same value")
		case got != any(value):
			t.Fatalf("Do panicked with %v, next panicked with %v: panic again with the same value, or do not recover", got, value)
		}
		time.Sleep(rest)
	}
	requireAdmits(t, p, "after panics of next: release with defer what the call held")
}

func checkGoexit(t *testing.T, fresh func() firebreak.Policy) {
	p := fresh()
	for i := range many {
		ran, returned := false, false
		exited := finished(func() {
			_, _ = do(t.Context(), t, p, newCall(), func(context.Context, firebreak.Call) (any, error) {
				ran = true
				runtime.Goexit()
				return nil, nil
			})
			returned = true
		})
		select {
		case <-exited:
		case <-time.After(rest):
			t.Fatal("Do waits for ever although next ended its goroutine: end what waits for next with defer")
		}
		if !ran {
			t.Fatalf("call %d was not admitted after as many of next ended their goroutines: release with defer, also without a panic", i+1)
		}
		if returned {
			t.Fatal("Do returned although next ended its goroutine: call runtime.Goexit if next ran in another one")
		}
		time.Sleep(rest)
	}
	requireAdmits(t, p, "after next ended its goroutine: release with defer, also without a panic")
}

func checkContextEnds(t *testing.T, fresh func() firebreak.Policy) {
	const after = 10 * time.Millisecond
	const want = "derive the context of next from the caller's with context.With…"
	untilDone := func(ctx context.Context, _ firebreak.Call) (any, error) {
		begin := time.Now()
		select {
		case <-ctx.Done():
		case <-time.After(rest):
		}
		if took := time.Since(begin); took > after {
			t.Errorf("the context of next was alive %v after the caller's had ended: %s", took-after, want)
		}
		return nil, ctx.Err()
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(after, cancel)
	_, _ = do(ctx, t, fresh(), newCall(), untilDone)

	ctx, cancel = context.WithTimeout(t.Context(), after)
	defer cancel()
	callers, _ := ctx.Deadline()
	_, _ = do(ctx, t, fresh(), newCall(), func(ctx context.Context, c firebreak.Call) (any, error) {
		if at, ok := ctx.Deadline(); !ok || at.After(callers) {
			t.Errorf("the deadline of next is %v, %t, want that of the caller, %v: %s", at, ok, callers, want)
		}
		return untilDone(ctx, c)
	})

	ctx, cancel = context.WithCancel(t.Context())
	next := new(transport)
	_, _ = do(ctx, t, fresh(), newCall(), next.handle)
	cancel()
	synctest.Wait()
	if next.aliveContexts(ctx) > 0 {
		t.Errorf("the context of next outlives the caller's while the result is in use: %s", want)
	}
	next.endAll()
}

func checkContextValues(t *testing.T, fresh func() firebreak.Policy) {
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "value")
	_, _ = do(ctx, t, fresh(), newCall(), func(ctx context.Context, _ firebreak.Call) (any, error) {
		if got := ctx.Value(key{}); got != "value" {
			t.Errorf("ctx.Value in next is %v, want %q: derive the context of next from the caller's", got, "value")
		}
		return nil, nil
	})
}

func checkContextLives(t *testing.T, fresh func() firebreak.Policy) {
	next := new(transport)
	got, _ := do(t.Context(), t, fresh(), newCall(), next.handle)
	synctest.Wait()
	for _, a := range next.all() {
		if a.result == got && a.ctx.Err() != nil {
			t.Errorf("the context of next ended (%v) before its result: cancel it with Call.OnDone, not when next returns", a.ctx.Err())
		}
	}
	next.endAll()
}

func checkContextReleased(t *testing.T, fresh func() firebreak.Policy) {
	for name, respond := range map[string]func() (any, error){
		"returned a value":        func() (any, error) { return "value", nil },
		"returned an error":       func() (any, error) { return nil, errFailure },
		"returned a result":       func() (any, error) { return new(result), nil },
		"returned both":           func() (any, error) { return &result{err: errFailure}, errFailure },
		"panicked":                func() (any, error) { panic("policytest: panic of next") },
		"ended its own goroutine": func() (any, error) { runtime.Goexit(); return nil, nil },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		next := &transport{respond: func(context.Context, firebreak.Call) (any, error) { return respond() }}
		<-finished(func() { recovered(func() { _, _ = fresh().Do(ctx, newCall(), next.handle) }) })
		next.endAll()
		if next.aliveContexts(ctx) > 0 {
			t.Errorf("next %s and its result ended, but its context is alive with its timer: cancel it with Call.OnDone, and with defer", name)
		}
		cancel()
	}
}

func checkCallerGone(t *testing.T, fresh func() firebreak.Policy) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := fresh()
	for range many {
		next := &transport{err: context.Canceled}
		got, err := do(ctx, t, p, newCall(), next.handle)
		if got == nil && err == nil {
			t.Fatal("Do returned neither a result nor an error for a caller who is gone: return what next returned, or Call.Err")
		}
		next.checkResults(t, got)
		next.endAll()
	}
	requireAdmits(t, p, "after calls whose callers were gone: release what they held, and do not count them")
}

func checkHolds(t *testing.T, fresh func() firebreak.Policy) {
	inNext, ended := admittedAtOnce(t, fresh(), false), admittedAtOnce(t, fresh(), true)
	if ended > inNext {
		t.Errorf("%d calls at once are admitted while next runs, but %d while their results are in use: release with Call.OnDone, not when next returns",
			inNext, ended)
	}
	p := fresh()
	for i := range many {
		next := new(transport)
		if _, err := do(t.Context(), t, p, newCall(), next.handle); next.count() == 0 {
			t.Fatalf("call %d was rejected (%v) after the results of those before it had ended: release when the result ends, see Call.OnDone", i+1, err)
		}
		next.endAll()
	}
}

func checkReleasesOnce(t *testing.T, fresh func() firebreak.Policy) {
	before := admittedAtOnce(t, fresh(), false)
	p, next := fresh(), new(transport)
	got, _ := do(t.Context(), t, p, newCall(), next.handle)
	firebreak.Discard(got)
	next.endAll()
	_, _ = do(t.Context(), t, p, newCall(), answer(nil, errRejected))
	if after := admittedAtOnce(t, p, false); after != before {
		t.Errorf("%d calls at once are admitted at first, %d after two calls that ended: release what a call held once", before, after)
	}
}

func checkIgnored(t *testing.T, fresh func() firebreak.Policy) {
	ignored := newCall()
	ignored.Classify = func(error) firebreak.Class { return firebreak.Ignored }
	for name, call := range map[string]func(p firebreak.Policy){
		"a caller who gave up": func(p firebreak.Policy) {
			ctx, cancel := context.WithCancel(t.Context())
			_, _ = do(ctx, t, p, newCall(), func(ctx context.Context, _ firebreak.Call) (any, error) {
				cancel()
				<-ctx.Done()
				return nil, ctx.Err()
			})
		},
		"a rejection further in":     func(p firebreak.Policy) { _, _ = do(t.Context(), t, p, newCall(), answer(nil, errRejected)) },
		"what Call.Classify ignores": func(p firebreak.Policy) { _, _ = do(t.Context(), t, p, ignored, answer(nil, errFailure)) },
		"a result that nobody used": func(p firebreak.Policy) {
			got, _ := do(t.Context(), t, p, newCall(), answer(new(result), nil))
			firebreak.Discard(got)
		},
	} {
		p := fresh()
		for range many {
			call(p)
		}
		requireAdmits(t, p, "after "+name+", many times: an outcome of class Ignored releases, and counts for nothing")
	}
}

func checkRepeats(t *testing.T, fresh func() firebreak.Policy) {
	for _, err := range []error{nil, errFailure} {
		next := &transport{respond: func(context.Context, firebreak.Call) (any, error) { return nil, err }}
		_, _ = do(t.Context(), t, fresh(), newCall(), next.handle)
		if n := next.count(); n > 1 {
			t.Errorf("next ran %d times and returned %v, want once: repeat only what Call.Idempotent allows", n, err)
		}
	}
}

func checkConcurrentUse(t *testing.T, fresh func() firebreak.Policy) {
	p := fresh()
	var calls sync.WaitGroup
	for g := range 64 {
		calls.Go(func() {
			for i := range 20 {
				<-finished(func() { recovered(func() { oneOfMany(t, p, g+i) }) })
			}
		})
	}
	calls.Wait()
	time.Sleep(rest)
	requireAdmits(t, p, "after 64 goroutines had used it: release whatever way a call ends")
}

// oneOfMany makes one call that ends in one of the ways in which calls end.
func oneOfMany(t *testing.T, p firebreak.Policy, n int) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	got, _ := p.Do(ctx, newCall(), func(ctx context.Context, _ firebreak.Call) (any, error) {
		time.Sleep(time.Duration(n%3) * time.Millisecond) // some overlap, some do not
		switch n % 7 {
		case 0:
			return "value", nil
		case 1:
			return nil, errFailure
		case 2:
			panic("policytest: panic of next")
		case 3:
			runtime.Goexit()
		case 4:
			return &result{err: errOverload}, errOverload
		case 5:
			cancel()
			return nil, ctx.Err()
		}
		return new(result), nil
	})
	if r, ok := got.(*result); ok {
		time.Sleep(time.Millisecond)
		r.end()
	}
}
