package firebreak_test

import (
	"context"
	"testing"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/timeout"
)

// Behaviours 218 and 231: what cannot be meant is found at start-up, all at once.
func TestA12_218_231_OrderProblems(t *testing.T) {
	retry, again := describedAs(firebreak.KindRetry, "retry 3 attempts"), describedAs(firebreak.KindRetry, "retry 2 attempts")
	breaker, bulkhead := describedAs(firebreak.KindBreaker, "breaker"), describedAs(firebreak.KindBulkhead, "bulkhead 64")
	shed, rate := describedAs(firebreak.KindShed, "shed"), describedAs(firebreak.KindRate, "rate 10/s")
	second := timeout.New(time.Second)
	for _, test := range []struct {
		name     string
		policies []firebreak.Policy
		want     string
	}{
		{
			"nil", []firebreak.Policy{breaker, nil},
			`firebreak.New("payments"): policy 2 is nil, want a policy`,
		},
		{
			"typed nil", []firebreak.Policy{(*timeout.Timeout)(nil), policyFunc(nil), (*firebreak.Stack)(nil)},
			`firebreak.New("payments"): policy 1 is nil, want a policy
policy 2 is nil, want a policy
policy 3 is nil, want a policy`,
		},
		{
			"the same value twice", []firebreak.Policy{second, breaker, second, nil},
			`firebreak.New("payments"): policy 3 (timeout 1s) stands in the Stack twice, want one value per place
policy 4 is nil, want a policy`,
		},
		{
			"retry inside breaker", []firebreak.Policy{breaker, retry},
			`firebreak.New("payments"): retry 3 attempts stands inside breaker: the breaker would see one call instead of each attempt, ` +
				`want retry outside breaker
the order meant is likely: retry 3 attempts → breaker`,
		},
		{
			"two retries", []firebreak.Policy{retry, again},
			`firebreak.New("payments"): retry 2 attempts stands inside retry 3 attempts: attempts would multiply, want one retrying policy
the order meant is likely: retry 3 attempts`,
		},
		{
			"two retries, one in a nested Stack", []firebreak.Policy{retry, firebreak.New("inner", again)},
			`firebreak.New("payments"): retry 2 attempts stands inside retry 3 attempts: attempts would multiply, want one retrying policy
the order meant is likely: retry 3 attempts`,
		},
		{
			"attempt timeout is the total", []firebreak.Policy{timeout.New(2 * time.Second), retry, timeout.New(2 * time.Second)},
			`firebreak.New("payments"): attempt timeout is 2s, want less than the 2s of the timeout around it`,
		},
		{
			"attempt timeout is over the total", []firebreak.Policy{timeout.New(2 * time.Second), retry, timeout.New(10 * time.Second)},
			`firebreak.New("payments"): attempt timeout is 10s, want less than the 2s of the timeout around it
the order meant is likely: timeout 10s → retry 3 attempts → timeout 2s`,
		},
		{
			"the longer timeout inside", []firebreak.Policy{second, timeout.New(time.Minute)},
			`firebreak.New("payments"): timeout is 1m0s, want less than the 1s of the timeout around it
the order meant is likely: timeout 1m0s → timeout 1s`,
		},
		{
			"Unbounded inside a timeout", []firebreak.Policy{second, timeout.Unbounded("a feed")},
			`firebreak.New("payments"): no timeout (a feed) stands inside timeout 1s, want one of both
the order meant is likely: no timeout (a feed) → timeout 1s`,
		},
		{
			"shed inside bulkhead", []firebreak.Policy{bulkhead, second, shed},
			`firebreak.New("payments"): shed stands inside bulkhead 64: a call that waits would hold a place there, want shed outside bulkhead
the order meant is likely: shed → bulkhead 64 → timeout 1s`,
		},
		{
			"two sheds and a retry", []firebreak.Policy{shed, retry, describedAs(firebreak.KindShed, "shed 2")},
			`firebreak.New("payments"): shed 2 stands inside shed: each would see what the other leaves of the load, want one
retry 3 attempts and shed 2 in one Stack: a server runs a request once, want retry in the Stack of its client`,
		},
		{
			"everything", []firebreak.Policy{timeout.New(2 * time.Second), bulkhead, breaker, retry, rate, timeout.New(10 * time.Second)},
			`firebreak.New("payments"): retry 3 attempts stands inside breaker: the breaker would see one call instead of each attempt, ` +
				`want retry outside breaker
attempt timeout is 10s, want less than the 2s of the timeout around it
the order meant is likely: timeout 10s → rate 10/s → retry 3 attempts → breaker → bulkhead 64 → timeout 2s`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := panicText(t, func() { firebreak.New("payments", test.policies...) }); got != test.want {
				t.Errorf("New panicked with\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

// Orders that can be meant, also unusual ones.
func TestOrdersThatCanBeMeant(t *testing.T) {
	retry, breaker := describedAs(firebreak.KindRetry, "retry"), describedAs(firebreak.KindBreaker, "breaker")
	bulkhead, more := describedAs(firebreak.KindBulkhead, "bulkhead 64"), describedAs(firebreak.KindBulkhead, "bulkhead 8")
	second := func() firebreak.Policy { return timeout.New(time.Second) }
	stateless := policyFunc(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) { return next(ctx, c) })
	for _, policies := range [][]firebreak.Policy{
		{},
		{timeout.New(10 * time.Second), retry, breaker, bulkhead, second()},
		{timeout.New(10 * time.Second), timeout.New(5 * time.Second), second()},
		{retry, second(), breaker},
		{bulkhead, retry, breaker, more},
		{timeout.Unbounded("a feed"), retry, second()}, // no limit in all, one for each attempt
		{second(), stateless, stateless},
		{firebreak.New("inner", retry), breaker},
		{firebreak.Keyed(firebreak.ByTarget, func(string) firebreak.Policy { return firebreak.New("host", &slots{}) }), second()},
	} {
		if v := panicOf(func() { firebreak.New("test", policies...) }); v != nil {
			t.Errorf("New panicked: %v", v)
		}
	}
}
