package shed

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"golang.org/x/time/rate"

	"github.com/firebreak-go/firebreak"
)

// ErrRate is the sentinel of a rejection by a [RateLimit]: the caller has made as many
// calls as it may.
var ErrRate = errors.New("rate limit is reached")

// A RateLimit is a policy that admits so many calls a second: a quota. It knows
// nothing of the load; in [firebreak.Keyed] each caller, tenant or API key has one of
// its own. It is a [firebreak.Gate], too, and safe for concurrent use.
type RateLimit struct{ bucket *rate.Limiter }

// Rate returns a RateLimit that admits perSecond calls a second, over 0, and at most
// burst of them at once, 1 or more. A call that comes too early is rejected, not held
// up, with a [*firebreak.RejectedError] around [ErrRate] that says when the next may
// pass.
//
// It is the token bucket of golang.org/x/time/rate. Rate panics with all that is wrong
// with its arguments.
func Rate(perSecond float64, burst int) *RateLimit {
	var problems []error
	if !(perSecond > 0) || math.IsInf(perSecond, 1) { // also what is not a number
		problems = append(problems, fmt.Errorf("perSecond is %v, want a number over 0", perSecond))
	}
	if burst < 1 {
		problems = append(problems, fmt.Errorf("burst is %d, want 1 or more", burst))
	}
	if len(problems) > 0 {
		panic(fmt.Errorf("shed.Rate: %w", errors.Join(problems...)))
	}
	return &RateLimit{rate.NewLimiter(rate.Limit(perSecond), burst)}
}

// Do runs next if the rate allows it.
func (r *RateLimit) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	if err := r.admit(ctx, c); err != nil {
		return nil, err
	}
	return next(ctx, c)
}

// Allow admits or rejects a call, as Do does; there is nothing for done to give back.
func (r *RateLimit) Allow(ctx context.Context, c firebreak.Call) (done func(firebreak.Outcome), err error) {
	if err := r.admit(ctx, c); err != nil {
		return nil, err
	}
	return func(firebreak.Outcome) {}, nil
}

func (r *RateLimit) admit(ctx context.Context, c firebreak.Call) error {
	if err := c.Err(ctx); err != nil {
		return err // a caller who has left uses nothing up
	}
	if c.Exempt {
		return nil
	}
	if rejection := r.take(); rejection != nil {
		return c.Reject(ctx, rejection)
	}
	return nil
}

// take takes a token, or says why there is none.
func (r *RateLimit) take() *firebreak.RejectedError {
	now := time.Now()
	if r.bucket.AllowN(now, 1) {
		return nil
	}
	return &firebreak.RejectedError{Policy: "rate", Reason: "limit", Err: ErrRate, RetryAfter: r.untilNext(now)}
}

// longestWait is what a rate of next to nothing is told as: a Duration holds no more.
const longestWait = 24 * time.Hour

// untilNext returns how long it takes until there is a token.
func (r *RateLimit) untilNext(now time.Time) time.Duration {
	seconds := (1 - r.bucket.TokensAt(now)) / float64(r.bucket.Limit())
	if seconds > longestWait.Seconds() {
		return longestWait
	}
	return max(time.Duration(seconds*float64(time.Second)), time.Nanosecond) // another call may have been faster by that much
}

// Evictable implements [firebreak.Evicter]: a caller that has used some of its quota
// is not forgotten, for in its place one with all of it would begin.
func (r *RateLimit) Evictable() bool { return r.bucket.Tokens() >= float64(r.bucket.Burst()) }

// Describe implements [firebreak.Describer]. It panics for a zero value, so that a
// Stack is not made of one.
func (r *RateLimit) Describe() firebreak.Description {
	if r.bucket == nil {
		panic("shed: a RateLimit that Rate has not made, want one of shed.Rate")
	}
	return firebreak.Description{
		Kind: firebreak.KindRate,
		Text: fmt.Sprintf("rate %v/s (burst %d)", float64(r.bucket.Limit()), r.bucket.Burst()),
	}
}
