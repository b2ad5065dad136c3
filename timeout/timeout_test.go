package timeout_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/policytest"
	"github.com/firebreak-go/firebreak/timeout"
)

func TestContract(t *testing.T) {
	for name, newPolicy := range map[string]func() firebreak.Policy{
		"New":       func() firebreak.Policy { return timeout.New(time.Second) },
		"Unbounded": func() firebreak.Policy { return timeout.Unbounded("test") },
	} {
		t.Run(name, func(t *testing.T) { policytest.Run(t, newPolicy) })
	}
}

// Behaviour 218: "negative durations …: constructor error, not panic at the first
// call".
func TestA12_218_PanicsAtTheStart(t *testing.T) {
	const notPositive = "timeout.New: timeout is %v, want more than 0; timeout.Unbounded says that there is none"
	for want, f := range map[string]func(){
		fmt.Sprintf(notPositive, "0s"):                                           func() { timeout.New(0) },
		fmt.Sprintf(notPositive, "-1s"):                                          func() { timeout.New(-time.Second) },
		"timeout.Unbounded: reason is empty, want why the call needs no timeout": func() { timeout.Unbounded("") },
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); got != want {
					t.Errorf("panicked with %q, want %q", got, want)
				}
			}()
			f()
		}()
	}
}

func TestDescribe(t *testing.T) {
	for _, test := range []struct {
		policy *timeout.Timeout
		want   firebreak.Description
	}{
		{timeout.New(1500 * time.Millisecond), firebreak.Description{Kind: firebreak.KindTimeout, Text: "timeout 1.5s", Timeout: 1500 * time.Millisecond}},
		{timeout.Unbounded("a feed"), firebreak.Description{Kind: firebreak.KindTimeout, Text: "no timeout (a feed)", Reason: "a feed"}},
	} {
		got := test.policy.Describe()
		if got.Kind != test.want.Kind || got.Text != test.want.Text || got.Timeout != test.want.Timeout || got.Reason != test.want.Reason {
			t.Errorf("Describe() = %+v, want %+v", got, test.want)
		}
	}
}

// hang is a Handler that ends with its context.
func hang(ctx context.Context, _ firebreak.Call) (any, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// The scope follows from the place: inside of a retry it is an attempt. Bare, in a
// Stack or alone, is the same. Behaviour 51 through a url.Error.
func TestA4_51_Scope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second := timeout.New(time.Second)
		for _, p := range []firebreak.Policy{second, firebreak.New("test", second), firebreak.New("outer", firebreak.New("inner", second))} {
			for attempt, want := range map[int]timeout.Error{
				0: {After: time.Second, Scope: "call"},
				1: {After: time.Second, Scope: "attempt"},
				2: {After: time.Second, Scope: "attempt"},
			} {
				begin := time.Now()
				_, err := p.Do(t.Context(), firebreak.Call{Attempt: attempt}, hang)
				if expired, ok := errors.AsType[*timeout.Error](err); !ok || *expired != want || time.Since(begin) != time.Second {
					t.Errorf("attempt %d ended with %v after %v, want %v after 1s", attempt, err, time.Since(begin), &want)
				}
				if !(&url.Error{Err: err}).Timeout() || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%v is no timeout to net/http", err)
				}
			}
		}
	})
}

// Behaviour 54: "Cause passes down": of the caller's end, through the deadline.
func TestA4_54_57_CallersCausePasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := errors.New("the user left")
		for _, p := range []firebreak.Policy{timeout.New(time.Hour), timeout.Unbounded("test")} {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second, func() { cancel(gone) })
			_, err := p.Do(ctx, firebreak.Call{}, func(ctx context.Context, c firebreak.Call) (any, error) {
				<-ctx.Done()
				if cause := context.Cause(ctx); !errors.Is(cause, gone) {
					t.Errorf("the cause in next is %v, want %v", cause, gone)
				}
				return nil, c.Err(ctx)
			})
			if !errors.Is(err, gone) || !errors.Is(err, context.Canceled) {
				t.Errorf("the call ended with %v, want both %v and %v", err, gone, context.Canceled)
			}
		}
	})
}

// One event for each timeout, none for what ends in time or with the caller.
func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		defer firebreak.Subscribe(func(e firebreak.Event) {
			got = append(got, fmt.Sprintf("%s %s %s %v after %v", e.Stack, e.Policy, e.Kind, e.Reason, e.Duration))
		})()
		s := firebreak.New("test", timeout.New(10*time.Second), timeout.New(time.Second))
		_, _ = s.Do(t.Context(), firebreak.Call{}, hang)
		_, _ = s.Do(t.Context(), firebreak.Call{}, func(context.Context, firebreak.Call) (any, error) { return nil, nil })
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, _ = s.Do(ctx, firebreak.Call{}, hang)
		synctest.Wait()
		if want := []string{"test timeout timeout call after 1s"}; !slices.Equal(got, want) {
			t.Errorf("events %q, want %q", got, want)
		}
	})
}
