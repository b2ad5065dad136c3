package firebreak_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/timeout"
)

// Events come to all subscribers alike: these tests are not parallel.

func TestEventKindString(t *testing.T) {
	for kind, want := range map[firebreak.EventKind]string{
		firebreak.EventRetry: "retry", firebreak.EventReject: "reject", firebreak.EventTimeout: "timeout",
		firebreak.EventTransition: "transition", firebreak.EventWait: "wait",
		firebreak.EventShadow: "shadow", 0: "unknown", 7: "unknown",
	} {
		if got := kind.String(); got != want {
			t.Errorf("EventKind(%d).String() = %q, want %q", int(kind), got, want)
		}
	}
}

// emitting returns a Stack that emits what it is told to.
func emitting(events ...firebreak.Event) *firebreak.Stack {
	return firebreak.New("payments", timeout.New(time.Second),
		policyFunc(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
			for _, e := range events {
				c.Emit(ctx, e)
			}
			return next(ctx, c)
		}))
}

func one(context.Context) (int, error) { return 1, nil }

func TestEmitFillsIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []firebreak.Event
		defer firebreak.Subscribe(func(e firebreak.Event) { got = append(got, e) })()
		s := emitting(
			firebreak.Event{Kind: firebreak.EventWait, Policy: "bulkhead", Duration: time.Second},
			firebreak.Event{Kind: firebreak.EventRetry, Policy: "retry", Reason: "failure", Attempt: 3, Err: errFailure},
		)
		_, err := firebreak.Do(t.Context(), s, "lookup", one, func(c *firebreak.Call) { c.Target, c.Attempt = "api.example.com", 2 })
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		base := firebreak.Event{Time: time.Now(), Stack: "payments", Op: "lookup", Target: "api.example.com", Attempt: 2}
		wait, retry := base, base
		wait.Kind, wait.Policy, wait.Duration = firebreak.EventWait, "bulkhead", time.Second
		retry.Kind, retry.Policy, retry.Reason, retry.Attempt, retry.Err = firebreak.EventRetry, "retry", "failure", 3, errFailure
		if !slices.Equal(got, []firebreak.Event{wait, retry}) {
			t.Errorf("events %+v, want %+v and %+v", got, wait, retry)
		}
	})
}

// An Origin outlives its call, and can be used outside of a Stack.
func TestOriginEmits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []firebreak.Event
		defer firebreak.Subscribe(func(e firebreak.Event) { got = append(got, e) })()
		var kept firebreak.Origin
		s := firebreak.New("payments", timeout.New(time.Second),
			policyFunc(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
				kept = c.Origin()
				return next(ctx, c)
			}))
		if _, err := firebreak.Do(t.Context(), s, "lookup", one); err != nil {
			t.Fatal(err)
		}
		kept.Emit(t.Context(), firebreak.Event{Kind: firebreak.EventTransition, From: "open", To: "closed"})
		firebreak.Call{Op: "alone"}.Origin().Emit(t.Context(), firebreak.Event{Kind: firebreak.EventTransition})
		synctest.Wait()
		if len(got) != 2 || got[0].Stack != "payments" || got[0].Op != "lookup" || got[0].To != "closed" || got[1].Stack != "" || got[1].Op != "alone" {
			t.Errorf("events %+v, want one of payments, lookup, and one of no Stack", got)
		}
	})
}

func TestRejectEmits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []firebreak.Event
		defer firebreak.Subscribe(func(e firebreak.Event) { got = append(got, e) })()
		rejecting := policyFunc(func(ctx context.Context, c firebreak.Call, _ firebreak.Handler) (any, error) {
			return nil, c.Reject(ctx, &firebreak.RejectedError{
				Policy: "bulkhead", Reason: "full", Err: errFull, RetryAfter: time.Second, Limit: 4, Usage: 3, Cause: errFailure,
			})
		})
		_, err := firebreak.Do(t.Context(), firebreak.New("payments", rejecting), "lookup", one)
		rejected, ok := errors.AsType[*firebreak.RejectedError](err)
		if !ok || rejected.Stack != "payments" || !errors.Is(err, errFull) {
			t.Errorf("Do = %v, want the rejection with its Stack", err)
		}
		synctest.Wait()
		want := firebreak.Event{
			Kind: firebreak.EventReject, Time: time.Now(), Stack: "payments", Op: "lookup", Policy: "bulkhead", Reason: "full",
			RetryAfter: time.Second, Limit: 4, Usage: 3, Err: errFailure,
		}
		if len(got) != 1 || got[0] != want {
			t.Errorf("events %+v, want %+v", got, want)
		}
	})
}

// A subscriber is 1,024 events behind at the most, and learns what it missed. It
// never holds up a call.
func TestSubscribeIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slow, quick []firebreak.Event
		resume := make(chan struct{})
		defer firebreak.Subscribe(func(e firebreak.Event) {
			if len(slow) == 0 {
				<-resume
			}
			slow = append(slow, e)
		})()
		defer firebreak.Subscribe(func(e firebreak.Event) { quick = append(quick, e) })()
		var c firebreak.Call
		begin := time.Now()
		for i := range 2000 {
			c.Emit(t.Context(), firebreak.Event{Kind: firebreak.EventRetry, Attempt: i + 1})
			if i%100 == 0 {
				synctest.Wait() // the quick one keeps up
			}
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("2,000 events took %v with a subscriber that is stuck, want no time", took)
		}
		synctest.Wait()
		close(resume)
		synctest.Wait()
		// One is in the subscriber's hands, 1,024 wait.
		if len(slow) != 1025 || slow[0].Attempt != 1 || slow[1024].Attempt != 1025 {
			t.Fatalf("the slow subscriber got %d events, the last of attempt %d, want the first 1,025", len(slow), slow[len(slow)-1].Attempt)
		}
		c.Emit(t.Context(), firebreak.Event{Kind: firebreak.EventRetry, Attempt: 2001})
		c.Emit(t.Context(), firebreak.Event{Kind: firebreak.EventRetry, Attempt: 2002})
		synctest.Wait()
		if got := slow[len(slow)-2]; got.Attempt != 2001 || got.Dropped != 975 {
			t.Errorf("the next event is of attempt %d and says that %d are missing, want 2001 and 975", got.Attempt, got.Dropped)
		}
		if got := slow[len(slow)-1]; got.Attempt != 2002 || got.Dropped != 0 {
			t.Errorf("the one after is of attempt %d and says that %d are missing, want 2002 and 0", got.Attempt, got.Dropped)
		}
		if len(quick) != 2002 {
			t.Errorf("the quick subscriber got %d events, want all 2,002", len(quick))
		}
		for i, e := range quick {
			if e.Attempt != i+1 || e.Dropped != 0 {
				t.Fatalf("event %d of the quick subscriber is of attempt %d with %d missing: out of order", i+1, e.Attempt, e.Dropped)
			}
		}
	})
}

func TestSubscribeCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c firebreak.Call
		var first, second int
		cancelFirst := firebreak.Subscribe(func(firebreak.Event) { first++ })
		cancelSecond := firebreak.Subscribe(func(firebreak.Event) { second++ })
		emit := func() {
			c.Emit(t.Context(), firebreak.Event{Kind: firebreak.EventRetry})
			synctest.Wait()
		}
		emit()
		cancelFirst()
		cancelFirst() // more than once does no harm
		emit()
		cancelSecond()
		emit()
		if first != 1 || second != 2 {
			t.Errorf("the subscribers got %d and %d events, want 1 and 2", first, second)
		}
	})
}

// After cancel no call of f begins, although events wait; f may cancel itself, and
// make calls that emit.
func TestSubscribeCancelWithinCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c firebreak.Call
		n := 0
		var cancel func()
		cancel = firebreak.Subscribe(func(firebreak.Event) {
			n++
			cancel()
			c.Emit(t.Context(), firebreak.Event{Kind: firebreak.EventRetry})
		})
		for range 10 {
			c.Emit(t.Context(), firebreak.Event{Kind: firebreak.EventRetry})
		}
		synctest.Wait()
		if n != 1 {
			t.Errorf("the subscriber ran %d times, want once: it cancelled itself", n)
		}
	})
}

func TestSubscribeConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all atomic.Int64
		var dropped atomic.Uint64
		defer firebreak.Subscribe(func(e firebreak.Event) {
			all.Add(1)
			dropped.Add(e.Dropped)
		})()
		var c firebreak.Call
		var users sync.WaitGroup
		for range 16 {
			users.Go(func() {
				for i := range 200 {
					c.Emit(t.Context(), firebreak.Event{Kind: firebreak.EventRetry, Op: fmt.Sprint(i)})
					if i%50 == 0 {
						firebreak.Subscribe(func(firebreak.Event) {})()
					}
				}
			})
		}
		users.Wait()
		synctest.Wait()
		c.Emit(t.Context(), firebreak.Event{Kind: firebreak.EventRetry}) // brings what is missing
		synctest.Wait()
		if got := all.Load() + int64(dropped.Load()); got != 16*200+1 {
			t.Errorf("%d events came and %d were reported missing, want %d together", all.Load(), dropped.Load(), 16*200+1)
		}
	})
}

func TestSubscribeNil(t *testing.T) {
	const want = "firebreak.Subscribe: f is nil, want a function"
	if got := panicText(t, func() { firebreak.Subscribe(nil) }); got != want {
		t.Errorf("Subscribe(nil) panicked with %q, want %q", got, want)
	}
}
