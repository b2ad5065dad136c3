package firebreak_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/timeout"
)

func TestDoReturnsWhatTheFunctionReturns(t *testing.T) {
	s := firebreak.New("test", timeout.New(time.Second))
	for _, want := range []error{nil, io.EOF} {
		got, err := firebreak.Do(t.Context(), s, "lookup", func(context.Context) (string, error) { return "value", want })
		if got != "value" || !errors.Is(err, want) {
			t.Errorf("Do = %q, %v, want %q, %v", got, err, "value", want)
		}
	}
	if got, err := firebreak.Do(t.Context(), s, "lookup", func(context.Context) (error, error) { return nil, nil }); got != nil || err != nil {
		t.Errorf("Do of an interface type = %v, %v, want nil, nil", got, err)
	}
}

// A function of a type such as *Stream returns a nil pointer with its error: that is
// no result.
func TestDoOfNilPending(t *testing.T) {
	s := firebreak.New("test", &slots{free: 1}, timeout.New(time.Second))
	for range 3 {
		b, err := firebreak.Do(t.Context(), s, "open", func(context.Context) (*body, error) { return nil, errFailure })
		if b != nil || !errors.Is(err, errFailure) {
			t.Errorf("Do = %v, %v, want nil, %v", b, err, errFailure)
		}
	}
}

// Behaviour 7: "errors are returned unwrapped".
func TestDoTakesAttemptErrorOff(t *testing.T) {
	s := firebreak.New("test", timeout.New(time.Second))
	cause := &firebreak.RejectedError{Policy: "inner", Reason: "full"}
	_, err := firebreak.Do(t.Context(), s, "lookup", func(context.Context) (int, error) {
		return 0, &firebreak.AttemptError{Err: cause, Class: firebreak.Overload}
	})
	if err != error(cause) { //nolint:errorlint // it must be this one, and not one around it
		t.Errorf("Do = %#v, want %#v", err, cause)
	}
}

func TestDoPassesTheCall(t *testing.T) {
	cancel := make(chan struct{})
	var got firebreak.Call
	look := policyFunc(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
		got = c
		return next(ctx, c)
	})
	s := firebreak.New("test", look)
	fn := func(context.Context) (int, error) { return 1, nil }
	if _, err := firebreak.Do(t.Context(), s, "lookup", fn); err != nil {
		t.Fatal(err)
	}
	if got.Op != "lookup" || got.Target != "" || got.Idempotent || got.Attempt != 0 || got.Stack() != "test" {
		t.Errorf("the policy got %+v of Stack %q, want an operation lookup and no more", got, got.Stack())
	}
	_, err := firebreak.Do(t.Context(), s, "lookup", fn, firebreak.Idempotent, func(c *firebreak.Call) {
		c.Target = "api.example.com"
		c.Cancel = cancel
	})
	if err != nil {
		t.Fatal(err)
	}
	if !got.Idempotent || got.Cancel == nil || firebreak.ByTarget(got) != "api.example.com" {
		t.Errorf("the policy got %+v, want what the options say", got)
	}
	if got := (firebreak.Call{}).Stack(); got != "" {
		t.Errorf("Stack() outside of one = %q, want none", got)
	}
}

func TestDoOfNil(t *testing.T) {
	for name, do := range map[string]func(s *firebreak.Stack){
		"function": func(s *firebreak.Stack) {
			_, _ = firebreak.Do(t.Context(), s, "lookup", func(context.Context) (int, error) { return 1, nil })
		},
		"method": func(s *firebreak.Stack) { _, _ = s.Do(t.Context(), firebreak.Call{}, answer(nil, nil)) },
	} {
		if got := panicText(t, func() { do(nil) }); !strings.Contains(got, "the Stack is nil, want one of firebreak.New") {
			t.Errorf("%s: panicked with %q, want the text to say that the Stack is nil", name, got)
		}
	}
}

func TestDoNilFunction(t *testing.T) {
	const want = "firebreak.Do: fn is nil, want a function"
	got := panicText(t, func() { _, _ = firebreak.Do[int](t.Context(), firebreak.New("payments"), "lookup", nil) })
	if got != want {
		t.Errorf("Do of nil panicked with %q, want %q", got, want)
	}
}

// Behaviour 58: "Done before start. R: nothing sent, …, no slot, no permit, no
// budget taken."
func TestA4_58_DoneBeforeStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		untouched := policyFunc(func(context.Context, firebreak.Call, firebreak.Handler) (any, error) {
			t.Error("a policy ran for a caller who was gone")
			return nil, nil
		})
		s := firebreak.New("test", untouched)
		fn := func(context.Context) (int, error) {
			t.Error("the function ran for a caller who was gone")
			return 0, nil
		}
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := firebreak.Do(canceled, s, "lookup", fn); !errors.Is(err, context.Canceled) {
			t.Errorf("Do = %v, want %v", err, context.Canceled)
		}
		late, cancel := context.WithDeadline(t.Context(), time.Now())
		defer cancel()
		if _, err := firebreak.Do(late, s, "lookup", fn); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Do = %v, want %v", err, context.DeadlineExceeded)
		}
		closed := make(chan struct{})
		close(closed)
		_, err := firebreak.Do(t.Context(), s, "lookup", fn, func(c *firebreak.Call) { c.Cancel = closed })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Do with a closed Cancel = %v, want %v", err, context.Canceled)
		}
	})
}

// The context may also end between the start and the attempt, in a policy.
func TestA4_58_DoneBeforeAttempt(t *testing.T) {
	gone := errors.New("the user left")
	ctx, cancel := context.WithCancelCause(t.Context())
	canceling := policyFunc(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
		cancel(gone)
		return next(ctx, c)
	})
	_, err := firebreak.Do(ctx, firebreak.New("test", canceling), "lookup", func(context.Context) (int, error) {
		t.Error("the function ran for a caller who was gone")
		return 0, nil
	})
	if !errors.Is(err, context.Canceled) || !errors.Is(err, gone) {
		t.Errorf("Do = %v, want both %v and %v", err, context.Canceled, gone)
	}
}

// Behaviour 57: "Caller cancels with cause X. R: error matches both
// context.Canceled and X."
func TestA4_57_CallErrMatchesCause(t *testing.T) {
	gone := errors.New("the user left")
	ctx, cancel := context.WithCancelCause(t.Context())
	var c firebreak.Call
	if err := c.Err(ctx); err != nil {
		t.Errorf("Err while the call may go on = %v, want nil", err)
	}
	cancel(gone)
	if err := c.Err(ctx); !errors.Is(err, context.Canceled) || !errors.Is(err, gone) {
		t.Errorf("Err = %v, want both %v and %v", err, context.Canceled, gone)
	}
	canceled := make(chan struct{})
	close(canceled)
	c.Cancel = canceled
	if err := c.Err(t.Context()); !errors.Is(err, context.Canceled) {
		t.Errorf("Err with a closed Cancel = %v, want %v", err, context.Canceled)
	}
}

func TestCallWait(t *testing.T) {
	gone := errors.New("the user left")
	never := make(chan struct{})
	for _, test := range []struct {
		name  string
		d     time.Duration
		end   func(cancel context.CancelCauseFunc, ready, canceled chan struct{}) // after a second
		took  time.Duration
		ready bool
		errs  []error
	}{
		{name: "the whole time", d: 3 * time.Second, took: 3 * time.Second},
		{name: "no time", d: 0, took: 0},
		{name: "a negative time", d: -time.Second, took: 0},
		{
			name: "until ready", d: 3 * time.Second, took: time.Second, ready: true,
			end: func(_ context.CancelCauseFunc, ready, _ chan struct{}) { close(ready) },
		},
		{
			name: "until the caller leaves", d: time.Hour, took: time.Second, errs: []error{context.Canceled, gone},
			end: func(cancel context.CancelCauseFunc, _, _ chan struct{}) { cancel(gone) },
		},
		{
			// Behaviour 63: "req.Cancel in the backoff. R: select on it."
			name: "until Cancel", d: time.Hour, took: time.Second, errs: []error{context.Canceled},
			end: func(_ context.CancelCauseFunc, _, canceled chan struct{}) { close(canceled) },
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				ready, canceled := make(chan struct{}), make(chan struct{})
				if test.end != nil {
					time.AfterFunc(time.Second, func() { test.end(cancel, ready, canceled) })
				}
				begin := time.Now()
				isReady, err := firebreak.Call{Cancel: canceled}.Wait(ctx, test.d, ready)
				if took := time.Since(begin); took != test.took || isReady != test.ready {
					t.Errorf("Wait(%v) took %v, ready %t, want %v, %t", test.d, took, isReady, test.took, test.ready)
				}
				if len(test.errs) == 0 && err != nil {
					t.Errorf("Wait(%v) = %v, want nil", test.d, err)
				}
				for _, want := range test.errs {
					if !errors.Is(err, want) {
						t.Errorf("Wait(%v) = %v, want %v", test.d, err, want)
					}
				}
			})
		})
	}
	if isReady, err := (firebreak.Call{Cancel: never}).Wait(t.Context(), time.Nanosecond, nil); isReady || err != nil {
		t.Errorf("Wait as a sleep = %t, %v, want false, nil", isReady, err)
	}
}

// A caller who is gone, or a call that is over, does not become ready: what was
// ready would be taken for nobody.
func TestA4_58_CallWaitPrefersTheEnd(t *testing.T) {
	ready := make(chan struct{})
	close(ready)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 {
		if isReady, err := (firebreak.Call{}).Wait(ctx, time.Hour, ready); isReady || !errors.Is(err, context.Canceled) {
			t.Fatalf("Wait of a caller who is gone = %t, %v, want false, %v", isReady, err, context.Canceled)
		}
	}
}

func TestCallDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c firebreak.Call
		if at, ok := c.Deadline(t.Context()); ok {
			t.Errorf("Deadline without one = %v, true, want false", at)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if at, ok := c.Deadline(ctx); !ok || time.Until(at) != time.Second {
			t.Errorf("Deadline = %v, %t, want the caller's", at, ok)
		}
	})
}

// Behaviour 67: "Goroutine-free": what the calls leave behind would fail the bubble.
func TestA4_67_NothingIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := firebreak.New("test", timeout.New(time.Minute), &retrier{attempts: 2, wait: func(ctx context.Context, c firebreak.Call) error {
			_, err := c.Wait(ctx, time.Second, nil)
			return err
		}}, timeout.New(time.Second))
		var n atomic.Int64
		for i := range 200 {
			_ = panicOf(func() {
				b, _ := firebreak.Do(t.Context(), s, "lookup", func(ctx context.Context) (*body, error) {
					n.Add(1)
					switch i % 4 {
					case 0:
						return nil, errFailure
					case 1:
						panic("boom")
					case 2:
						<-ctx.Done()
						return nil, ctx.Err()
					}
					return new(body), nil
				})
				if b != nil {
					b.End(firebreak.Outcome{})
				}
			})
		}
		if got := n.Load(); got != 300 {
			t.Errorf("%d attempts, want 300", got)
		}
	})
}

// Behaviour 218: "nil ... in options ...: constructor error", or where there is no
// constructor, a panic that says what is nil.
func TestA12_218_NilOptions(t *testing.T) {
	s := firebreak.New("test", timeout.New(time.Second))
	one := func(context.Context) (int, error) { return 1, nil }
	for _, test := range []struct {
		want string
		f    func()
	}{
		{"firebreak.Do: option 2 is nil, want a function such as Idempotent", func() {
			_, _ = firebreak.Do(t.Context(), s, "one", one, firebreak.Idempotent, nil)
		}},
		{"firebreak.Keyed: option 1 is nil, want a KeyedOption", func() {
			firebreak.Keyed(firebreak.ByTarget, func(string) firebreak.Policy { return timeout.New(time.Second) }, nil)
		}},
	} {
		if got := panicText(t, test.f); got != test.want {
			t.Errorf("got panic %q, want %q", got, test.want)
		}
	}
}
