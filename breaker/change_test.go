package breaker_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/timeout"
)

// "Listeners outside the lock, in order, may call back into the policy (state,
// metrics) without deadlock", and behaviour 216: "no state transition may release
// the lock for a listener and then go on with the old state".
func TestA12_215_216_ListenerMayUseTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b *breaker.Breaker
		var log []string
		running := false
		b = breaker.New(breaker.Config{ConsecutiveFailures: 1, Probes: 1, OnStateChange: func(c breaker.Change) {
			if running {
				t.Error("OnStateChange runs while it runs")
			}
			running = true
			defer func() { running = false }()
			log = append(log, fmt.Sprintf("%v to %v", c.From, c.To))
			if got := b.State(); got != c.To {
				t.Errorf("State in the callback is %v, want %v", got, c.To)
			}
			_ = b.Evictable()
			switch len(log) {
			case 1:
				_, err := do(t.Context(), b, succeed)
				log = append(log, rejectionOf(t, err).Reason)
				b.ForceOpen()
				log = append(log, "forced")
			case 4:
				b.Reset()
			case 5:
				_, _ = do(t.Context(), b, fail)
			}
		}})
		_, _ = do(t.Context(), b, fail)
		want := []string{
			"closed to open", "open", "forced", // what the callback does is told after it
			"open to forced-open",
			"forced-open to closed",
			"closed to open",
		}
		if diff := cmp.Diff(want, log); diff != "" {
			t.Errorf("changes (-want +got):\n%s", diff)
		}
		wantState(t, b, breaker.Open)
	})
}

// TestChangesFollowEachOther: under concurrency, too, they are told one at a time
// and in order.
func TestChangesFollowEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running atomic.Int64
		var changes []breaker.Change // no lock: the race detector would find two at a time
		b := breaker.New(breaker.Config{ConsecutiveFailures: 2, Probes: 2, OpenFor: 10 * time.Millisecond, OnStateChange: func(c breaker.Change) {
			if running.Add(1) > 1 {
				t.Error("OnStateChange runs while it runs")
			}
			changes = append(changes, c)
			runtime.Gosched()
			running.Add(-1)
		}})
		var calls sync.WaitGroup
		for i := range 16 {
			calls.Go(func() {
				rng := rand.New(rand.NewPCG(uint64(i), 0))
				for range 200 {
					_, _ = do(t.Context(), b, func() (any, error) {
						time.Sleep(time.Duration(rng.IntN(5)) * time.Millisecond)
						return nil, []error{nil, errStatus}[rng.IntN(2)]
					})
					time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond)
					if rng.IntN(100) == 0 {
						b.Reset()
					}
				}
			})
		}
		calls.Wait()
		synctest.Wait()
		if len(changes) < 100 {
			t.Errorf("%d changes, want enough to compare", len(changes))
		}
		state := breaker.Closed
		for i, c := range changes {
			if c.From != state {
				t.Fatalf("change %d is from %v, want %v: %v", i, c.From, state, changes[max(0, i-5):i+1])
			}
			state = c.To
			if opened := c.To == breaker.Open; opened != (c.Cause != nil) {
				t.Errorf("change %d to %v has the cause %v", i, c.To, c.Cause)
			}
		}
		wantState(t, b, state)
	})
}

// "Panic in user callbacks (classifier, listener, key function): slot and permit
// still released. T: Panicking classifier, then 10 good calls."
func TestA12_230_PanickingListener(t *testing.T) {
	for _, target := range []breaker.State{breaker.Open, breaker.HalfOpen, breaker.Closed} {
		for _, how := range []string{"panic", "Goexit"} {
			t.Run(fmt.Sprintf("%s_%v", how, target), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					armed := true
					b := breaker.New(breaker.Config{ConsecutiveFailures: 1, Probes: 1, OnStateChange: func(c breaker.Change) {
						if !armed || c.To != target {
							return
						}
						armed = false
						if how == "panic" {
							panic("boom")
						}
						runtime.Goexit()
					}})
					// as a server does it: each call in a goroutine that recovers
					call := func(f func() (any, error)) {
						var wg sync.WaitGroup
						wg.Go(func() {
							defer func() { _ = recover() }()
							_, _ = do(t.Context(), b, f)
						})
						wg.Wait()
					}
					call(fail)
					waitOut(t, b)
					for range 10 {
						call(succeed)
					}
					if armed {
						t.Errorf("no change to %v", target)
					}
					wantState(t, b, breaker.Closed)
				})
			})
		}
	}
}

// TestSlowListener holds up the call that tells it, but neither other calls nor the
// time limit of its probe.
func TestSlowListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := breaker.New(breaker.Config{ConsecutiveFailures: 1, Probes: 2, OnStateChange: func(c breaker.Change) {
			if c.From == breaker.Open {
				time.Sleep(time.Hour)
			}
		}})
		untilProbing(t, b)
		var calls sync.WaitGroup
		calls.Go(func() { _, _ = do(t.Context(), b, succeed) })
		synctest.Wait()
		if _, err := do(t.Context(), b, succeed); err != nil {
			t.Errorf("got %v, want the second probe to be made", err)
		}
		wantState(t, b, breaker.HalfOpen)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		wantState(t, b, breaker.Open)
		calls.Wait()
	})
}

// TestPanicDiscardsResult: a result that its caller never gets is not left open.
func TestPanicDiscardsResult(t *testing.T) {
	for _, test := range []struct {
		name string
		cfg  breaker.Config
		call firebreak.Call
	}{
		{"Classifier", breaker.Config{}, firebreak.Call{Classify: func(error) firebreak.Class { panic("boom") }}},
		{"Listener", breaker.Config{ConsecutiveFailures: 1, OnStateChange: func(breaker.Change) { panic("boom") }}, firebreak.Call{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			result := new(body)
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
				if !result.Ended() {
					t.Error("the result was left open")
				}
			}()
			_, _ = breaker.New(test.cfg).Do(t.Context(), test.call, func(context.Context, firebreak.Call) (any, error) { return result, errStatus })
		})
	}
}

// TestChangesAfterPanicAreTold: the panic of an attempt opens the breaker, and what
// a panicking listener left is told with the next call.
func TestChangesAfterPanicAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []breaker.State
		var b *breaker.Breaker
		b = breaker.New(breaker.Config{ConsecutiveFailures: 1, OnStateChange: func(c breaker.Change) {
			told = append(told, c.To)
			if len(told) == 1 {
				b.ForceClosed()
				panic("boom")
			}
		}})
		func() {
			defer func() { _ = recover() }()
			_, _ = do(t.Context(), b, func() (any, error) { panic("attempt") })
		}()
		_, _ = do(t.Context(), b, succeed)
		if want := []breaker.State{breaker.Open, breaker.ForcedClosed}; !slices.Equal(told, want) {
			t.Errorf("told %v, want %v", told, want)
		}
	})
}

// events collects the events of f, which runs in a bubble.
func events(t *testing.T, f func()) []firebreak.Event {
	t.Helper()
	var mu sync.Mutex
	var got []firebreak.Event
	cancel := firebreak.Subscribe(func(e firebreak.Event) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, e)
	})
	f()
	synctest.Wait()
	cancel()
	mu.Lock()
	defer mu.Unlock()
	return got
}

func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := breaker.New(breaker.Config{ConsecutiveFailures: 1, Probes: 1})
		stack := firebreak.New("payments", b)
		call := func(op string, err error) error { return stackDo(t.Context(), stack, op, err) }
		got := events(t, func() {
			_ = call("charge", errStatus)
			rejection := rejectionOf(t, call("refund", nil))
			time.Sleep(rejection.RetryAfter)
			_ = call("list", nil)
			b.ForceOpen()
			b.ForceOpen()
			b.ForceClosed()
			b.Reset()
		})
		type line struct {
			Kind, Op, Reason, From, To string
			Err                        error
			HasRetryAfter              bool
		}
		var lines []line
		for _, e := range got {
			if e.Stack != "payments" || e.Policy != "breaker" || e.Target != "api" {
				t.Errorf("event %+v, want stack payments, policy breaker, target api", e)
			}
			lines = append(lines, line{e.Kind.String(), e.Op, e.Reason, e.From, e.To, e.Err, e.RetryAfter > 0})
		}
		want := []line{
			{Kind: "transition", Op: "charge", From: "closed", To: "open", Err: errStatus},
			{Kind: "reject", Op: "refund", Reason: "open", Err: errStatus, HasRetryAfter: true},
			{Kind: "transition", Op: "list", From: "open", To: "half-open"},
			{Kind: "transition", Op: "list", From: "half-open", To: "closed"},
			{Kind: "transition", From: "closed", To: "forced-open"}, // by hand: of no operation
			{Kind: "transition", From: "forced-open", To: "forced-open"},
			{Kind: "transition", From: "forced-open", To: "forced-closed"},
			{Kind: "transition", From: "forced-closed", To: "closed"},
		}
		if diff := cmp.Diff(want, lines, cmpopts.EquateErrors()); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

func stackDo(ctx context.Context, stack *firebreak.Stack, op string, err error) error {
	_, got := firebreak.Do(ctx, stack, op, func(context.Context) (any, error) { return nil, err },
		func(c *firebreak.Call) { c.Target = "api" })
	return got
}

// TestChangeIsOfTheCallThatMadeIt, also if another call tells it: while a listener
// is busy with an older change, its goroutine tells the newer ones.
func TestChangeIsOfTheCallThatMadeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		b := breaker.New(breaker.Config{ConsecutiveFailures: 1, Probes: 1, OnStateChange: func(c breaker.Change) {
			if c.From == breaker.Closed {
				<-release
			}
		}})
		stack := firebreak.New("payments", b)
		got := events(t, func() {
			go func() { _ = stackDo(t.Context(), stack, "first", errStatus) }()
			synctest.Wait()
			time.Sleep(6 * time.Second)
			_ = stackDo(t.Context(), stack, "second", nil)
			_ = stackDo(t.Context(), stack, "third", nil)
			close(release)
		})
		var ops []string
		for _, e := range got {
			ops = append(ops, e.Op+": "+e.To)
		}
		if diff := cmp.Diff([]string{"first: open", "second: half-open", "second: closed"}, ops); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

// A breaker that is taken over into a new Stack does not keep the old one, whose
// gauges would be added to those of the new one for good.
func TestBreakerDoesNotKeepTheStackThatItHadBefore(t *testing.T) {
	b := breaker.New(breaker.Config{})
	use := func() weak.Pointer[firebreak.Stack] {
		s := firebreak.New("test", timeout.New(time.Second), b)
		_, _ = firebreak.Do(t.Context(), s, "lookup", func(context.Context) (int, error) { return 1, nil })
		return weak.Make(s)
	}
	old := use()
	use()
	runtime.GC()
	if old.Value() != nil {
		t.Error("the Stack that was replaced is still there, want it collected")
	}
	runtime.KeepAlive(b)
}
