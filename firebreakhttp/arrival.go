package firebreakhttp

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/internal/wiretime"
	"github.com/firebreak-go/firebreak/retry"
)

// Headers that say how long a caller waits, and how important its request is.
const (
	// TimeoutHeader is how many milliseconds the caller still waits.
	TimeoutHeader = "Request-Timeout-Ms"

	// PriorityHeader is the [firebreak.Priority] of the request, by name or from
	// "0", critical, to "3", best effort.
	PriorityHeader = "Firebreak-Priority"

	envoyTimeoutHeader = "X-Envoy-Expected-Rq-Timeout-Ms"
	grpcTimeoutHeader  = "Grpc-Timeout"
)

// arrive reads what the header of r, which has just come, says to the policies. at is the
// deadline of the caller, or zero.
func (h *handler) arrive(ctx context.Context, r *http.Request) (_ context.Context, at time.Time) {
	if repeated(r.Header.Get(AttemptHeader)) {
		ctx = retry.Suppress(ctx) // anyone may say so: it concerns only the calls made for this one
	}
	trusted := h.trusted != nil && speaks(r.Header) && h.trusted(r)
	said := false
	if trusted {
		if d, ok := patience(r.Header); ok {
			at = time.Now().Add(d)
		}
		var p firebreak.Priority
		if p, said = firebreak.ParsePriority(r.Header.Get(PriorityHeader)); said {
			ctx = firebreak.WithPriority(ctx, p)
		}
	}
	if !said && h.priority != nil {
		if p := h.priority(r); p != firebreak.PriorityOf(ctx) {
			ctx = firebreak.WithPriority(ctx, p)
		}
	}
	return ctx, at
}

// repeated reports whether attempt is the number of a second or later one.
func repeated(attempt string) bool {
	if attempt == "" {
		return false
	}
	n, err := strconv.ParseUint(attempt, 10, 31)
	return err == nil && n > 1
}

// speaks reports whether h has anything for which its sender must be trusted.
func speaks(h http.Header) bool {
	return has(h, TimeoutHeader) || has(h, PriorityHeader) || has(h, envoyTimeoutHeader) || has(h, grpcTimeoutHeader)
}

// patience returns how long the caller waits. ok is false if no header says it.
func patience(h http.Header) (shortest time.Duration, ok bool) {
	note := func(values []string, parse func(string) time.Duration) {
		for _, value := range values {
			if d := parse(value); d > 0 && (!ok || d < shortest) {
				shortest, ok = d, true
			}
		}
	}
	note(h[TimeoutHeader], wiretime.Milliseconds)
	note(h[envoyTimeoutHeader], wiretime.Milliseconds)
	note(h[grpcTimeoutHeader], wiretime.GRPC)
	return shortest, ok
}

// errTooLate is the sentinel of a request that was dead on arrival.
var errTooLate = errors.New("the time that is left is too short")

// deadOnArrival rejects a request that cannot be answered in time.
func (h *handler) deadOnArrival(ctx context.Context, stack *firebreak.Stack, c firebreak.Call) error {
	at, ok := ctx.Deadline()
	if !ok || time.Until(at) >= max(h.minTime, 1) {
		return nil
	}
	return stack.Reject(ctx, c, &firebreak.RejectedError{Policy: "deadline", Reason: "dead_on_arrival", Err: errTooLate})
}
