package firebreakhttp_test

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/firebreakhttp"
	"github.com/firebreak-go/firebreak/retry"
	"github.com/firebreak-go/firebreak/timeout"
)

// patient is a retry of n attempts with the waits of the defaults, and no budget
// that could end it, in a Stack without a timeout.
func patient(n int, options ...func(*retry.Config)) *firebreak.Stack {
	cfg := retry.Config{MaxAttempts: n, Budget: retry.NewBudget(retry.BudgetConfig{Floor: 1000, FloorRate: 100})}
	for _, option := range options {
		option(&cfg)
	}
	return firebreak.New("test", timeout.Unbounded("the test is about waits"), retry.New(cfg))
}

// atOnce has no waits but those that the server asks for.
func atOnce(cfg *retry.Config) {
	cfg.NewBackOff = func() backoff.BackOff { return &backoff.ZeroBackOff{} }
}

// waited returns how long a call waits for its second attempt after a response of
// code with header, and whether there was one.
func waited(t *testing.T, stack *firebreak.Stack, code int, header []string, options ...firebreakhttp.Option) (time.Duration, bool) {
	t.Helper()
	begin := time.Now()
	base := script(respond(code, newTracked("busy"), header...), status(200))
	resp, err := send(t, firebreakhttp.Transport(base, stack, options...), newRequest(t, "GET", nil))
	if err != nil {
		t.Fatalf("after status %d with %q: error %v, want a response", code, header, err)
	}
	resp.Body.Close()
	return time.Since(begin), len(base.tries()) == 2
}

// Behaviour 89: "Retry-After seconds on 429/503 (also 301/413 per RFC): minimum
// wait."
func TestA6_89_RetryAfterSeconds(t *testing.T) {
	for _, code := range []int{429, 503, 502, 504, 408, 425, 500, 413} {
		synctest.Test(t, func(t *testing.T) {
			optIn := firebreakhttp.RetryStatuses(500, 413)
			got, again := waited(t, patient(2, atOnce), code, []string{"Retry-After", "7"}, optIn)
			if want := 7 * time.Second; got != want || !again {
				t.Errorf("status %d: waited %v (sent again: %v), want exactly %v", code, got, again, want)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		if got, again := waited(t, patient(2, atOnce), 503, []string{"Retry-After", "0"}); got != 0 || !again {
			t.Errorf("Retry-After 0: waited %v (sent again: %v), want 0s", got, again)
		}
	})
	for _, code := range []int{301, 413} { // not retried: the hint is the caller's
		synctest.Test(t, func(t *testing.T) {
			if got, again := waited(t, patient(2, atOnce), code, []string{"Retry-After", "7"}); got != 0 || again {
				t.Errorf("status %d: waited %v (sent again: %v), want it returned at once", code, got, again)
			}
		})
	}
}

// Behaviour 90: "HTTP-date: all three http.ParseTime formats; measure against the
// response's Date header (clock skew)."
func TestA6_90_RetryAfterDate(t *testing.T) {
	for name, layout := range map[string]string{
		"IMF-fixdate": http.TimeFormat, "RFC 850": "Monday, 02-Jan-06 15:04:05 GMT", "asctime": time.ANSIC,
	} {
		for _, skew := range []time.Duration{0, -3 * time.Hour, 3 * time.Hour, 25 * 24 * time.Hour} {
			synctest.Test(t, func(t *testing.T) {
				servers := time.Now().UTC().Add(skew)
				got, again := waited(t, patient(2, atOnce), 503, []string{
					"Date", servers.Format(http.TimeFormat), "Retry-After", servers.Add(20 * time.Second).Format(layout),
				})
				if want := 20 * time.Second; got != want || !again {
					t.Errorf("%s, server's clock off by %v: waited %v (sent again: %v), want exactly %v", name, skew, got, again, want)
				}
			})
		}
	}
	for _, date := range [][]string{nil, {"Date", "yesterday"}} {
		synctest.Test(t, func(t *testing.T) {
			header := append([]string{"Retry-After", time.Now().UTC().Add(20 * time.Second).Format(http.TimeFormat)}, date...)
			if got, again := waited(t, patient(2, atOnce), 503, header); got != 20*time.Second || !again {
				t.Errorf("%q: waited %v (sent again: %v), want exactly 20s by the clock of this side", header, got, again)
			}
		})
	}
}

// Behaviour 91: "Huge values saturate: `time.Second * time.Duration(9223372037)` is
// negative: immediate retry storm in both libraries." Behaviour 92: "A hint above
// MaxRetryAfter (or without a deadline) means: return the response, do not sleep 31
// years."
func TestA6_91_HugeValuesSaturate(t *testing.T) {
	for _, value := range []string{
		"9223372036", "9223372037", "18446744073709551615", "99999999999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT",
	} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			seen := &witness{}
			base := script(respond(503, newTracked("busy"), "Retry-After", value))
			unbounded := firebreak.New("test", timeout.Unbounded("the test is about waits"), retrying(3, 0), seen)
			resp := mustSend(t, firebreakhttp.Transport(base, unbounded), newRequest(t, "GET", nil), 503)
			if got := content(t, resp.Body); got != "busy" || resp.Header.Get("Retry-After") != value {
				t.Errorf("Retry-After %s: body %q and header %v, want those of the answer", value, got, resp.Header)
			}
			wantElapsed(t, begin, 0)
			base.wantTries(t, 1)
			if got := seen.outcomes[0].RetryAfter; got < 200*365*24*time.Hour {
				t.Errorf("Retry-After %s: the policies are told %v, want about the longest Duration", value, got)
			}
		})
	}
}

// Behaviour 92: "Cap. A hint above MaxRetryAfter (or without a deadline) means:
// return the response, do not sleep 31 years."
func TestA6_92_Cap(t *testing.T) {
	for _, tt := range []struct {
		value string
		limit time.Duration
		again bool
		wait  time.Duration
	}{
		{"60", 0, true, 60 * time.Second},
		{"61", 0, false, 0},
		{"5", 5 * time.Second, true, 5 * time.Second},
		{"6", 5 * time.Second, false, 0},
		{"3600", time.Hour, true, time.Hour},
	} {
		synctest.Test(t, func(t *testing.T) {
			stack := patient(2, atOnce, func(cfg *retry.Config) { cfg.MaxRetryAfter = tt.limit })
			got, again := waited(t, stack, 429, []string{"Retry-After", tt.value})
			if got != tt.wait || again != tt.again {
				t.Errorf("Retry-After %s, MaxRetryAfter %v: waited %v (sent again: %v), want %v (%v)",
					tt.value, tt.limit, got, again, tt.wait, tt.again)
			}
		})
	}
}

// Behaviour 93: "Bad values (“, `-5`, `1.5`, `1e9`, past date): ignore, use
// backoff."
func TestA6_93_BadValues(t *testing.T) {
	for _, value := range []string{
		"", "-5", "+5", "1.5", "1e9", "0x10", "5s", "5, 6", " ", "\u0665", "soon", "Infinity",
		"Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 PST", "1999-12-31T23:59:59Z",
	} {
		for _, code := range []int{429, 503} {
			synctest.Test(t, func(t *testing.T) {
				stack := patient(2, func(cfg *retry.Config) {
					cfg.NewBackOff = func() backoff.BackOff { return backoff.NewConstantBackOff(3 * time.Second) }
				})
				if got, again := waited(t, stack, code, []string{"Retry-After", value}); got != 3*time.Second || !again {
					t.Errorf("status %d, Retry-After %q: waited %v (sent again: %v), want the backoff's 3s", code, value, got, again)
				}
			})
		}
	}
	for _, code := range []int{429, 503} { // nor do the policies hear of it
		seen := &witness{}
		past := time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)
		base := script(respond(code, newTracked(""), "Retry-After", past))
		mustSend(t, firebreakhttp.Transport(base, firebreak.New("test", seen)), newRequest(t, "GET", nil), code).Body.Close()
		o := seen.outcomes[0]
		if e, ok := errors.AsType[*firebreak.AttemptError](o.Err); !ok || o.RetryAfter != 0 || e.RetryAfter != 0 {
			t.Errorf("status %d, a date in the past: the policies are told %v, want 0s", code, o.RetryAfter)
		}
	}
}

// Behaviour 94: "Beyond the deadline: return at once. B: sleeps, then returns
// DeadlineExceeded: the 503 and its headers are lost."
func TestA6_94_BeyondTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		base := script(respond(503, newTracked("busy"), "Retry-After", "10"))
		resp := mustSend(t, firebreakhttp.Transport(base, patient(3, atOnce)), newRequest(t, "GET", nil).WithContext(ctx), 503)
		wantElapsed(t, begin, 0)
		if got := content(t, resp.Body); got != "busy" || resp.Header.Get("Retry-After") != "10" {
			t.Errorf("body %q and header %v, want those of the answer", got, resp.Header)
		}
	})
}

// Behaviour 95: "Jitter only adds to a server hint. B: symmetric jitter retries at
// 5.6 s when 10 s were asked."
func TestA6_95_JitterOnlyAdds(t *testing.T) {
	longer := 0
	for range 100 {
		synctest.Test(t, func(t *testing.T) {
			got, again := waited(t, patient(2), 503, []string{"Retry-After", "10"})
			if got < 10*time.Second || got > 11*time.Second || !again {
				t.Errorf("waited %v (sent again: %v), want 10s, and up to 1s more by chance", got, again)
			}
			if got > 10*time.Second {
				longer++
			}
		})
	}
	if longer == 0 {
		t.Error("waited exactly 10s a hundred times, want some chance on top: clients must not come back together")
	}
}

// Behaviour 96: "Exponent clamp. R: float with clamp or bits.Len check; test
// n=1..200." Behaviour 98: "Jitter range: never negative, never above max (clamp
// after jitter). T: 10^4 samples."
func TestA6_96_98_WaitsStayInRange(t *testing.T) {
	for _, tt := range []struct{ base, limit time.Duration }{
		{50 * time.Millisecond, 5 * time.Second},
		{time.Second, 5 * time.Second},
		{100 * time.Millisecond, math.MaxInt64},
		{math.MaxInt64, math.MaxInt64},
		{1, 1},
		{1, 3},
	} {
		for range 50 {
			b, ceiling := retry.FullJitter(tt.base, tt.limit), float64(tt.base)
			for n := 1; n <= 200; n++ {
				d := b.NextBackOff()
				if d < 0 || d > tt.limit || float64(d) > ceiling+1 {
					t.Fatalf("FullJitter(%v, %v): wait %d is %v, want 0 to %v", tt.base, tt.limit, n, d, time.Duration(ceiling))
				}
				ceiling = min(ceiling*2, float64(tt.limit))
			}
		}
	}
}

// Behaviour 97: "Jitter of 0. rand.Int64N(0) panics. R: guard. T: Backoff 0 with
// jitter."
func TestA6_97_JitterOfZero(t *testing.T) {
	for _, tt := range []struct{ base, limit time.Duration }{{0, time.Second}, {time.Second, 0}, {0, 0}, {-1, -1}, {1, 1}} {
		b := retry.FullJitter(tt.base, tt.limit)
		for n := 1; n <= 10; n++ {
			if d := b.NextBackOff(); d < 0 || d > max(tt.limit, 0) {
				t.Errorf("FullJitter(%v, %v): wait %d is %v, want 0 to the limit", tt.base, tt.limit, n, d)
			}
		}
	}
	synctest.Test(t, func(t *testing.T) {
		begin, base := time.Now(), script(status(503))
		stack := patient(5, func(cfg *retry.Config) {
			cfg.NewBackOff = func() backoff.BackOff { return retry.FullJitter(0, 0) }
		})
		mustSend(t, firebreakhttp.Transport(base, stack), newRequest(t, "GET", nil), 503).Body.Close()
		wantElapsed(t, begin, 0)
		base.wantTries(t, 5)
	})
}

// Behaviour 99: "Attempts are attempts. 1 = no retry; 0/negative = config error."
// 0 is the default here, as a zero Config is useful.
func TestA6_99_AttemptsAreAttempts(t *testing.T) {
	for attempts, want := range map[int]int{0: 3, 1: 1, 2: 2, 5: 5} {
		synctest.Test(t, func(t *testing.T) {
			base := script(status(503))
			mustSend(t, firebreakhttp.Transport(base, patient(attempts, atOnce)), newRequest(t, "GET", nil), 503).Body.Close()
			if got := len(base.tries()); got != want {
				t.Errorf("MaxAttempts %d: sent %d times, want %d", attempts, got, want)
			}
		})
	}
	defer func() {
		if recover() == nil {
			t.Error("retry.New took MaxAttempts -1, want a panic")
		}
	}()
	retry.New(retry.Config{MaxAttempts: -1})
}

// Behaviour 100: "Retry budget per client, not per call; refunded never [...]. T:
// 100 failing calls, count tries." Here it is charged when a retry is scheduled.
func TestA6_100_BudgetPerClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := script(fail(errPeerReset))
		rt := firebreakhttp.Transport(base, firebreak.New("test", retry.New(retry.Config{
			NewBackOff: func() backoff.BackOff { return &backoff.ZeroBackOff{} },
		})))
		const calls = 100
		for range calls {
			_ = mustFail(t, rt, newRequest(t, "GET", nil))
		}
		if got, want := len(base.tries()), calls+calls/5+10; got > want || got < want-1 {
			t.Errorf("%d failing calls sent %d requests, want %d: a fifth more, and 10", calls, got, want)
		}
	})
	t.Run("not refunded by a cancel", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			budget := retry.NewBudget(retry.BudgetConfig{})
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			before := budget.Available()
			rt := firebreakhttp.Transport(script(status(503)), firebreak.New("test", retry.New(retry.Config{
				Budget: budget, NewBackOff: func() backoff.BackOff { return backoff.NewConstantBackOff(5 * time.Second) },
			})))
			_ = mustFail(t, rt, newRequest(t, "GET", nil).WithContext(ctx))
			if got := budget.Available() - before; got >= 0 {
				t.Errorf("the budget changed by %v, want less than before", got)
			}
		})
	})
}

// Behaviour 101: "Backoff timer is stopped on cancel." What can be seen of it: the
// call ends at once, and no goroutine is left, in which the bubble would not end.
func TestA6_101_BackoffTimerIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 100 {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			rt := firebreakhttp.Transport(script(status(503)), patient(3, func(cfg *retry.Config) {
				cfg.NewBackOff = func() backoff.BackOff { return backoff.NewConstantBackOff(24 * time.Hour) }
			}))
			begin := time.Now()
			_ = mustFail(t, rt, newRequest(t, "GET", nil).WithContext(ctx))
			wantElapsed(t, begin, time.Second)
		}
	})
}

// Behaviour 102: "Injected randomness/clock for tests: synctest makes a Clock
// interface unnecessary": the waits of the defaults, in virtual time.
func TestA6_102_VirtualTime(t *testing.T) {
	var total []time.Duration
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			begin, base := time.Now(), script(fail(errPeerReset))
			_ = mustFail(t, firebreakhttp.Transport(base, patient(3)), newRequest(t, "GET", nil))
			tries := base.tries()
			first, second := tries[1].begin.Sub(tries[0].begin), tries[2].begin.Sub(tries[1].begin)
			if first > 50*time.Millisecond || second > 100*time.Millisecond {
				t.Errorf("waited %v and %v, want up to 50ms and 100ms", first, second)
			}
			total = append(total, time.Since(begin))
		})
	}
	if slices.Max(total) == slices.Min(total) {
		t.Errorf("20 calls waited %v each, want chance", total[0])
	}
}

// A breaker holds calls off for as long as the server asks for, to 60s at the most.
func TestA6_92_HoldIsCapped(t *testing.T) {
	for _, tt := range []struct {
		value string
		want  time.Duration
	}{{"7", 7 * time.Second}, {"9223372037", time.Minute}} {
		synctest.Test(t, func(t *testing.T) {
			base := script(respond(503, newTracked(""), "Retry-After", tt.value), status(200))
			rt := firebreakhttp.Transport(base, firebreak.New("test", breaker.New(breaker.Config{})))
			mustSend(t, rt, newRequest(t, "GET", nil), 503).Body.Close()
			err := mustFail(t, rt, newRequest(t, "GET", nil))
			if e, ok := errors.AsType[*firebreak.RejectedError](err); !ok || e.RetryAfter != tt.want {
				t.Errorf("Retry-After %s: error %v, want a rejection for %v", tt.value, err, tt.want)
			}
			time.Sleep(tt.want)
			resp := mustSend(t, rt, newRequest(t, "GET", nil), 200)
			_, _ = io.ReadAll(resp.Body)
			resp.Body.Close()
		})
	}
}
