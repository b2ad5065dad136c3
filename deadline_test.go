package firebreak_test

import (
	"context"
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/timeout"
)

// Behaviour 51: "errors.Is(DeadlineExceeded); Timeout()==true on the outermost error
// because url.Error.Timeout uses a type assertion".
func TestA4_51_TimeoutError(t *testing.T) {
	err := &firebreak.TimeoutError{After: 2 * time.Second, Scope: "attempt"}
	if got, want := err.Error(), "timeout: attempt took over 2s"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		t.Error("want a match of context.DeadlineExceeded, and none of context.Canceled")
	}
	if wrapped := (&url.Error{Op: "Get", Err: err}); !wrapped.Timeout() || !wrapped.Temporary() {
		t.Error("url.Error.Timeout and Temporary around it: want true")
	}
	if netErr, ok := errors.AsType[net.Error](err); !ok || !netErr.Timeout() {
		t.Error("want a net.Error whose Timeout is true")
	}
}

// lookup runs a call of s that ends with its context, and returns what the
// function saw and how the call ended.
type seen struct {
	deadline time.Duration // from the start of the attempt; 0 without one
	cause    error         // of the context at its end
	err      error         // of the call
	took     time.Duration
}

func untilDone(ctx context.Context, s *firebreak.Stack, options ...func(*firebreak.Call)) seen {
	var got seen
	begin := time.Now()
	_, got.err = firebreak.Do(ctx, s, "lookup", func(ctx context.Context) (int, error) {
		if at, ok := ctx.Deadline(); ok {
			got.deadline = time.Until(at)
		}
		<-ctx.Done()
		got.cause = context.Cause(ctx)
		return 0, ctx.Err()
	}, options...)
	got.took = time.Since(begin)
	return got
}

// Behaviour 49: "ctx.Deadline() set by a Timeout, so the layer below can propagate";
// 54: "Cause passes down"; 52: "own type/cause tells policy timeout from the
// caller's deadline".
func TestA4_49_52_54_DeadlineIsVisibleWithItsCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := untilDone(t.Context(), firebreak.New("test", timeout.New(2*time.Second)))
		expired, ok := errors.AsType[*firebreak.TimeoutError](got.err)
		if !ok || expired.After != 2*time.Second || expired.Scope != "call" || got.took != 2*time.Second {
			t.Errorf("the call ended with %v after %v, want a TimeoutError of the call after 2s", got.err, got.took)
		}
		if got.deadline != 2*time.Second || !errors.Is(got.cause, got.err) {
			t.Errorf("the function saw a deadline in %v with the cause %v, want 2s, %v", got.deadline, got.cause, got.err)
		}
	})
}

// Behaviour 50: "Earlier deadline wins; a Timeout never extends the caller's. T:
// caller 1 s, policy 1 h", and 52.
func TestA4_50_52_CallersDeadlineStays(t *testing.T) {
	for _, policies := range [][]firebreak.Policy{
		nil, // the default
		{timeout.New(time.Hour)},
		{timeout.New(time.Second)}, // equal: it is the caller's
		{timeout.New(time.Hour), timeout.New(time.Minute)},
		{timeout.Unbounded("test")},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			s := firebreak.New("test", policies...)
			got := untilDone(ctx, s)
			if got.deadline != time.Second || got.took != time.Second {
				t.Errorf("%v: a deadline in %v was seen and the call took %v, want 1s", s, got.deadline, got.took)
			}
			if _, ok := errors.AsType[*firebreak.TimeoutError](got.err); ok || !errors.Is(got.err, context.DeadlineExceeded) {
				t.Errorf("%v: the call ended with %#v, want the caller's own deadline", s, got.err)
			}
		})
	}
}

// A call without a timeout has the default one; only Unbounded takes it away.
func TestDefaultTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, s := range []*firebreak.Stack{
			firebreak.New("test"),
			firebreak.New("test", describedAs(firebreak.KindBreaker, "breaker")),
			firebreak.New("test", firebreak.New("inner"), firebreak.New("inner", describedAs(firebreak.KindOther, "other"))),
		} {
			got := untilDone(t.Context(), s)
			if expired, ok := errors.AsType[*firebreak.TimeoutError](got.err); !ok || expired.After != 30*time.Second || got.took != 30*time.Second {
				t.Errorf("%v: the call ended with %v after %v, want a TimeoutError after 30s", s, got.err, got.took)
			}
		}
		for _, s := range []*firebreak.Stack{
			firebreak.New("test", timeout.Unbounded("test")),
			firebreak.New("test", firebreak.New("inner", timeout.Unbounded("test"))),
		} {
			if at, ok := deadlineIn(t, s); ok {
				t.Errorf("%v: the function saw the deadline %v, want none", s, at)
			}
		}
		if _, ok := deadlineIn(t, firebreak.New("test", firebreak.New("inner", timeout.New(time.Minute)))); !ok {
			t.Error("the function saw no deadline, want that of the inner Stack")
		}
	})
}

func deadlineIn(t *testing.T, s *firebreak.Stack) (at time.Time, ok bool) {
	t.Helper()
	_, err := firebreak.Do(t.Context(), s, "lookup", func(ctx context.Context) (int, error) {
		at, ok = ctx.Deadline()
		return 0, nil
	})
	if err != nil {
		t.Errorf("%v: %v", s, err)
	}
	return at, ok
}

// Behaviour 31: "base ignores its context and answers after the timeout. R: close
// it." A plain value that comes late is returned all the same.
func TestA4_31_LateResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := firebreak.New("test", timeout.New(time.Second))
		late := new(body)
		got, err := firebreak.Do(t.Context(), s, "lookup", func(context.Context) (*body, error) {
			time.Sleep(2 * time.Second)
			return late, nil
		})
		if _, ok := errors.AsType[*firebreak.TimeoutError](err); got != nil || !ok || !late.discarded {
			t.Errorf("Do = %v, %v, discarded %t, want no result, a TimeoutError and true", got, err, late.discarded)
		}
		late = new(body)
		_, err = firebreak.Do(t.Context(), s, "lookup", func(context.Context) (*body, error) {
			time.Sleep(2 * time.Second)
			return late, errFailure
		})
		if _, ok := errors.AsType[*firebreak.TimeoutError](err); !ok || !late.discarded {
			t.Errorf("Do = %v, discarded %t, want a TimeoutError and true", err, late.discarded)
		}
		value, err := firebreak.Do(t.Context(), s, "lookup", func(context.Context) (string, error) {
			time.Sleep(2 * time.Second)
			return "value", nil
		})
		if value != "value" || err != nil {
			t.Errorf("Do = %q, %v, want the value that came late", value, err)
		}
		_, err = firebreak.Do(t.Context(), s, "lookup", func(context.Context) (string, error) {
			time.Sleep(2 * time.Second)
			return "", errFailure
		})
		if !errors.Is(err, errFailure) {
			t.Errorf("Do = %v, want the answer that came late, %v", err, errFailure)
		}
	})
}

// Behaviours 42 and 43: "headers fast, body stalls. R: timeout cuts the read" and
// "body readable after RoundTrip returned"; 44: "the try's context is Done after
// Close"; 53: "Body read error. R: same mapping inside Read."
func TestA3_42_43_44_TimeoutCoversTheResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []firebreak.Event
		cancel := firebreak.Subscribe(func(e firebreak.Event) { events = append(events, e) })
		defer cancel()
		s := firebreak.New("test", timeout.New(time.Second))
		var inner context.Context
		open := func(ctx context.Context) (*body, error) {
			inner = ctx
			return new(body), nil
		}
		b, err := firebreak.Do(t.Context(), s, "lookup", open)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second - 1)
		synctest.Wait()
		if inner.Err() != nil {
			t.Errorf("the context ended before the timeout: %v", inner.Err())
		}
		time.Sleep(1)
		synctest.Wait()
		if expired, ok := errors.AsType[*firebreak.TimeoutError](context.Cause(inner)); !ok || expired.After != time.Second {
			t.Errorf("the cause at the timeout is %v, want a TimeoutError", context.Cause(inner))
		}
		b.End(firebreak.Outcome{Class: firebreak.Failure, Err: context.Cause(inner)})
		synctest.Wait()
		if len(events) != 1 || events[0].Kind != firebreak.EventTimeout || events[0].Reason != "call" || events[0].Op != "lookup" {
			t.Errorf("events %+v, want the timeout of the call", events)
		}

		if b, err = firebreak.Do(t.Context(), s, "lookup", open); err != nil {
			t.Fatal(err)
		}
		b.End(firebreak.Outcome{})
		if inner.Err() == nil {
			t.Error("the context is alive after the result ended: its timer leaks")
		}
	})
}

// Behaviour 66: "timer fires while the base returns. R: one winner …; the loser's
// resources closed. T: -race loop with equal times."
func TestA4_66_TimeoutRacesTheResult(t *testing.T) {
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			s := firebreak.New("test", timeout.New(time.Second))
			b := new(body)
			got, err := firebreak.Do(t.Context(), s, "lookup", func(context.Context) (*body, error) {
				time.Sleep(time.Second)
				return b, nil
			})
			_, expired := errors.AsType[*firebreak.TimeoutError](err)
			switch {
			case got == b && err == nil && !b.discarded:
				b.End(firebreak.Outcome{})
			case got == nil && expired && b.discarded:
			default:
				t.Errorf("Do = %v, %v, discarded %t, want the result, or a TimeoutError and the result discarded", got, err, b.discarded)
			}
		})
	}
}

// Behaviour 60: "Timeout over retry = total", and 61: "Retry over timeout = per
// try, timed-out try is retryable if the caller's context lives".
func TestA4_60_61_TotalAndAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var deadlines []time.Duration
		var scopes []string
		again := &retrier{attempts: 3, wait: func(context.Context, firebreak.Call) error { return nil }}
		noted := looking{kind: firebreak.KindBreaker}
		noted.policyFunc = func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
			result, err := next(ctx, c)
			if expired, ok := errors.AsType[*firebreak.TimeoutError](err); ok {
				scopes = append(scopes, expired.Scope+" "+expired.After.String())
			}
			return result, err
		}
		s := firebreak.New("test", timeout.New(5*time.Second), again, noted, timeout.New(2*time.Second))
		begin := time.Now()
		_, err := firebreak.Do(t.Context(), s, "lookup", func(ctx context.Context) (int, error) {
			at, _ := ctx.Deadline()
			deadlines = append(deadlines, time.Until(at))
			<-ctx.Done()
			return 0, ctx.Err()
		})
		if took := time.Since(begin); took != 5*time.Second {
			t.Errorf("the call took %v, want 5s", took)
		}
		if expired, ok := errors.AsType[*firebreak.TimeoutError](err); !ok || expired.Scope != "call" || expired.After != 5*time.Second {
			t.Errorf("the call ended with %v, want a TimeoutError of the call", err)
		}
		if want := []time.Duration{2 * time.Second, 2 * time.Second, time.Second}; !slices.Equal(deadlines, want) {
			t.Errorf("the attempts saw deadlines in %v, want %v", deadlines, want)
		}
		if want := []string{"attempt 2s", "attempt 2s", "call 5s"}; !slices.Equal(scopes, want) {
			t.Errorf("the attempts ended with %v, want %v", scopes, want)
		}
	})
}

// between returns a Stack of two timeouts, an hour and a minute, with p between.
func between(p firebreak.Policy) *firebreak.Stack {
	return firebreak.New("test", timeout.New(time.Hour), p, timeout.New(time.Minute))
}

// Two timeouts of a Stack share one context, unless a policy stands between them
// that may not look at Call.Deadline.
func TestTimeoutsMergeOnlyPastPoliciesThatHeedThem(t *testing.T) {
	for _, test := range []struct {
		name    string
		p       func(look policyFunc) firebreak.Policy
		visible bool // whether the context of the policy carries the outer deadline
	}{
		{"a policy that says nothing of itself", func(look policyFunc) firebreak.Policy { return look }, true},
		{"KindOther", func(look policyFunc) firebreak.Policy { return looking{look, firebreak.KindOther} }, true},
		{"KindRetry", func(look policyFunc) firebreak.Policy { return looking{look, firebreak.KindRetry} }, false},
		{"KindBulkhead", func(look policyFunc) firebreak.Policy { return looking{look, firebreak.KindBulkhead} }, false},
		{"Stack of KindRetry", func(look policyFunc) firebreak.Policy {
			return firebreak.New("inner", looking{look, firebreak.KindRetry})
		}, false},
		{"Stack of KindOther", func(look policyFunc) firebreak.Policy {
			return firebreak.New("inner", describedAs(firebreak.KindRetry, "retry"), look)
		}, true},
		{"Keyed", func(look policyFunc) firebreak.Policy {
			return firebreak.Keyed(firebreak.ByTarget, func(string) firebreak.Policy { return looking{look, firebreak.KindBreaker} })
		}, false},
		{"Keyed of KindOther", func(look policyFunc) firebreak.Policy {
			return firebreak.Keyed(firebreak.ByTarget, func(string) firebreak.Policy { return look })
		}, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			var ran bool
			s := between(test.p(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
				ran = true
				if _, ok := ctx.Deadline(); ok != test.visible {
					t.Errorf("%s: the context carries a deadline: %t, want %t", test.name, ok, test.visible)
				}
				if at, ok := c.Deadline(ctx); !ok || time.Until(at) != time.Hour {
					t.Errorf("%s: Call.Deadline is in %v, %t, want 1h, true", test.name, time.Until(at), ok)
				}
				time.Sleep(59*time.Minute + 30*time.Second)
				return next(ctx, c)
			}))
			got := untilDone(t.Context(), s)
			if expired, ok := errors.AsType[*firebreak.TimeoutError](got.err); !ok || expired.After != time.Hour || got.deadline != 30*time.Second {
				t.Errorf("%s: the attempt saw a deadline in %v and ended with %v, want 30s and the timeout of 1h", test.name, got.deadline, got.err)
			}
			if !ran {
				t.Errorf("%s: the policy did not run", test.name)
			}
		})
	}
}

// looking is a function with a kind.
type looking struct {
	policyFunc
	kind firebreak.Kind
}

func (l looking) Describe() firebreak.Description {
	return firebreak.Description{Kind: l.kind, Text: "looking"}
}

// A total timeout that was left to the attempts also ends the waits between them.
func TestTotalTimeoutEndsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []firebreak.Event
		cancel := firebreak.Subscribe(func(e firebreak.Event) { events = append(events, e) })
		defer cancel()
		again := &retrier{attempts: 2, wait: func(ctx context.Context, c firebreak.Call) error {
			if err := c.Err(ctx); err != nil {
				t.Errorf("Err before the timeout = %v, want nil", err)
			}
			_, err := c.Wait(ctx, time.Hour, nil)
			if again := c.Err(ctx); !errors.Is(err, again) {
				t.Errorf("Err after the timeout = %v, want what Wait returned, %v", again, err)
			}
			return err
		}}
		begin := time.Now()
		s := firebreak.New("test", timeout.New(10*time.Second), again, timeout.New(2*time.Second))
		_, err := firebreak.Do(t.Context(), s, "lookup", func(context.Context) (int, error) { return 0, errFailure })
		if took := time.Since(begin); took != 10*time.Second {
			t.Errorf("the call took %v, want 10s", took)
		}
		if expired, ok := errors.AsType[*firebreak.TimeoutError](err); !ok || expired.Scope != "call" {
			t.Errorf("the call ended with %v, want a TimeoutError of the call", err)
		}
		synctest.Wait()
		if len(events) != 1 || events[0].Kind != firebreak.EventTimeout || events[0].Reason != "call" || events[0].Duration != 10*time.Second {
			t.Errorf("events %+v, want one timeout of the call", events)
		}
	})
}

// A timeout counts on one further in, which only some keys have: the deadline must
// not get lost with the others.
func TestDeadlineIsNotLostWithoutInnerTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		byKey := firebreak.Keyed(firebreak.ByTarget, func(key string) firebreak.Policy {
			switch key {
			case "unbounded":
				return timeout.Unbounded("test")
			case "other":
				return describedAs(firebreak.KindOther, "other")
			}
			return timeout.New(time.Second)
		})
		s := firebreak.New("test", timeout.New(10*time.Second), byKey)
		for target, want := range map[string]time.Duration{"bounded": time.Second, "unbounded": 10 * time.Second, "other": 10 * time.Second} {
			got := untilDone(t.Context(), s, func(c *firebreak.Call) { c.Target = target })
			if expired, ok := errors.AsType[*firebreak.TimeoutError](got.err); !ok || expired.After != want || got.took != want {
				t.Errorf("%s: the call ended with %v after %v, want a TimeoutError after %v", target, got.err, got.took, want)
			}
		}
	})
}

// Behaviour 62: "failsafe: wrong in 5 of 8 single runs. T: 40 runs in synctest":
// a code path that returns its own timeout, and not ctx.Err(), is the same timeout.
func TestA4_62_TimeoutThatTheFunctionWords(t *testing.T) {
	for _, own := range []error{context.Canceled, &net.DNSError{IsTimeout: true}, &url.Error{Err: context.DeadlineExceeded}} {
		synctest.Test(t, func(t *testing.T) {
			_, err := firebreak.Do(t.Context(), firebreak.New("test", timeout.New(time.Second)), "lookup", func(ctx context.Context) (int, error) {
				<-ctx.Done()
				return 0, own
			})
			if expired, ok := err.(*firebreak.TimeoutError); !ok || expired.After != time.Second { //nolint:errorlint // it must be the outermost
				t.Errorf("the function returned %v at its deadline, the call %v, want a TimeoutError", own, err)
			}
		})
	}
}

func TestTimeoutOfPanicIsReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var inner context.Context
		s := firebreak.New("test", timeout.New(time.Hour))
		v := panicOf(func() {
			_, _ = firebreak.Do(t.Context(), s, "lookup", func(ctx context.Context) (int, error) {
				inner = ctx
				panic("boom")
			})
		})
		if v != "boom" || inner.Err() == nil {
			t.Errorf("panicked with %v, context ended: %v, want boom and an end", v, inner.Err())
		}
	})
}

// The deadline of an attempt holds for each use of it, at once.
func TestTimeoutConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := firebreak.New("test", timeout.New(10*time.Second), timeout.New(time.Second))
		var ended atomic.Int64
		done := make(chan struct{})
		for range 64 {
			go func() {
				defer func() { done <- struct{}{} }()
				got := untilDone(t.Context(), s)
				if strings.HasPrefix(got.err.Error(), "timeout: call took over 1s") && got.took == time.Second {
					ended.Add(1)
				}
			}()
		}
		for range 64 {
			<-done
		}
		if ended.Load() != 64 {
			t.Errorf("%d calls ended at the timeout, want 64", ended.Load())
		}
	})
}
