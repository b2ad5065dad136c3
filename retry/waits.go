package retry

import (
	"errors"
	"math"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/firebreak-go/firebreak"
)

// waits are the waits of one call. The zero value is that of a call that did not
// wait yet: a call that does not retry pays nothing for them.
type waits struct {
	transient, throttled backoff.BackOff
}

// next returns how long to wait after o, or false if the call must not go on.
func (w *waits) next(cfg *Config, o firebreak.Outcome) (time.Duration, bool) {
	if o.RetryAfter > cfg.MaxRetryAfter {
		return 0, false
	}
	d := w.backOff(cfg, o).NextBackOff()
	if d < 0 {
		return 0, false
	}
	if said, ok := errors.AsType[*firebreak.AttemptError](o.Err); ok && said.Exact {
		w.restart()
		return o.RetryAfter, true
	}
	if d > math.MaxInt64-o.RetryAfter {
		return math.MaxInt64, true // no wait at all is what an overflow would come to
	}
	return o.RetryAfter + d, true // the hint is a minimum: chance only adds
}

// restart has all series begin again.
func (w *waits) restart() {
	for _, series := range []backoff.BackOff{w.transient, w.throttled} {
		if series != nil {
			series.Reset()
		}
	}
}

// backOff returns the series that o belongs to.
func (w *waits) backOff(cfg *Config, o firebreak.Outcome) backoff.BackOff {
	if cfg.NewBackOff != nil {
		if w.transient == nil {
			w.transient = cfg.NewBackOff()
			w.transient.Reset()
		}
		return w.transient
	}
	series, base := &w.transient, cfg.BaseDelay
	if o.Class == firebreak.Overload {
		series, base = &w.throttled, cfg.ThrottledBaseDelay
	}
	if *series == nil {
		*series = FullJitter(base, cfg.MaxDelay)
	}
	return *series
}

// FullJitter returns waits that are random between 0 and a ceiling that is base at
// first and doubles with each, up to limit. They are 0 if base or limit is not
// positive.
//
// It is the "full jitter" of Marc Brooker, Exponential Backoff And Jitter, AWS
// Architecture Blog, 2015, which spreads clients that failed together best.
func FullJitter(base, limit time.Duration) *backoff.ExponentialBackOff {
	limit = max(limit, 0)
	base = min(max(base, 0), limit) // it is the series that has a limit, not its start
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(base/2), // the middle of the interval
		backoff.WithRandomizationFactor(1),  // which reaches from 0 to twice that
		backoff.WithMultiplier(2),
		backoff.WithMaxInterval(limit/2),
		backoff.WithMaxElapsedTime(0), // the deadline of the call is what ends it
	)
}
