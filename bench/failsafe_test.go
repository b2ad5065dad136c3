package bench

import (
	"context"
	"errors"
	"net/http"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/budget"
	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/failsafehttp"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/failsafe-go/failsafe-go/timeout"
)

// safeStack is failsafe-go's. What differs from firebreak's:
//
//   - Its breaker opens by the failure rate only, or by failures in a row only.
//   - Its retry budget limits the retries in flight, not those of the last calls.
//   - Its retry does not know which calls are idempotent: it repeats all.
//   - Over HTTP its timeouts, its bulkhead and its breaker are done when the header
//     has come: the body is read without a timeout and without a slot.
//   - Each timeout has a timer and a context of its own. Over HTTP a request whose
//     context can be cancelled starts a goroutine per attempt, which waits for the
//     end of one of two contexts.
type safeStack[R any] struct {
	failsafe.Executor[R]
	breaker  circuitbreaker.CircuitBreaker[R]
	bulkhead bulkhead.Bulkhead[R]
}

// newSafeStack returns a stack for which what isFailure reports is a failure, with the
// policies of each attempt innermost.
func newSafeStack[R any](
	slots uint, retries retrypolicy.Builder[R], isFailure func(R, error) bool, attempt ...failsafe.Policy[R],
) safeStack[R] {
	s := safeStack[R]{
		breaker: circuitbreaker.NewBuilder[R]().
			HandleIf(isFailure).
			WithFailureRateThreshold(failureRatio, minCalls, window).
			WithDelay(openFor).
			WithSuccessThreshold(probes).
			Build(),
		bulkhead: bulkhead.New[R](slots),
	}
	s.Executor = failsafe.With(append([]failsafe.Policy[R]{
		timeout.New[R](callTimeout),
		retries.
			WithMaxAttempts(maxAttempts).
			WithBackoff(baseDelay, maxDelay).
			WithJitterFactor(1).
			WithBudget(budget.NewBuilder().WithMaxRate(0.2).WithMinConcurrency(10).Build()).
			AbortOnErrors(circuitbreaker.ErrOpen, bulkhead.ErrFull).
			Build(),
		s.breaker,
		s.bulkhead,
	}, attempt...)...)
	return s
}

func newSafeCalls(slots uint) safeStack[*user] {
	return newSafeStack(slots, retrypolicy.NewBuilder[*user](), func(_ *user, err error) bool { return votes(err) }, timeout.New[*user](attemptTimeout))
}

// votes reports whether err speaks against the dependency.
func votes(err error) bool {
	return err != nil && !errors.Is(err, bulkhead.ErrFull) && !errors.Is(err, context.Canceled)
}

func (s safeStack[R]) call(ctx context.Context, f func(context.Context) (R, error)) (R, error) {
	return s.WithContext(ctx).GetWithExecution(func(exec failsafe.Execution[R]) (R, error) { return f(exec.Context()) })
}

func newSafeTransport(base http.RoundTripper) http.RoundTripper {
	retries := failsafehttp.NewRetryPolicyBuilder().ReturnLastFailure()              //nolint:bodyclose // there is no response yet
	s := newSafeStack(maxCalls, retries, func(resp *http.Response, err error) bool { //nolint:bodyclose // the caller's to close
		return votes(err) || err == nil && resp.StatusCode >= http.StatusInternalServerError
	}, timeout.New[*http.Response](attemptTimeout)) //nolint:bodyclose // there is no response yet
	return failsafehttp.NewRoundTripperWithExecutor(base, s.Executor)
}
