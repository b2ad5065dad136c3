package firebreakhttp

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/firebreak-go/firebreak"
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

// longest is the longest time that counts: no monotonic clock runs so far.
const longest = math.MaxInt64 / 2

// patience returns how long the caller waits. ok is false if no header says it.
func patience(h http.Header) (shortest time.Duration, ok bool) {
	note := func(values []string, parse func(string) time.Duration) {
		for _, value := range values {
			if d := parse(value); d > 0 && (!ok || d < shortest) {
				shortest, ok = d, true
			}
		}
	}
	note(h[TimeoutHeader], milliseconds)
	note(h[envoyTimeoutHeader], milliseconds)
	note(h[grpcTimeoutHeader], grpcTimeout)
	return shortest, ok
}

// milliseconds reads 1*DIGIT. It returns 0 if value is not valid.
func milliseconds(value string) time.Duration { return times(value, time.Millisecond) }

// grpcTimeout reads the header of the gRPC protocol over HTTP/2: up to eight digits and
// a unit. It returns 0 if value is not valid.
func grpcTimeout(value string) time.Duration {
	n := len(value) - 1
	if n < 1 || n > 8 {
		return 0
	}
	switch digits := value[:n]; value[n] {
	case 'H':
		return times(digits, time.Hour)
	case 'M':
		return times(digits, time.Minute)
	case 'S':
		return times(digits, time.Second)
	case 'm':
		return times(digits, time.Millisecond)
	case 'u':
		return times(digits, time.Microsecond)
	case 'n':
		return times(digits, time.Nanosecond)
	default:
		return 0
	}
}

func times(digits string, unit time.Duration) time.Duration {
	n := int64(0)
	for i := range len(digits) {
		c := digits[i]
		if c < '0' || c > '9' {
			return 0
		}
		if n = n*10 + int64(c-'0'); n > longest/int64(unit) {
			return 0
		}
	}
	return time.Duration(n) * unit
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
