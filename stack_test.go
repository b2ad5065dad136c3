package firebreak_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/policytest"
	"github.com/firebreak-go/firebreak/timeout"
)

// noting returns a policy that adds name to what ran, on the way in and out.
func noting(ran *[]string, name string) firebreak.Policy {
	return policyFunc(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
		*ran = append(*ran, name+" in")
		defer func() { *ran = append(*ran, name+" out") }()
		return next(ctx, c)
	})
}

func TestStackRunsPoliciesOutermostFirst(t *testing.T) {
	var ran []string
	inner := firebreak.New("inner", noting(&ran, "b"), noting(&ran, "c"))
	s := firebreak.New("test", noting(&ran, "a"), inner, firebreak.New("empty"), noting(&ran, "d"))
	want := []string{"a in", "b in", "c in", "d in", "fn", "d out", "c out", "b out", "a out"}
	for range 2 {
		ran = nil
		_, err := firebreak.Do(t.Context(), s, "lookup", func(context.Context) (int, error) {
			ran = append(ran, "fn")
			return 0, nil
		})
		if err != nil || !slices.Equal(ran, want) {
			t.Errorf("Do = %v and ran %v, want nil and %v", err, ran, want)
		}
	}
}

// What stands behind a nested Stack runs again with each of its attempts, and what
// stands in it belongs to the call of the outer one.
func TestNestedStackRepeats(t *testing.T) {
	again := &retrier{attempts: 3, wait: func(context.Context, firebreak.Call) error { return nil }}
	var stacks []string
	var attempts []int
	look := policyFunc(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
		stacks, attempts = append(stacks, c.Stack()), append(attempts, c.Attempt)
		return next(ctx, c)
	})
	s := firebreak.New("outer", firebreak.New("middle", again, firebreak.New("inner", look)))
	n := 0
	got, err := firebreak.Do(t.Context(), s, "lookup", func(context.Context) (int, error) {
		if n++; n < 3 {
			return 0, errFailure
		}
		return n, nil
	})
	if got != 3 || err != nil {
		t.Errorf("Do = %d, %v, want 3, nil", got, err)
	}
	if !slices.Equal(stacks, []string{"outer", "outer", "outer"}) || !slices.Equal(attempts, []int{1, 2, 3}) {
		t.Errorf("the policy inside saw the Stacks %v and the attempts %v, want outer each time and 1 2 3", stacks, attempts)
	}
}

// A call made within a call is one of its own, also through the same Stack.
func TestCallWithinCall(t *testing.T) {
	s := firebreak.New("test", timeout.New(time.Second))
	got, err := firebreak.Do(t.Context(), s, "outer", func(ctx context.Context) (string, error) {
		return firebreak.Do(ctx, s, "inner", func(context.Context) (string, error) { return "value", nil })
	})
	if got != "value" || err != nil {
		t.Errorf("Do = %q, %v, want value, nil", got, err)
	}
}

// Behaviour 217: "handler behind Bulkhead(1) calls itself through the same
// bulkhead. R: refuse or time out".
func TestA12_217_ReentrantCallIsRejected(t *testing.T) {
	s := firebreak.New("test", &slots{free: 1})
	_, err := firebreak.Do(t.Context(), s, "outer", func(ctx context.Context) (int, error) {
		return firebreak.Do(ctx, s, "inner", func(context.Context) (int, error) { return 1, nil })
	})
	rejected, ok := errors.AsType[*firebreak.RejectedError](err)
	if !ok || rejected.Stack != "test" || !errors.Is(err, errFull) {
		t.Errorf("Do = %v, want a RejectedError of the Stack test", err)
	}
}

// Behaviour 113: "Empty policy list = base itself", but for the timeout.
func TestA7_113_EmptyStack(t *testing.T) {
	b := new(body)
	got, err := firebreak.New("").Do(t.Context(), firebreak.Call{}, answer(b, errFailure))
	if got != any(b) || !errors.Is(err, errFailure) || b.Ended() {
		t.Errorf("Do = %v, %v, ended %t, want the result and the error as they are", got, err, b.Ended())
	}
	firebreak.Discard(got)
}

// A policy that makes a Call of its own cuts the chain: that is found in its first
// call.
func TestNewCallInPolicy(t *testing.T) {
	s := firebreak.New("test", policyFunc(func(ctx context.Context, _ firebreak.Call, next firebreak.Handler) (any, error) {
		return next(ctx, firebreak.Call{})
	}))
	got := panicText(t, func() {
		_, _ = firebreak.Do(t.Context(), s, "lookup", func(context.Context) (int, error) { return 0, nil })
	})
	if !strings.Contains(got, "a policy passed on a new Call") {
		t.Errorf("panicked with %q, want the mistake named", got)
	}
}

// Behaviour 114: "64 goroutines: race-free. B: per-call state kept in the wrapper".
func TestA7_114_StackConcurrently(t *testing.T) {
	again := &retrier{attempts: 2, wait: func(context.Context, firebreak.Call) error { return nil }}
	s := firebreak.New("test", timeout.New(time.Hour), firebreak.New("inner", again), timeout.New(time.Minute))
	var users sync.WaitGroup
	for i := range 64 {
		users.Go(func() {
			for j := range 50 {
				n, want := 0, 64*i+j
				got, err := firebreak.Do(t.Context(), s, "lookup", func(context.Context) (int, error) {
					if n++; n == 1 {
						return 0, errFailure
					}
					return want, nil
				})
				if got != want || err != nil || n != 2 {
					t.Errorf("Do = %d, %v after %d attempts, want %d, nil, 2", got, err, n, want)
				}
			}
		})
	}
	users.Wait()
}

// Behaviour 231: "constructor prints the effective order. T: golden".
func TestA12_231_String(t *testing.T) {
	retry, breaker := describedAs(firebreak.KindRetry, "retry 3 attempts"), describedAs(firebreak.KindBreaker, "breaker")
	bulkhead := describedAs(firebreak.KindBulkhead, "bulkhead 64")
	for _, test := range []struct {
		stack *firebreak.Stack
		want  string
	}{
		{
			firebreak.New("payments", timeout.New(10*time.Second), retry, breaker, bulkhead, timeout.New(2*time.Second)),
			"payments: timeout 10s → retry 3 attempts → breaker → bulkhead 64 → timeout 2s",
		},
		{firebreak.New("payments"), "payments: timeout 30s (default)"},
		{firebreak.New(""), ": timeout 30s (default)"},
		{firebreak.New("payments", breaker), "payments: timeout 30s (default) → breaker"},
		{firebreak.New("feed", timeout.Unbounded("long poll"), breaker), "feed: no timeout (long poll) → breaker"},
		{
			firebreak.New("outer", firebreak.New("inner", timeout.New(time.Second), breaker), bulkhead),
			"outer: (timeout 1s → breaker) → bulkhead 64",
		},
		{firebreak.New("outer", firebreak.New("inner", breaker)), "outer: timeout 30s (default) → (breaker)"},
		{
			firebreak.New("hosts", firebreak.Keyed(firebreak.ByTarget, func(string) firebreak.Policy {
				return describedAs(firebreak.KindBreaker, "breaker")
			})),
			"hosts: timeout 30s (default) → per key breaker",
		},
		{firebreak.New("own", &slots{}, policyFunc(nilPolicy)), "own: timeout 30s (default) → firebreak_test.slots → firebreak_test.policyFunc"},
	} {
		if got := test.stack.String(); got != test.want {
			t.Errorf("String() = %q, want %q", got, test.want)
		}
	}
	if got := firebreak.New("payments").Name(); got != "payments" {
		t.Errorf("Name() = %q, want payments", got)
	}
}

func nilPolicy(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	return next(ctx, c)
}

// evictable is a policy that says whether it may be forgotten, and reports.
type evictable struct {
	described
	yes bool
}

func (e *evictable) Evictable() bool { return e.yes }

func (e *evictable) Report(yield func(firebreak.Status)) {
	yield(firebreak.Status{Policy: "evictable", Limit: 3, InFlight: 1})
}

func TestStackIsEvictableIfItsPoliciesAre(t *testing.T) {
	for _, test := range []struct {
		policies []firebreak.Policy
		want     bool
	}{
		{nil, true},
		{[]firebreak.Policy{&slots{}}, true},
		{[]firebreak.Policy{&evictable{yes: true}, &slots{}}, true},
		{[]firebreak.Policy{&evictable{yes: true}, &evictable{}}, false},
	} {
		if got := firebreak.New("test", test.policies...).Evictable(); got != test.want {
			t.Errorf("Evictable() of %d policies = %t, want %t", len(test.policies), got, test.want)
		}
	}
	if firebreak.New("test", firebreak.New("inner", &evictable{})).Evictable() {
		t.Error("Evictable() around a Stack that is not = true, want false")
	}
}

func TestStackReports(t *testing.T) {
	var got []firebreak.Status
	s := firebreak.New("test", &evictable{}, &slots{}, firebreak.New("inner", &evictable{}))
	s.Report(func(st firebreak.Status) { got = append(got, st) })
	want := firebreak.Status{Policy: "evictable", Limit: 3, InFlight: 1}
	if !slices.Equal(got, []firebreak.Status{want, want}) {
		t.Errorf("Report yielded %+v, want twice %+v", got, want)
	}
}

// Policies own their state: in two Stacks one is one.
func TestPolicyInTwoStacks(t *testing.T) {
	shared := &slots{free: 1}
	a, b := firebreak.New("a", shared), firebreak.New("b", shared)
	_, err := firebreak.Do(t.Context(), a, "lookup", func(ctx context.Context) (int, error) {
		return firebreak.Do(ctx, b, "lookup", func(context.Context) (int, error) { return 1, nil })
	})
	if !errors.Is(err, errFull) {
		t.Errorf("Do = %v, want %v", err, errFull)
	}
}

func TestStackIsAPolicy(t *testing.T) {
	policytest.Run(t, func() firebreak.Policy {
		return firebreak.New("test", timeout.New(time.Minute), firebreak.New("inner", &slots{free: 4}), timeout.New(time.Second))
	})
}
