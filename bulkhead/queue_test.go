package bulkhead_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/retry"
	"github.com/firebreak-go/firebreak/timeout"
)

// Behaviour 224: "FIFO waiters."
func TestA12_224_QueueIsFirstInFirstOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bulkhead.New(bulkhead.Config{MaxCalls: 1, MaxQueue: 10, MaxWait: time.Minute})
		release := occupy(t, b, 1)
		var order []int
		for i := range 10 {
			go func() {
				_, _ = b.Do(t.Context(), firebreak.Call{}, func(context.Context, firebreak.Call) (any, error) {
					order = append(order, i) // one at a time
					time.Sleep(time.Second)
					return nil, nil
				})
			}()
			synctest.Wait()
		}
		wantStatus(t, b, 1, 10)
		release()
		// A call that comes later does not get ahead of those who wait.
		_, err := b.Do(t.Context(), firebreak.Call{}, func(context.Context, firebreak.Call) (any, error) {
			order = append(order, 10)
			return nil, nil
		})
		if want := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}; !slices.Equal(order, want) || err != nil {
			t.Errorf("slots were granted in the order %v, the last call returned %v, want %v and nil", order, err, want)
		}
		wantStatus(t, b, 0, 0)
	})
}

// Behaviour 224: "no lost wake-up when the head cancels".
func TestA12_224_CancelledHeadLeavesTheSlotToTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bulkhead.New(bulkhead.Config{MaxCalls: 1, MaxQueue: 3, MaxWait: time.Minute})
		release := occupy(t, b, 1)
		ctx, cancel := context.WithCancel(t.Context())
		var errs [3]error
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() {
				callers := t.Context()
				if i == 0 {
					callers = ctx
				}
				_, errs[i] = b.Do(callers, firebreak.Call{}, sleeping(time.Second))
			})
			synctest.Wait()
		}
		begin := time.Now()
		cancel() // and the slot comes free before the head has left
		release()
		wg.Wait()
		// The head may win its slot at the moment at which it leaves: then it must not
		// use it.
		if !errors.Is(errs[0], context.Canceled) || errs[1] != nil || errs[2] != nil {
			t.Errorf("the calls returned %v, want canceled and two successes", errs)
		}
		wantTook(t, begin, 2*time.Second)
		wantStatus(t, b, 0, 0)
	})
}

// endedContext has ended when gone is set, but wakes nobody: so does each context for
// as long as it takes to tell those who wait.
type endedContext struct {
	context.Context
	gone atomic.Bool
}

func (c *endedContext) Err() error {
	if c.gone.Load() {
		return context.Canceled
	}
	return nil
}

// Behaviour 41: "S: slot granted and context cancelled together. R: give the slot back
// or use it, never both or neither."
func TestA3_41_GrantToACallThatHasEndedIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bulkhead.New(bulkhead.Config{MaxCalls: 1, MaxQueue: 2, MaxWait: time.Minute})
		done, err := b.Allow(t.Context(), firebreak.Call{})
		if err != nil {
			t.Fatalf("Allow returned %v, want a slot", err)
		}
		ctx := &endedContext{Context: t.Context()}
		var first, second error
		go func() { _, first = b.Do(ctx, firebreak.Call{}, unreachable(t)) }()
		synctest.Wait()
		go func() { _, second = b.Do(t.Context(), firebreak.Call{}, answering(nil, nil)) }()
		synctest.Wait()
		ctx.gone.Store(true)
		done(firebreak.Outcome{})
		synctest.Wait()
		if !errors.Is(first, context.Canceled) || second != nil {
			t.Errorf("the calls returned %v and %v, want canceled and nil", first, second)
		}
		wantFills(t, b, 1)
	})
}

// MaxWait ends a wait exactly.
func TestMaxWait(t *testing.T) {
	for _, test := range []struct{ maxWait, want time.Duration }{{0, bulkhead.DefaultMaxWait}, {3 * time.Second, 3 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			b := bulkhead.New(bulkhead.Config{MaxCalls: 1, MaxQueue: 2, MaxWait: test.maxWait})
			release := occupy(t, b, 1)
			begin := time.Now()
			_, err := b.Do(t.Context(), firebreak.Call{}, unreachable(t))
			wantRejected(t, err, "queue_timeout")
			wantTook(t, begin, test.want)
			wantStatus(t, b, 1, 0)
			release()
		})
		// One that ends before gives the slot.
		synctest.Test(t, func(t *testing.T) {
			b := bulkhead.New(bulkhead.Config{MaxCalls: 1, MaxQueue: 2, MaxWait: test.maxWait})
			occupyFor(t, b, 1, test.want-1)
			begin := time.Now()
			if _, err := b.Do(t.Context(), firebreak.Call{}, answering(nil, nil)); err != nil {
				t.Errorf("Do returned %v, want the slot that came free before the wait was over", err)
			}
			wantTook(t, begin, test.want-1)
			wantStatus(t, b, 0, 0)
		})
	}
}

// A call does not wait longer than its own deadline allows, also where that is a
// timeout of the whole call that the context does not carry yet.
func TestWaitIsBoundedByTheDeadlineOfTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bulkhead.New(bulkhead.Config{MaxCalls: 1, MaxQueue: 2, MaxWait: time.Minute})
		release := occupy(t, b, 1)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		begin := time.Now()
		_, err := b.Do(ctx, firebreak.Call{}, unreachable(t))
		wantTook(t, begin, 2*time.Second)
		if _, policys := errors.AsType[*timeout.Error](err); !errors.Is(err, context.DeadlineExceeded) || policys {
			t.Errorf("the error is %v, want that of the caller's deadline", err)
		}
		wantStatus(t, b, 1, 0)

		stack := firebreak.New("test", timeout.New(2*time.Second), b, timeout.New(time.Second))
		begin = time.Now()
		_, err = stack.Do(t.Context(), firebreak.Call{}, unreachable(t))
		wantTook(t, begin, 2*time.Second)
		if e, ok := errors.AsType[*timeout.Error](err); !ok || e.Scope != "call" || e.After != 2*time.Second {
			t.Errorf("the error is %v, want that of the timeout of the call", err)
		}
		wantStatus(t, b, 1, 0)
		release()
	})
}

// Behaviour 213: "Inner refusals are ignored by outer breakers. B: full bulkhead opens
// the breaker: overload becomes outage." A deadline that passes in the queue is one,
// whoever set it: nothing was sent.
func TestA12_213_DeadlineInTheQueueIsNoVote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, total := range []firebreak.Policy{timeout.New(time.Second), timeout.New(time.Hour)} {
			b := bulkhead.New(bulkhead.Config{MaxCalls: 1, MaxQueue: 100, MaxWait: time.Minute})
			gate := breaker.New(breaker.Config{ConsecutiveFailures: 3})
			stack := firebreak.New("test", total, retry.New(retry.Config{}), gate, b, timeout.New(time.Second/2))
			release := occupy(t, b, 1)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			for range 10 {
				go func() {
					_, err := firebreak.Do(ctx, stack, "lookup", func(context.Context) (int, error) {
						t.Error("an attempt was made, want none")
						return 0, nil
					}, firebreak.Idempotent)
					if timed, ok := err.(interface{ Timeout() bool }); !ok || !timed.Timeout() {
						t.Errorf("the error is %v, want the deadline's own", err)
					}
				}()
			}
			time.Sleep(3 * time.Second)
			cancel()
			if got := gate.State(); got != breaker.Closed {
				t.Errorf("the breaker is %v, want closed: no call reached the dependency", got)
			}
			wantStatus(t, b, 1, 0)
			release()
		}
	})
}

// Behaviour 40: "Wait honours the caller. R: leaves the queue at once, nothing sent, no
// slot lost. B: waiter sits out MaxWait and then sends."
func TestA3_40_CallerLeavesTheQueueAtOnce(t *testing.T) {
	errCause := errors.New("user pressed stop")
	synctest.Test(t, func(t *testing.T) {
		b := bulkhead.New(bulkhead.Config{MaxCalls: 1, MaxQueue: 1, MaxWait: time.Minute})
		release := occupy(t, b, 1)
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(3*time.Second, func() { cancel(errCause) })
		begin := time.Now()
		_, err := b.Do(ctx, firebreak.Call{}, unreachable(t))
		wantTook(t, begin, 3*time.Second)
		if !errors.Is(err, context.Canceled) || !errors.Is(err, errCause) {
			t.Errorf("the error is %v, want one that matches context.Canceled and the cause", err)
		}
		wantStatus(t, b, 1, 0)

		stop := make(chan struct{})
		time.AfterFunc(3*time.Second, func() { close(stop) })
		begin = time.Now()
		_, err = b.Do(t.Context(), firebreak.Call{Cancel: stop}, unreachable(t))
		wantTook(t, begin, 3*time.Second)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the error is %v, want context.Canceled", err)
		}
		wantStatus(t, b, 1, 0)
		release()
		wantStatus(t, b, 0, 0)
	})
}

// Behaviour 58: "Done before start. R: nothing sent, no slot." Nor is it a rejection.
func TestA4_58_DoneBeforeStartTakesNoSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		b := bulkhead.New(bulkhead.Config{MaxCalls: 1})
		want := func(err error) {
			t.Helper()
			if !errors.Is(err, context.Canceled) {
				t.Errorf("the error is %v, want context.Canceled", err)
			}
		}
		events := eventsOf(func() {
			_, err := b.Do(ctx, firebreak.Call{}, unreachable(t))
			want(err)
			_, err = b.Allow(ctx, firebreak.Call{})
			want(err)
			release := occupy(t, b, 1)
			_, err = b.Do(ctx, firebreak.Call{}, unreachable(t))
			want(err)
			release()
		})
		if len(events) != 0 {
			t.Errorf("the events are %+v, want none", events)
		}
		wantStatus(t, b, 0, 0)
	})
}

// Behaviour 41: "Grant/cancel race. R: give the slot back or use it, never both or
// neither. T: 24 goroutines with 1-5 ms deadlines, then fill to Max."
func TestA3_41_CountsAreExactUnderCancellation(t *testing.T) {
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			const most = 3
			b := bulkhead.New(bulkhead.Config{MaxCalls: most, MaxQueue: 20, MaxWait: 4 * time.Millisecond})
			var running, highest atomic.Int64
			var wg sync.WaitGroup
			for g := range uint64(24) {
				wg.Go(func() {
					r := rand.New(rand.NewPCG(seed, g))
					for range 10 {
						// Whole milliseconds: what ends a call and what frees its slot meet.
						ctx, cancel := context.WithTimeout(context.Background(), time.Duration(1+r.IntN(5))*time.Millisecond)
						_, _ = b.Do(ctx, firebreak.Call{}, func(context.Context, firebreak.Call) (any, error) {
							highest.Store(max(highest.Load(), running.Add(1)))
							defer running.Add(-1)
							time.Sleep(time.Duration(r.IntN(3)) * time.Millisecond)
							return nil, nil
						})
						cancel()
					}
				})
			}
			wg.Wait()
			wantFills(t, b, most)
			if highest.Load() != most {
				t.Errorf("seed %d: %d at once at the most, want %d", seed, highest.Load(), most)
			}
		})
	}
}

// The same in real time, where a grant and a cancellation meet in the middle of each
// other.
func TestA3_41_CountsAreExactUnderCancellationInRealTime(t *testing.T) {
	const most = 3
	b := bulkhead.New(bulkhead.Config{MaxCalls: most, MaxQueue: 20, MaxWait: time.Second})
	for range 1000 {
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for g := range 24 {
			wg.Go(func() {
				_, _ = b.Do(ctx, firebreak.Call{}, func(context.Context, firebreak.Call) (any, error) {
					runtime.Gosched()
					if g == 12 {
						cancel() // of those who wait, while others give their slots back
					}
					return nil, nil
				})
			})
		}
		wg.Wait()
		cancel()
		wantFills(t, b, most)
		if t.Failed() {
			return
		}
	}
}

// wantFills reports if b, which nobody uses, does not have exactly most slots.
func wantFills(t *testing.T, b *bulkhead.Bulkhead, most int) {
	t.Helper()
	wantStatus(t, b, 0, 0)
	bodies := make([]*body, most)
	for i := range bodies {
		bodies[i] = new(body)
		if _, err := b.Do(context.Background(), firebreak.Call{}, answering(bodies[i], nil)); err != nil {
			t.Errorf("call %d of %d returned %v, want a slot", i+1, most, err)
		}
	}
	stop := make(chan struct{})
	close(stop) // it does not wait
	if done, err := b.Allow(context.Background(), firebreak.Call{Cancel: stop}); err == nil {
		done(firebreak.Outcome{})
		t.Errorf("call %d was admitted, want %d at the most", most+1, most)
	}
	wantStatus(t, b, most, 0)
	for _, r := range bodies {
		r.Discard()
	}
	wantStatus(t, b, 0, 0)
}

// Behaviour 225: "Waiters bounded (MaxQueue): a queue without bound is the outage.
// T: 10^5 waiters against MaxQueue 100."
func TestA12_225_QueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const maxQueue, many = 100, 100_000
		b := bulkhead.New(bulkhead.Config{MaxCalls: 1, MaxQueue: maxQueue, MaxWait: time.Minute})
		release := occupy(t, b, 1)
		ctx, cancel := context.WithCancel(t.Context())
		for range maxQueue {
			go func() { _, _ = b.Do(ctx, firebreak.Call{}, answering(nil, nil)) }()
		}
		synctest.Wait()
		for range many - maxQueue {
			if _, err := b.Allow(t.Context(), firebreak.Call{}); !errors.Is(err, bulkhead.ErrFull) {
				t.Fatalf("Allow returned %v, want ErrFull", err)
			}
		}
		wantStatus(t, b, 1, maxQueue)
		cancel()
		synctest.Wait()
		wantStatus(t, b, 1, 0)
		release()
		wantStatus(t, b, 0, 0)
	})
}

func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bulkhead.New(bulkhead.Config{MaxCalls: 1, MaxQueue: 1, MaxWait: 2 * time.Second})
		c := firebreak.Call{Op: "lookup"}
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		events := eventsOf(func() {
			_, _ = b.Do(t.Context(), c, answering(nil, nil)) // no event: it got a slot
			occupyFor(t, b, 1, 1500*time.Millisecond)
			_, _ = b.Do(ctx, c, unreachable(t))
			_, _ = b.Do(t.Context(), c, answering(nil, nil))
			release := occupy(t, b, 1)
			go func() {
				time.Sleep(time.Second)
				_, _ = b.Do(t.Context(), c, unreachable(t))
			}()
			_, _ = b.Do(t.Context(), c, unreachable(t))
			release()
		})
		got := make([]string, len(events))
		for i, e := range events {
			got[i] = fmt.Sprintf("%s %s of %s %s, %v, %d of %d, %v", e.Policy, e.Kind, e.Op, e.Reason, e.Duration, e.Usage, e.Limit, e.Err)
		}
		want := []string{
			"bulkhead wait of lookup , 500ms, 0 of 0, context deadline exceeded", // the caller's
			"bulkhead wait of lookup , 1s, 0 of 0, <nil>",
			"bulkhead reject of lookup full, 0s, 1 of 1, <nil>",
			"bulkhead wait of lookup , 2s, 0 of 0, <nil>", // it is over before the rejection
			"bulkhead reject of lookup queue_timeout, 0s, 1 of 1, <nil>",
		}
		if !slices.Equal(got, want) {
			t.Errorf("the events are\n\t%q\nwant\n\t%q", got, want)
		}
	})
}
