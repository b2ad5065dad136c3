package retry_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/retry"
	"github.com/firebreak-go/firebreak/timeout"
)

// Behaviour 59: "Wait does not fit. R: return the 503 at once. B: sleeps up to the
// deadline and turns a useful 503 into DeadlineExceeded." 94: the same of a wait
// that the server asked for.
func TestA4_59_A6_94_NoWaitThatDoesNotFit(t *testing.T) {
	const limit = 2 * time.Second
	withDeadline := func(t *testing.T, r *retry.Retry, d *dependency) (any, error) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		return r.Do(ctx, idempotent(), d.handle)
	}
	// The timeout of the whole call is merged into that of the attempts: the context
	// that the retry sees has no deadline.
	inStack := func(t *testing.T, r *retry.Retry, d *dependency) (any, error) {
		t.Helper()
		stack := firebreak.New("test", timeout.New(limit), r, timeout.New(time.Second))
		return stack.Do(t.Context(), idempotent(), func(ctx context.Context, c firebreak.Call) (any, error) {
			at, ok := ctx.Deadline()
			if left := time.Until(at); !ok || left > time.Second {
				t.Errorf("attempt %d has %v, %t left, want 1s at the most", c.Attempt, left, ok)
			}
			return d.handle(ctx, c)
		})
	}
	for name, do := range map[string]func(*testing.T, *retry.Retry, *dependency) (any, error){
		"deadline of the caller": withDeadline, "timeout of the whole call": inStack,
	} {
		for _, test := range []struct {
			name     string
			err      error
			wait     time.Duration
			attempts int
			took     time.Duration
		}{
			{"a wait beyond the deadline", errDown, 3 * time.Second, 1, 0},
			{"a wait to the deadline", errDown, limit, 1, 0},
			{"a wait that ends just before it", errDown, limit - 1, 2, limit - 1},
			{"a second wait that does not fit", errDown, 1500 * time.Millisecond, 2, 1500 * time.Millisecond},
			{"94: a hint beyond the deadline", overload(5 * time.Second), 0, 1, 0},
			{"94: a hint and a wait that only together are", overload(1500 * time.Millisecond), time.Second, 1, 0},
			{"a hint that fits", overload(900 * time.Millisecond), 0, 3, 1800 * time.Millisecond},
		} {
			t.Run(name+"/"+test.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					d := failingWithBody(test.err)
					begin := time.Now()
					got, err := do(t, after(test.wait), d)
					wantTook(t, begin, test.took)
					d.wantAttempts(t, test.attempts)
					if got != d.results[len(d.results)-1] || err != test.err { //nolint:errorlint // the error itself is to come back
						t.Errorf("Do returned %v, %v, want the last result and %v", got, err, test.err)
					}
					d.wantDiscarded(t, false)
					firebreak.Discard(got)
				})
			})
		}
	}
}

// Behaviour 60: "Timeout over retry = total. B: timeout only checked between tries."
// 61: "Retry over timeout = per try, timed-out try is retryable if the caller's
// context lives."
func TestA4_60_61_TimeoutsOfCallAndAttempt(t *testing.T) {
	for _, test := range []struct {
		name     string
		total    time.Duration
		attempts int
		took     time.Duration
		scope    string
	}{
		{"61: each attempt", 10 * time.Second, 3, 3 * time.Second, "attempt"},
		{"60: the whole call", 2500 * time.Millisecond, 3, 2500 * time.Millisecond, "call"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stack := firebreak.New("test", timeout.New(test.total), after(0), timeout.New(time.Second))
				attempts := 0
				begin := time.Now()
				_, err := stack.Do(t.Context(), idempotent(), func(ctx context.Context, _ firebreak.Call) (any, error) {
					attempts++
					<-ctx.Done()
					return nil, ctx.Err()
				})
				wantTook(t, begin, test.took)
				if e, ok := errors.AsType[*timeout.Error](err); !ok || e.Scope != test.scope {
					t.Errorf("the error is %v, want a timeout of scope %s", err, test.scope)
				}
				if attempts != test.attempts {
					t.Errorf("%d attempts, want %d", attempts, test.attempts)
				}
			})
		})
	}
}

// Behaviour 89: the hint is the "minimum wait". 95: "Jitter only adds to a server
// hint. B: symmetric jitter retries at 5.6 s when 10 s were asked."
func TestA6_89_95_HintIsAMinimum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const hint = 10 * time.Second
		lowest, highest := time.Hour, time.Duration(0)
		for range 500 {
			d := failing(overload(hint))
			_, _ = retry.New(retry.Config{MaxAttempts: 2}).Do(t.Context(), idempotent(), d.handle)
			waited := d.at[1].Sub(d.at[0])
			lowest, highest = min(lowest, waited), max(highest, waited)
		}
		if lowest < hint || highest > hint+retry.DefaultThrottledBaseDelay {
			t.Errorf("waited %v to %v, want %v and up to %v more", lowest, highest, hint, retry.DefaultThrottledBaseDelay)
		}
		if highest < hint+retry.DefaultThrottledBaseDelay*9/10 {
			t.Errorf("waited %v at the most, want jitter of up to %v on top of the hint", highest, retry.DefaultThrottledBaseDelay)
		}
	})
}

// Behaviour 92: "A hint above MaxRetryAfter means: return the response, do not sleep
// 31 years." 91: huge values never make a wait negative: "immediate retry storm".
// 93: a bad value is as none.
func TestA6_91_92_93_HintsOutOfRange(t *testing.T) {
	for _, test := range []struct {
		name     string
		cfg      retry.Config
		hint     time.Duration
		attempts int
		took     time.Duration
	}{
		{"92: at the default cap", retry.Config{}, time.Minute, 2, time.Minute},
		{"92: above the default cap", retry.Config{}, time.Minute + 1, 1, 0},
		{"92: above one's own cap", retry.Config{MaxRetryAfter: time.Second}, 2 * time.Second, 1, 0},
		{"91: saturated", retry.Config{}, math.MaxInt64, 1, 0},
		{"91: saturated, and no cap", retry.Config{MaxRetryAfter: math.MaxInt64}, math.MaxInt64, 1, 0},
		{"93: negative", retry.Config{}, -5 * time.Second, 2, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				test.cfg.MaxAttempts = 2
				wait := time.Duration(0)
				if test.hint == math.MaxInt64 {
					wait = time.Second // hint and wait together are more than a Duration holds
				}
				test.cfg.NewBackOff = func() backoff.BackOff { return backoff.NewConstantBackOff(wait) }
				d := failingWithBody(overload(test.hint))
				begin := time.Now()
				got, _ := retry.New(test.cfg).Do(ctx, idempotent(), d.handle)
				wantTook(t, begin, test.took)
				d.wantAttempts(t, test.attempts)
				if got == nil || got.(*body).Ended() {
					t.Errorf("Do returned %v, want the last result, still in use", got)
				}
			})
		})
	}
}

// A dependency that says that it is overloaded is left alone for longer than one
// that failed.
func TestThrottledCallsWaitLonger(t *testing.T) {
	for _, test := range []struct {
		err  error
		base time.Duration
	}{{errDown, retry.DefaultBaseDelay}, {overload(0), retry.DefaultThrottledBaseDelay}} {
		synctest.Test(t, func(t *testing.T) {
			var longest [2]time.Duration
			for range 500 {
				d := failing(test.err)
				_, _ = retry.New(retry.Config{}).Do(t.Context(), idempotent(), d.handle)
				for i := range longest {
					longest[i] = max(longest[i], d.at[i+1].Sub(d.at[i]))
				}
			}
			for i, ceiling := range []time.Duration{test.base, 2 * test.base} {
				if longest[i] > ceiling || longest[i] < ceiling*9/10 {
					t.Errorf("%v: wait %d is %v at the most, want %v", test.err, i+1, longest[i], ceiling)
				}
			}
		})
	}
}

// countingBackOff counts its uses.
type countingBackOff struct{ resets, waits int }

func (b *countingBackOff) Reset()                     { b.resets++ }
func (b *countingBackOff) NextBackOff() time.Duration { b.waits++; return 0 }

// Behaviour 97: "Jitter of 0. T: Backoff 0." A series belongs to one call.
func TestA6_97_NewBackOffIsCalledOncePerCallThatRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var made []*countingBackOff
		r := retry.New(retry.Config{NewBackOff: func() backoff.BackOff {
			made = append(made, new(countingBackOff))
			return made[len(made)-1]
		}})
		begin := time.Now()
		_, _ = r.Do(t.Context(), idempotent(), failing(nil).handle)
		for range 2 {
			d := failing(errDown)
			_, _ = r.Do(t.Context(), idempotent(), d.handle)
			d.wantAttempts(t, 3)
		}
		wantTook(t, begin, 0)
		if len(made) != 2 {
			t.Fatalf("NewBackOff was called %d times for one call that succeeded and two that did not, want 2", len(made))
		}
		for i, b := range made {
			if *b != (countingBackOff{resets: 1, waits: 2}) {
				t.Errorf("series %d: %+v, want one reset and two waits", i+1, *b)
			}
		}
	})
}

func TestStopOfABackOffEndsTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := retry.New(retry.Config{NewBackOff: func() backoff.BackOff {
			return backoff.WithMaxRetries(backoff.NewConstantBackOff(time.Second), 1)
		}})
		d := failingWithBody(errDown)
		begin := time.Now()
		got, err := r.Do(t.Context(), idempotent(), d.handle)
		wantTook(t, begin, time.Second)
		d.wantAttempts(t, 2)
		if got != d.results[1] || !errors.Is(err, errDown) {
			t.Errorf("Do returned %v, %v, want the last result and %v", got, err, errDown)
		}
		d.wantDiscarded(t, false)
	})
}
