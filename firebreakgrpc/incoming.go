package firebreakgrpc

import (
	"context"
	"errors"
	"strconv"
	"time"

	"google.golang.org/grpc/metadata"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/internal/wiretime"
	"github.com/firebreak-go/firebreak/retry"
)

// Metadata that say how long a caller waits, how important its call is, and how often it
// was made before.
const (
	// PriorityKey is the [firebreak.Priority] of the call, by name or from "0", critical,
	// to "3", best effort.
	PriorityKey = "firebreak-priority"

	timeoutKey      = "request-timeout-ms"
	envoyTimeoutKey = "x-envoy-expected-rq-timeout-ms"
	attemptsKey     = "grpc-previous-rpc-attempts"
)

// incomingMetadata looks metadata up without a copy of all of them.
func incomingMetadata(ctx context.Context) func(key string) []string {
	return func(key string) []string { return metadata.ValueFromIncomingContext(ctx, key) }
}

// read reads what the metadata of a call say to the policies. at is the deadline that its
// caller names there, or zero.
func (s *server) read(ctx context.Context, method string, get func(key string) []string) (_ context.Context, at time.Time) {
	if repeated(get(attemptsKey)) {
		ctx = retry.Suppress(ctx) // anyone may say so: it concerns only the calls made for this one
	}
	ctx, at, said := s.believe(ctx, method, get)
	if !said && s.priority != nil {
		if p := s.priority(ctx, method); p != firebreak.PriorityOf(ctx) {
			ctx = firebreak.WithPriority(ctx, p)
		}
	}
	return ctx, at
}

// believe reads what counts only from those who are trusted. said is true if that is a
// priority, too.
func (s *server) believe(ctx context.Context, method string, get func(key string) []string) (_ context.Context, at time.Time, said bool) {
	if s.trusted == nil {
		return ctx, at, false
	}
	priority, timeout, envoy := get(PriorityKey), get(timeoutKey), get(envoyTimeoutKey)
	if len(priority)+len(timeout)+len(envoy) == 0 || !s.trusted(ctx, method) {
		return ctx, at, false
	}
	if d := shortest(timeout, envoy); d > 0 {
		at = time.Now().Add(d)
	}
	if len(priority) > 0 {
		var p firebreak.Priority
		if p, said = firebreak.ParsePriority(priority[0]); said {
			ctx = firebreak.WithPriority(ctx, p)
		}
	}
	return ctx, at, said
}

// repeated reports whether there were attempts before.
func repeated(attempts []string) bool {
	if len(attempts) == 0 {
		return false
	}
	n, err := strconv.ParseUint(attempts[0], 10, 31)
	return err == nil && n > 0
}

// shortest returns the shortest time over 0 that the values say, or 0.
func shortest(lists ...[]string) (shortest time.Duration) {
	for _, values := range lists {
		for _, value := range values {
			if d := wiretime.Milliseconds(value); d > 0 && (shortest == 0 || d < shortest) {
				shortest = d
			}
		}
	}
	return shortest
}

// errTooLate is the sentinel of a call that was dead on arrival.
var errTooLate = errors.New("the time that is left is too short")

// deadOnArrival rejects a call that cannot be answered in time.
func (s *server) deadOnArrival(v *served) *firebreak.RejectedError {
	at, ok := v.ctx.Deadline()
	if !v.deadline.IsZero() && (!ok || v.deadline.Before(at)) {
		at, ok = v.deadline, true
	}
	if !ok {
		return nil
	}
	if v.left = time.Until(at); v.left >= s.minTime {
		return nil
	}
	return &firebreak.RejectedError{Policy: "deadline", Reason: "dead_on_arrival", Err: errTooLate}
}
