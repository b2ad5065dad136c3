package firebreak_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/retry"
	"github.com/firebreak-go/firebreak/timeout"
)

// stream is a result that lives until End, or its context ends.
type stream struct {
	firebreak.Lifetime
	ctx  context.Context
	stop func() bool
}

func (s *stream) Discard() { s.end(context.Canceled) }

func (s *stream) end(err error) {
	s.stop()
	s.End(firebreak.Outcome{Class: firebreak.Classify(err), Err: err})
}

// opening returns a Handler that returns a stream after each of the given times, one
// per attempt, or what its context ends with.
func opening(after ...time.Duration) firebreak.Handler {
	return func(ctx context.Context, c firebreak.Call) (any, error) {
		timer := time.NewTimer(after[max(c.Attempt-1, 0)])
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return nil, c.Err(ctx)
		case <-timer.C:
		}
		s := &stream{ctx: ctx}
		s.stop = context.AfterFunc(ctx, func() { s.end(c.Err(ctx)) })
		return s, nil
	}
}

func callStack() *firebreak.Stack {
	return firebreak.New("feed",
		timeout.New(time.Minute),
		retry.New(retry.Config{BaseDelay: 1, ThrottledBaseDelay: 1}),
		describedAs(firebreak.KindBreaker, "breaker"),
		timeout.New(2*time.Second),
	)
}

// streaming is a call whose result is a stream.
var streaming = firebreak.Call{Op: "Watch", Idempotent: true, Streams: true}

// Rule 189: "Per-try timeout on streams means time to first message; a total timeout is
// the stream's life."
func TestA10_189_TimeoutsOfAStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		result, err := callStack().Do(t.Context(), streaming, opening(time.Second))
		if err != nil {
			t.Fatal(err)
		}
		s := result.(*stream)
		if at, ok := s.ctx.Deadline(); !ok || at.Sub(begin) != time.Minute {
			t.Errorf("the deadline of the stream is %v after the call began, want 1m", at.Sub(begin))
		}
		var ended firebreak.Outcome
		s.OnDone(func(o firebreak.Outcome) { ended = o })
		time.Sleep(30 * time.Second)
		if s.Ended() {
			t.Errorf("the stream ended after 31s with %v", ended.Err)
		}
		time.Sleep(29 * time.Second)
		synctest.Wait()
		expired, ok := errors.AsType[*firebreak.TimeoutError](ended.Err)
		if !ok || expired.Scope != "call" || expired.After != time.Minute {
			t.Errorf("the stream ended with %v, want the timeout of the call", ended.Err)
		}
	})
}

// An attempt that does not begin in time is made again, and its error says what it was.
func TestA10_189_AttemptThatDoesNotBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		result, err := callStack().Do(t.Context(), streaming, opening(time.Hour, time.Second))
		if err != nil {
			t.Fatalf("the second attempt: %v", err)
		}
		s := result.(*stream)
		time.Sleep(3 * time.Second)
		if s.Ended() {
			t.Error("the stream ended with the time of its attempt")
		}
		s.Discard()
		begin := time.Now()
		result, err = callStack().Do(t.Context(), streaming, opening(time.Hour, time.Hour, time.Hour))
		expired, ok := errors.AsType[*firebreak.TimeoutError](err)
		if result != nil || !ok || expired.Scope != "attempt" || expired.After != 2*time.Second || errors.Is(err, context.Canceled) {
			t.Errorf("got %v and %v, want the timeout of an attempt", result, err)
		}
		if took := time.Since(begin); took != 6*time.Second && took.Round(time.Millisecond) != 6*time.Second {
			t.Errorf("three attempts took %v, want 6s", took)
		}
	})
}

// A caller who gives up while an attempt is to begin is no timeout, nor is the end of
// what the Handler was ready with too late.
func TestA10_189_EndsBesideTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(&firebreak.TimeoutError{After: time.Second, Scope: "attempt"}) })
		_, err := callStack().Do(ctx, streaming, opening(time.Hour))
		if !errors.Is(err, context.Canceled) {
			t.Errorf("a caller who gave up: %v, want context.Canceled", err)
		}
		var late *stream
		_, err = callStack().Do(t.Context(), streaming, func(ctx context.Context, c firebreak.Call) (any, error) {
			<-ctx.Done()
			late = &stream{ctx: ctx, stop: func() bool { return true }}
			if c.Attempt < 3 {
				return nil, errFailure // not what the end of its time did
			}
			return late, nil
		})
		if expired, ok := errors.AsType[*firebreak.TimeoutError](err); !ok || expired.Scope != "attempt" || !late.Ended() {
			t.Errorf("a stream that was late: %v (ended %t), want the timeout of an attempt", err, late.Ended())
		}
	})
}

// A panic releases the timer, and a stream that nobody bounds has the default timeout.
func TestA10_189_NothingIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		func() {
			defer func() { _ = recover() }()
			_, _ = callStack().Do(t.Context(), streaming, func(context.Context, firebreak.Call) (any, error) { panic("test") })
		}()
		keyed := firebreak.Keyed(firebreak.ByTarget, func(key string) firebreak.Policy {
			if key == firebreak.OverflowKey {
				return timeout.New(time.Second)
			}
			return firebreak.New("inner", describedAs(firebreak.KindOther, "other"))
		})
		result, err := firebreak.New("feed", keyed).Do(t.Context(), streaming, opening(time.Second))
		if err != nil {
			t.Fatal(err)
		}
		if at, ok := result.(*stream).ctx.Deadline(); !ok || time.Until(at) != 29*time.Second {
			t.Errorf("the deadline is in %v, want 29s", time.Until(at))
		}
		result.(*stream).Discard()
	})
}

// Rule 160: "effective deadline is mine": Expires tells whose it is.
func TestA9_160_Expires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shorter := policyFunc(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			return next(ctx, c)
		})
		for _, test := range []struct {
			name     string
			patience time.Duration // of the caller; 0 without end
			policies []firebreak.Policy
			want     time.Duration // of the timeout; 0 if it is not the Stack's
		}{
			{"attempt", 0, []firebreak.Policy{timeout.New(time.Minute), retry.New(retry.Config{}), timeout.New(2 * time.Second)}, 2 * time.Second},
			{"call", 0, []firebreak.Policy{timeout.New(time.Minute)}, time.Minute},
			{"default", 0, nil, firebreak.DefaultTimeout},
			{"the caller's", time.Second, []firebreak.Policy{timeout.New(time.Minute)}, 0},
			{"a policy's of the user", 0, []firebreak.Policy{timeout.New(time.Minute), shorter}, 0},
			{"the call's behind a policy of the user", 0, []firebreak.Policy{shorter, timeout.New(100 * time.Millisecond)}, 100 * time.Millisecond},
			{"none", 0, []firebreak.Policy{timeout.Unbounded("test")}, 0},
		} {
			ctx := t.Context()
			if test.patience > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, test.patience)
				defer cancel()
			}
			var got time.Duration
			_, err := firebreak.New("test", test.policies...).Do(ctx, firebreak.Call{}, func(ctx context.Context, c firebreak.Call) (any, error) {
				if expired := c.Expires(ctx); expired != nil {
					got = expired.After
				}
				return nil, nil
			})
			if err != nil || got != test.want {
				t.Errorf("%s: Expires is after %v (%v), want %v", test.name, got, err, test.want)
			}
		}
	})
}
