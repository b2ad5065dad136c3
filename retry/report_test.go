package retry_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/retry"
)

// line is what an event says, in a line.
func line(e firebreak.Event) string {
	return fmt.Sprintf("%s %s %s: attempt %d of %s, %v, %v", e.Policy, e.Kind, e.Reason, e.Attempt, e.Op, e.Duration, e.Err)
}

func wantEvents(t *testing.T, got []firebreak.Event, want ...string) {
	t.Helper()
	lines := make([]string, len(got))
	for i, e := range got {
		lines[i] = line(e)
	}
	if fmt.Sprintf("%q", lines) != fmt.Sprintf("%q", want) {
		t.Errorf("the events are\n\t%q\nwant\n\t%q", lines, want)
	}
}

func TestEventsSayWhichAttemptFollowsAfterWhatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dependency{respond: func(n int) (any, error) {
			if n == 2 {
				return nil, overload(3 * time.Second)
			}
			return nil, errDown
		}}
		wantEvents(t, eventsOf(func() { _, _ = after(2*time.Second).Do(t.Context(), idempotent(), d.handle) }),
			"retry retry transient: attempt 2 of lookup, 2s, dependency is down",
			"retry retry throttled: attempt 3 of lookup, 5s, overloaded",
		)
	})
}

func TestEventOfASpentBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := retry.New(retry.Config{
			Budget:     retry.NewBudget(retry.BudgetConfig{Floor: 1}),
			NewBackOff: func() backoff.BackOff { return &backoff.ZeroBackOff{} },
		})
		wantEvents(t, eventsOf(func() { _, _ = r.Do(t.Context(), idempotent(), failing(errDown).handle) }),
			"retry retry transient: attempt 2 of lookup, 0s, dependency is down",
			"budget reject spent: attempt 2 of lookup, 0s, dependency is down",
		)
	})
}

// A wait that no attempt follows does not pass for a retry.
func TestEventOfACancelledWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		time.AfterFunc(3*time.Second, cancel)
		wantEvents(t, eventsOf(func() { _, _ = after(10*time.Second).Do(ctx, idempotent(), failing(errDown).handle) }),
			"retry retry canceled: attempt 2 of lookup, 3s, dependency is down",
		)
	})
}

func TestNoEventsWithoutARetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wantEvents(t, eventsOf(func() {
			_, _ = after(0).Do(t.Context(), idempotent(), failing(nil).handle)
			_, _ = after(0).Do(t.Context(), firebreak.Call{}, failing(errDown).handle)
		}))
	})
}

func TestDescribeAndReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := retry.New(retry.Config{MaxAttempts: 4})
		if got, want := firebreak.New("payments", r).String(), "payments: timeout 30s (default) → retry 4 attempts"; got != want {
			t.Errorf("String is %q, want %q", got, want)
		}
		_, _ = r.Do(t.Context(), idempotent(), failing(nil).handle)
		var got []firebreak.Status
		r.Report(func(s firebreak.Status) { got = append(got, s) })
		if want := (firebreak.Status{Policy: "retry", Budget: 10.2, Budgeted: true}); len(got) != 1 || got[0] != want {
			t.Errorf("Report yields %+v, want %+v", got, want)
		}
	})
}

// Behaviour 226: keys that come and go must not get around a limit: one that has
// drawn on its budget is not forgotten to start again with a full one.
func TestA12_226_DrawnBudgetIsNotEvicted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		own, shared := retry.New(retry.Config{}), retry.New(retry.Config{Budget: retry.NewBudget(retry.BudgetConfig{})})
		for _, r := range []*retry.Retry{own, shared} {
			if !r.Evictable() {
				t.Error("a new Retry is not evictable, want it to be")
			}
			for range 3 {
				_, _ = r.Do(t.Context(), idempotent(), failing(errDown).handle)
			}
		}
		if own.Evictable() {
			t.Error("a Retry with a budget of its own that was drawn on is evictable, want it not to be")
		}
		if !shared.Evictable() {
			t.Error("a Retry whose budget is kept elsewhere is not evictable, want it to be")
		}
		time.Sleep(2 * time.Minute)
		if !own.Evictable() {
			t.Error("a Retry whose floor has grown back is not evictable, want it to be")
		}
	})
	synctest.Test(t, func(t *testing.T) {
		keyed := firebreak.Keyed(firebreak.ByTarget, func(string) firebreak.Policy {
			return retry.New(retry.Config{NewBackOff: func() backoff.BackOff { return &backoff.ZeroBackOff{} }})
		}, firebreak.MaxKeys(20))
		attempts, calls := 0, 0
		for range 30 {
			for k := range 100 { // five times as many as there is room for
				c := idempotent()
				c.Target = fmt.Sprint("host", k)
				d := failing(errDown)
				_, _ = keyed.Do(t.Context(), c, d.handle)
				attempts += len(d.calls)
				calls++
			}
		}
		// 21 budgets with a floor of 10, and 0.2 a call.
		if most := calls + 21*10 + calls/5; attempts > most {
			t.Errorf("%d attempts for %d calls to 100 keys, want at most %d", attempts, calls, most)
		}
	})
}

func TestConfigValidate(t *testing.T) {
	zero := func() backoff.BackOff { return &backoff.ZeroBackOff{} }
	for _, test := range []struct {
		name string
		cfg  retry.Config
		want string
	}{
		{"zero", retry.Config{}, ""},
		{"all set", retry.Config{MaxAttempts: 1, BaseDelay: 1, ThrottledBaseDelay: 1, MaxDelay: 1, MaxRetryAfter: 1, RetryNested: true}, ""},
		{"another backoff", retry.Config{NewBackOff: zero, MaxRetryAfter: time.Second, MaxAttempts: 5}, ""},
		{
			"99, 218: all negative",
			retry.Config{MaxAttempts: -1, BaseDelay: -1, ThrottledBaseDelay: -1, MaxDelay: -1, MaxRetryAfter: -1},
			"MaxAttempts is -1, want 1 or more, or 0 for 3\n" +
				"BaseDelay is -1ns, want more than 0, or 0 for the default\n" +
				"ThrottledBaseDelay is -1ns, want more than 0, or 0 for the default\n" +
				"MaxDelay is -1ns, want more than 0, or 0 for the default\n" +
				"MaxRetryAfter is -1ns, want more than 0, or 0 for the default",
		},
		{
			"a cap below the base", retry.Config{BaseDelay: 2 * time.Second, MaxDelay: time.Second},
			"MaxDelay is 1s, want at least BaseDelay, 2s",
		},
		{
			"a cap below the other base", retry.Config{MaxDelay: 100 * time.Millisecond},
			"MaxDelay is 100ms, want at least ThrottledBaseDelay, 1s",
		},
		{
			"a base above the default cap", retry.Config{ThrottledBaseDelay: 10 * time.Second},
			"MaxDelay is 5s, want at least ThrottledBaseDelay, 10s",
		},
		{
			"two sorts of backoff", retry.Config{NewBackOff: zero, MaxDelay: 2 * time.Second},
			"NewBackOff is set together with BaseDelay, ThrottledBaseDelay or MaxDelay, want one or the other",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := ""
			if err := test.cfg.Validate(); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("Validate() = %q, want %q", got, test.want)
			}
		})
	}
}

// Behaviour 218: "constructor error, not panic at the first call."
func TestA12_218_NewPanicsWithAllProblems(t *testing.T) {
	cfg := retry.Config{MaxAttempts: -3, MaxRetryAfter: -time.Second}
	defer func() {
		err, ok := recover().(error)
		if want := "retry.New: " + cfg.Validate().Error(); !ok || err.Error() != want {
			t.Errorf("New panicked with %v, want %q", err, want)
		}
	}()
	retry.New(cfg)
}
