package firebreakhttp_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakhttp"
	"github.com/firebreak-go/firebreak/retry"
	"github.com/firebreak-go/firebreak/timeout"
)

// A witness is a policy that writes down how the attempts below it end.
type witness struct {
	mu       sync.Mutex // guards outcomes
	outcomes []firebreak.Outcome
}

func (w *witness) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	result, err := next(ctx, c)
	c.OnDone(result, err, func(o firebreak.Outcome) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.outcomes = append(w.outcomes, o)
	})
	return result, err
}

// classes returns the classes of the attempts that have ended.
func (w *witness) classes() []firebreak.Class {
	w.mu.Lock()
	defer w.mu.Unlock()
	classes := make([]firebreak.Class, len(w.outcomes))
	for i, o := range w.outcomes {
		classes[i] = o.Class
	}
	return classes
}

// want fails the test unless exactly the attempts of classes have ended.
func (w *witness) want(t *testing.T, classes ...firebreak.Class) {
	t.Helper()
	got := w.classes()
	if len(got) != len(classes) {
		t.Fatalf("attempts ended as %v, want %v", got, classes)
	}
	for i := range got {
		if got[i] != classes[i] {
			t.Fatalf("attempts ended as %v, want %v", got, classes)
		}
	}
}

// mustFail is send for a request that must fail.
func mustFail(t *testing.T, rt http.RoundTripper, req *http.Request) error {
	t.Helper()
	resp, err := send(t, rt, req)
	if err == nil {
		resp.Body.Close()
		t.Fatalf("RoundTrip returned status %d, want an error", resp.StatusCode)
	}
	return err
}

// wantElapsed fails the test unless it is exactly d after begin.
func wantElapsed(t *testing.T, begin time.Time, d time.Duration) {
	t.Helper()
	if got := time.Since(begin); got != d {
		t.Errorf("took %v, want exactly %v", got, d)
	}
}

// causeHang hangs like net/http's Transport: it returns the bare cause of the
// context.
func causeHang() step {
	return func(tr *try) (*http.Response, error) {
		tr.readBody(-1)
		<-tr.ctx.Done()
		return nil, context.Cause(tr.ctx)
	}
}

// Behaviour 49: "`ctx.Deadline()` set by a Timeout, so the layer below can
// propagate and refuse hopeless work."
func TestA4_49_DeadlineVisible(t *testing.T) {
	for _, tt := range []struct {
		name     string
		policies func() []firebreak.Policy // made in the bubble: a budget knows the time
		want     []time.Duration           // of each attempt, since the start of the call
		scope    string                    // of the cause of the last attempt's end
	}{
		{"alone", func() []firebreak.Policy { return []firebreak.Policy{timeout.New(7 * time.Second)} }, []time.Duration{7 * time.Second}, "call"},
		{"default", func() []firebreak.Policy { return nil }, []time.Duration{30 * time.Second}, "call"},
		{
			"attempt within call",
			func() []firebreak.Policy {
				return []firebreak.Policy{timeout.New(10 * time.Second), retrying(2, time.Second), timeout.New(2 * time.Second)}
			},
			[]time.Duration{2 * time.Second, 5 * time.Second}, "attempt",
		},
		{
			"call ends before attempt",
			func() []firebreak.Policy {
				return []firebreak.Policy{timeout.New(4 * time.Second), retrying(2, time.Second), timeout.New(2 * time.Second)}
			},
			[]time.Duration{2 * time.Second, 4 * time.Second}, "call",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				base, begin := script(hang()), time.Now()
				_ = mustFail(t, firebreakhttp.Transport(base, firebreak.New("test", tt.policies()...)), newRequest(t, "GET", nil))
				base.wantTries(t, len(tt.want))
				for i, tr := range base.tries() {
					at, ok := tr.ctx.Deadline()
					if got := at.Sub(begin); !ok || got != tt.want[i] {
						t.Errorf("attempt %d: deadline after %v (set: %v), want %v", i+1, got, ok, tt.want[i])
					}
					if err := tr.ctx.Err(); !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("attempt %d: its context ended with %v, want %v", i+1, err, context.DeadlineExceeded)
					}
				}
				last := base.tries()[len(tt.want)-1]
				cause, ok := errors.AsType[*timeout.Error](context.Cause(last.ctx))
				if !ok || cause.Scope != tt.scope {
					t.Errorf("cause of the last attempt's end: %v, want a timeout of the %s", context.Cause(last.ctx), tt.scope)
				}
			})
		})
	}
}

// Behaviour 50: "Earlier deadline wins; a Timeout never extends the caller's."
func TestA4_50_EarlierDeadlineWins(t *testing.T) {
	for _, tt := range []struct {
		caller, policy, want time.Duration
		ours                 bool
	}{
		{time.Second, time.Hour, time.Second, false},
		{time.Hour, time.Second, time.Second, true},
		{time.Second, time.Second, time.Second, false}, // the caller's is not later: it stays the caller's
	} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), tt.caller)
			defer cancel()
			base := script(hang())
			rt := firebreakhttp.Transport(base, firebreak.New("test", timeout.New(tt.policy)))
			err := mustFail(t, rt, newRequest(t, "GET", nil).WithContext(ctx))
			wantElapsed(t, begin, tt.want)
			if at, ok := base.tries()[0].ctx.Deadline(); !ok || at.Sub(begin) != tt.want {
				t.Errorf("caller %v, policy %v: deadline after %v, want %v", tt.caller, tt.policy, at.Sub(begin), tt.want)
			}
			if _, ours := errors.AsType[*timeout.Error](err); ours != tt.ours {
				t.Errorf("caller %v, policy %v: error %v is a timeout.Error: %v, want %v", tt.caller, tt.policy, err, ours, tt.ours)
			}
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("caller %v, policy %v: error %v, want one that is %v", tt.caller, tt.policy, err, context.DeadlineExceeded)
			}
		})
	}
}

// Behaviour 51: "errors.Is(DeadlineExceeded); `Timeout()==true` on the outermost
// error because url.Error.Timeout uses a type assertion, not errors.As."
func TestA4_51_TimeoutErrorThroughClient(t *testing.T) {
	callers := func(cause error) func(context.Context) (context.Context, context.CancelFunc) {
		return func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeoutCause(ctx, time.Second, cause)
		}
	}
	long := func() []firebreak.Policy { return []firebreak.Policy{timeout.New(time.Hour), retrying(2, time.Second)} }
	call := func() []firebreak.Policy { return []firebreak.Policy{timeout.New(time.Second)} }
	attempt := func() []firebreak.Policy { return []firebreak.Policy{retrying(1, 0), timeout.New(time.Second)} }
	for _, tt := range []struct {
		name     string
		policies func() []firebreak.Policy
		caller   func(context.Context) (context.Context, context.CancelFunc)
		base     step
	}{
		{"call", call, context.WithCancel, hang()},
		{"attempt", attempt, context.WithCancel, hang()},
		{"attempt, bare cause", attempt, context.WithCancel, causeHang()},
		{"caller", long, callers(nil), hang()},
		{"caller with a cause", long, callers(errors.New("took too long")), causeHang()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := tt.caller(t.Context())
				defer cancel()
				client := &http.Client{Transport: firebreakhttp.Transport(script(tt.base), firebreak.New("test", tt.policies()...))}
				resp, err := client.Do(newRequest(t, "GET", nil).WithContext(ctx))
				if err == nil {
					resp.Body.Close()
					t.Fatal("client.Do succeeded, want a timeout")
				}
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("error %v is not %v", err, context.DeadlineExceeded)
				}
				outer, ok := err.(*url.Error) //nolint:errorlint // what http.Client promises
				if !ok || !outer.Timeout() {
					t.Errorf("error %v: Timeout is not true on the outermost *url.Error", err)
				}
			})
		})
	}
}

// Behaviour 52: "own type/cause tells policy timeout from the caller's deadline."
func TestA4_52_WhichTimeout(t *testing.T) {
	for _, tt := range []struct {
		name                  string
		call, attempt, caller time.Duration
		tries                 int
		scope                 string // "" is the caller's deadline
		after                 time.Duration
	}{
		{"attempt", time.Hour, 2 * time.Second, time.Hour, 3, "attempt", 8 * time.Second},
		{"call in an attempt", 4 * time.Second, 2 * time.Second, time.Hour, 2, "call", 4 * time.Second},
		{"caller in an attempt", time.Hour, 2 * time.Second, time.Second, 1, "", time.Second},
		{"caller in the second attempt", time.Hour, 2 * time.Second, 4 * time.Second, 2, "", 4 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin, base := time.Now(), script(causeHang())
				ctx, cancel := context.WithTimeout(t.Context(), tt.caller)
				defer cancel()
				rt := firebreakhttp.Transport(base, firebreak.New("test",
					timeout.New(tt.call), retrying(3, time.Second), timeout.New(tt.attempt)))
				err := mustFail(t, rt, newRequest(t, "GET", nil).WithContext(ctx))
				base.wantTries(t, tt.tries)
				wantElapsed(t, begin, tt.after)
				expired, ours := errors.AsType[*timeout.Error](err)
				if ours != (tt.scope != "") || ours && expired.Scope != tt.scope {
					t.Errorf("error %v, want one of scope %q", err, tt.scope)
				}
			})
		})
	}
}

// A timeout of another call, by which the caller cancels this one, is not one of
// this call: errgroup.WithContext cancels like that. The value of the error is the
// same for all calls of a policy.
func TestA4_52_TimeoutOfAnotherCallIsACancel(t *testing.T) {
	for _, body := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			seen := &witness{}
			stack := firebreak.New("test", retrying(3, 0), seen, timeout.New(time.Second))
			first := mustFail(t, firebreakhttp.Transport(script(hang()), stack), newRequest(t, "POST", nil))
			cause, ok := errors.AsType[*timeout.Error](first)
			if !ok {
				t.Fatalf("the first call failed with %v, want a timeout", first)
			}
			seen.outcomes = nil

			timeouts := 0
			cancelEvents := firebreak.Subscribe(func(e firebreak.Event) {
				if e.Kind == firebreak.EventTimeout {
					timeouts++
				}
			})
			defer cancelEvents()
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Millisecond, func() { cancel(cause) })
			base := script(causeHang())
			if body {
				base = script(stall(200, "x"))
			}
			resp, err := send(t, firebreakhttp.Transport(base, stack), newRequest(t, "GET", nil).WithContext(ctx))
			if body {
				_, err = io.ReadAll(resp.Body)
			}
			if !errors.Is(err, context.Canceled) || !errors.Is(err, cause) {
				t.Errorf("in the body: %v: error %v, want one that is %v and the cause", body, err, context.Canceled)
			}
			base.wantTries(t, 1)
			seen.want(t, firebreak.Ignored)
			synctest.Wait()
			if timeouts != 0 {
				t.Errorf("in the body: %v: %d timeouts were emitted, want none", body, timeouts)
			}
		})
	}
}

// Behaviour 53: "Body read error. R: same mapping inside Read."
func TestA4_53_BodyReadError(t *testing.T) {
	gone := errors.New("the user has gone")
	for _, tt := range []struct {
		name  string
		ctx   func(context.Context) context.Context
		is    []error
		ours  bool
		class firebreak.Class
	}{
		{"timeout", func(ctx context.Context) context.Context { return ctx }, []error{context.DeadlineExceeded}, true, firebreak.Failure},
		{"caller's deadline", func(ctx context.Context) context.Context {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			context.AfterFunc(ctx, cancel)
			return ctx
		}, []error{context.DeadlineExceeded}, false, firebreak.Failure},
		{"caller cancels", func(ctx context.Context) context.Context {
			ctx, cancel := context.WithCancelCause(ctx)
			time.AfterFunc(time.Second, func() { cancel(gone) })
			return ctx
		}, []error{context.Canceled, gone}, false, firebreak.Ignored},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				seen := &witness{}
				rt := firebreakhttp.Transport(script(stall(200, "half")), firebreak.New("test", seen, timeout.New(2*time.Second)))
				resp := mustSend(t, rt, newRequest(t, "GET", nil).WithContext(tt.ctx(t.Context())), 200)
				b, err := io.ReadAll(resp.Body)
				if string(b) != "half" {
					t.Errorf("read %q, want what came before the stall", b)
				}
				for _, want := range tt.is {
					if !errors.Is(err, want) {
						t.Errorf("body ended with %v, want an error that is %v", err, want)
					}
				}
				if _, ours := errors.AsType[*timeout.Error](err); ours != tt.ours {
					t.Errorf("body ended with %v: a timeout.Error: %v, want %v", err, ours, tt.ours)
				}
				if e, ok := err.(interface{ Timeout() bool }); ok != (tt.class == firebreak.Failure) && ok && e.Timeout() {
					t.Errorf("body ended with %v, which says that it is a timeout", err)
				}
				seen.want(t, tt.class)
			})
		})
	}
}

// Behaviour 54: "Cause passes down. R: derive with context.With*; never a
// hand-made merged context."
func TestA4_54_CausePassesDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := errors.New("the user has gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(gone) })
		base := script(hang())
		rt := firebreakhttp.Transport(base, firebreak.New("test",
			timeout.New(time.Hour), retrying(3, 0), breaker.New(breaker.Config{}), bulkhead.New(bulkhead.Config{}), timeout.New(time.Minute)))
		_ = mustFail(t, rt, newRequest(t, "GET", nil).WithContext(ctx))
		if got := context.Cause(base.tries()[0].ctx); !errors.Is(got, gone) {
			t.Errorf("the base saw the cause %v, want %v", got, gone)
		}
	})
}

// Behaviour 55: "Values pass down (traces, httptrace)."
func TestA4_55_ValuesPassDown(t *testing.T) {
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		ctx := context.WithValue(t.Context(), key{}, "value")
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GetConn: func(string) { asked++ }})
		base := script(func(tr *try) (*http.Response, error) {
			httptrace.ContextClientTrace(tr.ctx).GetConn("dependency.test:80")
			return nil, io.ErrUnexpectedEOF
		}, status(200))
		base.steps[1] = func(tr *try) (*http.Response, error) {
			httptrace.ContextClientTrace(tr.ctx).GetConn("dependency.test:80")
			return status(200)(tr)
		}
		rt := firebreakhttp.Transport(base, firebreak.New("test",
			timeout.New(time.Hour), retrying(3, 0), breaker.New(breaker.Config{}), bulkhead.New(bulkhead.Config{}), timeout.New(time.Minute)))
		for _, method := range []string{"GET", "POST"} { // firebreak has a trace of its own on a POST
			resp, err := send(t, rt, newRequest(t, method, nil).WithContext(ctx))
			if err == nil {
				resp.Body.Close()
			}
		}
		if want := 3; asked != want {
			t.Errorf("the caller's httptrace was called %d times, want %d", asked, want)
		}
		for i, tr := range base.tries() {
			if got := tr.ctx.Value(key{}); got != "value" {
				t.Errorf("try %d: value %v, want the caller's", i+1, got)
			}
		}
	})
}

// Behaviour 56: "Cancel in the backoff: at once, errors.Is(Canceled), no further
// try."
func TestA4_56_CancelInBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(5*time.Second, cancel)
		body := newTracked("busy")
		base := script(respond(503, body))
		rt := firebreakhttp.Transport(base, firebreak.New("test", timeout.New(time.Minute), retrying(3, 10*time.Second)))
		err := mustFail(t, rt, newRequest(t, "GET", nil).WithContext(ctx))
		wantElapsed(t, begin, 5*time.Second)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want one that is %v", err, context.Canceled)
		}
		base.wantTries(t, 1)
		body.wantClosed(t, "the body of the 503")
	})
}

// Behaviour 57: "caller cancels with cause X. R: error matches both
// context.Canceled and X."
func TestA4_57_CustomCause(t *testing.T) {
	gone := errors.New("the user has gone")
	for _, tt := range []struct {
		name string
		base step
	}{
		{"in an attempt", hang()},
		{"in an attempt of net/http, which returns the bare cause", causeHang()},
		{"in the backoff", status(503)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Second, func() { cancel(gone) })
				rt := firebreakhttp.Transport(script(tt.base), firebreak.New("test", timeout.New(time.Minute), retrying(3, 10*time.Second)))
				err := mustFail(t, rt, newRequest(t, "GET", nil).WithContext(ctx))
				if !errors.Is(err, context.Canceled) || !errors.Is(err, gone) {
					t.Errorf("error %v, want one that is %v and %v", err, context.Canceled, gone)
				}
			})
		})
	}
}

// Behaviour 58: "Done before start. R: nothing sent, body closed, no slot, no
// permit, no budget taken."
func TestA4_58_DoneBeforeStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := retry.NewBudget(retry.BudgetConfig{})
		b := breaker.New(breaker.Config{ConsecutiveFailures: 1, Probes: 1, OpenFor: time.Second})
		slots := bulkhead.New(bulkhead.Config{MaxCalls: 1})
		base := script(fail(io.ErrUnexpectedEOF), status(200))
		rt := firebreakhttp.Transport(base, firebreak.New("test", retry.New(retry.Config{MaxAttempts: 1, Budget: budget}), b, slots))
		_ = mustFail(t, rt, newRequest(t, "GET", nil)) // opens the breaker
		time.Sleep(time.Minute)                        // the next call is its probe
		before := budget.Available()

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for range 5 {
			body := newTracked("body")
			err := mustFail(t, rt, newRequest(t, "PUT", body).WithContext(ctx))
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("error %v, want one that is %v", err, context.Canceled)
			}
			body.wantClosed(t, "the request body")
			if got := body.reads.Load(); got != 0 {
				t.Errorf("the request body was read %d times, want none", got)
			}
		}
		base.wantTries(t, 1)
		if got := b.State(); got != breaker.Open {
			t.Errorf("breaker is %v, want it untouched: %v", got, breaker.Open)
		}
		if got := budget.Available(); got != before {
			t.Errorf("budget is %v, want %v", got, before)
		}
		slots.Report(func(s firebreak.Status) {
			if s.InFlight != 0 {
				t.Errorf("%d slots are taken, want none", s.InFlight)
			}
		})
		mustSend(t, rt, newRequest(t, "GET", nil), 200).Body.Close()
	})
}

// Behaviour 59: "Wait does not fit. R: return the 503 at once."
func TestA4_59_WaitDoesNotFit(t *testing.T) {
	hour := func() []firebreak.Policy {
		return []firebreak.Policy{timeout.New(time.Hour), retrying(3, 10*time.Second)}
	}
	short := func() []firebreak.Policy {
		return []firebreak.Policy{timeout.New(5 * time.Second), retrying(3, 10*time.Second)}
	}
	merged := func() []firebreak.Policy { return append(short(), timeout.New(time.Second)) }
	for _, tt := range []struct {
		name     string
		caller   time.Duration
		policies func() []firebreak.Policy
	}{
		{"the caller's deadline", 5 * time.Second, hour},
		{"the timeout of the call", time.Hour, short},
		{"to the moment", 10 * time.Second, hour},
		{
			"a timeout that is merged into that of the attempt", time.Hour,
			merged,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), tt.caller)
				defer cancel()
				begin, base := time.Now(), script(respond(503, newTracked("busy"), "X-Reason", "maintenance"))
				rt := firebreakhttp.Transport(base, firebreak.New("test", tt.policies()...))
				resp := mustSend(t, rt, newRequest(t, "GET", nil).WithContext(ctx), 503)
				wantElapsed(t, begin, 0)
				if got := content(t, resp.Body); got != "busy" || resp.Header.Get("X-Reason") != "maintenance" {
					t.Errorf("body %q and header %v, want those of the 503", got, resp.Header)
				}
				base.wantTries(t, 1)
			})
		})
	}
}

// Behaviour 60: "Timeout over retry = total."
func TestA4_60_TimeoutOverRetryIsTotal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin, base := time.Now(), script(fail(io.ErrUnexpectedEOF), hang())
		rt := firebreakhttp.Transport(base, firebreak.New("test", timeout.New(3*time.Second), retrying(5, time.Second)))
		err := mustFail(t, rt, newRequest(t, "GET", nil))
		wantElapsed(t, begin, 3*time.Second) // in the middle of the second attempt
		base.wantTries(t, 2)
		if expired, ok := errors.AsType[*timeout.Error](err); !ok || expired.Scope != "call" || expired.After != 3*time.Second {
			t.Errorf("error %v, want the timeout of the call after 3s", err)
		}
	})
}

// Behaviour 61: "Retry over timeout = per try, timed-out try is retryable if the
// caller's context lives."
func TestA4_61_RetryOverTimeoutIsPerTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin, base := time.Now(), script(hang(), hang(), status(200))
		rt := firebreakhttp.Transport(base, firebreak.New("test", timeout.New(time.Minute), retrying(3, time.Second), timeout.New(2*time.Second)))
		resp := mustSend(t, rt, newRequest(t, "GET", nil), 200)
		wantElapsed(t, begin, 6*time.Second)
		if got := content(t, resp.Body); got != "OK" {
			t.Errorf("body %q, want that of the third attempt", got)
		}
	})
	t.Run("a wait of its own for each attempt", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			begin, base := time.Now(), script(hang())
			stack := firebreak.New("test", timeout.New(time.Minute), retry.New(retry.Config{
				MaxAttempts: 3,
				NewBackOff:  func() backoff.BackOff { return &backoff.ConstantBackOff{Interval: time.Second} },
			}), timeout.New(2*time.Second))
			err := mustFail(t, firebreakhttp.Transport(base, stack), newRequest(t, "GET", nil))
			wantElapsed(t, begin, 8*time.Second)
			if expired, ok := errors.AsType[*timeout.Error](err); !ok || expired.Scope != "attempt" {
				t.Errorf("error %v, want the timeout of an attempt", err)
			}
		})
	})
}
