package breaker_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
)

var errDown = errors.New("down")

func ending(err error) firebreak.Handler {
	return func(context.Context, firebreak.Call) (any, error) { return nil, err }
}

// reserved makes a call of a reservation, and fails the test if there is none.
func reserved(t *testing.T, b *breaker.Breaker, next firebreak.Handler) {
	t.Helper()
	r, rejection := b.Reserve(t.Context(), firebreak.Call{})
	if r == nil || rejection != nil {
		t.Fatalf("Reserve of a %v breaker returned %v, %v, want a reservation", b.State(), r, rejection)
	}
	_, _ = r.Do(t.Context(), firebreak.Call{}, next)
}

// Calls that are decided on ahead vote like others, and are rejected like others; the
// probes are left to Do.
func TestReserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := breaker.New(breaker.Config{ConsecutiveFailures: 3, Probes: 1})
		late, _ := b.Reserve(t.Context(), firebreak.Call{})
		for range 3 {
			reserved(t, b, ending(errDown))
		}
		if b.State() != breaker.Open {
			t.Fatalf("after 3 failures the breaker is %v, want open", b.State())
		}
		r, rejection := b.Reserve(t.Context(), firebreak.Call{})
		if r != nil || rejection == nil || rejection.Reason != "open" || rejection.RetryAfter <= 0 || rejection.Cause != errDown { //nolint:errorlint // the very same
			t.Fatalf("Reserve of an open breaker returned %v, %+v, want the rejection with its time and cause", r, rejection)
		}
		time.Sleep(rejection.RetryAfter)
		if r, rejection := b.Reserve(t.Context(), firebreak.Call{}); r != nil || rejection != nil || b.State() != breaker.Open {
			t.Fatalf("Reserve when a probe is due returned %v, %v, and the breaker is %v, want it left to Do", r, rejection, b.State())
		}
		// Votes of attempts that were let in before the state changed do not count.
		_, _ = late.Do(t.Context(), firebreak.Call{}, ending(nil))
		if b.State() != breaker.Open {
			t.Errorf("a success from before it opened made the breaker %v", b.State())
		}
		_, _ = b.Do(t.Context(), firebreak.Call{}, ending(nil))
		if b.State() != breaker.Closed {
			t.Errorf("after the probe the breaker is %v, want closed", b.State())
		}
		b.ForceOpen()
		if _, rejection := b.Reserve(t.Context(), firebreak.Call{}); rejection == nil || rejection.Reason != "forced_open" {
			t.Errorf("Reserve of a forced-open breaker returned %v, want a rejection", rejection)
		}
	})
}

// SlowAfter counts from when the call is made, not from when it was reserved, and to when
// its answer began.
func TestReserveSlowAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := breaker.New(breaker.Config{ConsecutiveFailures: 1, SlowAfter: time.Second})
		r, _ := b.Reserve(t.Context(), firebreak.Call{})
		time.Sleep(time.Minute)
		_, _ = r.Do(t.Context(), firebreak.Call{}, ending(nil))
		if b.State() != breaker.Closed {
			t.Errorf("a wait before the call made the breaker %v, want closed", b.State())
		}
		var began firebreak.Moment
		_, _ = b.Do(t.Context(), firebreak.Call{Began: &began}, func(context.Context, firebreak.Call) (any, error) {
			began.Mark()
			time.Sleep(time.Minute)
			return nil, nil
		})
		if b.State() != breaker.Closed {
			t.Errorf("a long answer that began at once made the breaker %v, want closed", b.State())
		}
		reserved(t, b, func(context.Context, firebreak.Call) (any, error) {
			time.Sleep(time.Second)
			return nil, nil
		})
		if b.State() != breaker.Open {
			t.Errorf("a slow answer left the breaker %v, want open", b.State())
		}
	})
}
