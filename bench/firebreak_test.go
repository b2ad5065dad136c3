package bench

import (
	"context"
	"net/http"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakhttp"
	"github.com/firebreak-go/firebreak/retry"
	"github.com/firebreak-go/firebreak/timeout"
)

// fireStack is firebreak's stack, with the two policies whose state the
// benchmarks set.
type fireStack struct {
	*firebreak.Stack
	breaker  *breaker.Breaker
	bulkhead *bulkhead.Bulkhead
}

func newFireStack(slots int) fireStack {
	return newFireStackOf(slots, timeout.New(attemptTimeout))
}

// newFireStackOf returns a stack with the policies of each attempt innermost.
func newFireStackOf(slots int, attempt ...firebreak.Policy) fireStack {
	s := fireStack{
		breaker: breaker.New(breaker.Config{
			Window: window, MinCalls: minCalls, FailureRatio: failureRatio, ConsecutiveFailures: consecutiveFailures,
			OpenFor: openFor, Probes: probes,
		}),
		bulkhead: bulkhead.New(bulkhead.Config{MaxCalls: slots}),
	}
	s.Stack = firebreak.New("bench", append([]firebreak.Policy{
		timeout.New(callTimeout),
		retry.New(retry.Config{MaxAttempts: maxAttempts, BaseDelay: baseDelay, MaxDelay: maxDelay}), // with a budget: its default
		s.breaker,
		s.bulkhead,
	}, attempt...)...)
	return s
}

func (s fireStack) call(ctx context.Context) (*user, error) {
	return firebreak.Do(ctx, s.Stack, "lookup", lookUp)
}

// open has the breaker open by failures.
func (s fireStack) open() {
	for range consecutiveFailures {
		_, _ = firebreak.Do(context.Background(), s.Stack, "lookup", func(context.Context) (*user, error) { return nil, errUnavailable })
	}
}

// fill takes a slot of the bulkhead.
func (s fireStack) fill() {
	_, err := s.bulkhead.Allow(context.Background(), firebreak.Call{})
	must(err)
}

func newFireTransport(base http.RoundTripper) http.RoundTripper {
	return firebreakhttp.Transport(base, newFireStack(maxCalls).Stack)
}
