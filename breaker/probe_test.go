package breaker_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
)

// do makes a call through b whose attempt is f.
func do(ctx context.Context, b *breaker.Breaker, f func() (any, error)) (any, error) {
	return b.Do(ctx, firebreak.Call{}, func(context.Context, firebreak.Call) (any, error) { return f() })
}

func succeed() (any, error) { return nil, nil }
func fail() (any, error)    { return nil, errStatus }

// untilProbing opens b, which must open with the first failure, and waits until
// the next call is a probe.
func untilProbing(t *testing.T, b *breaker.Breaker) {
	t.Helper()
	_, _ = do(t.Context(), b, fail)
	waitOut(t, b)
}

func waitOut(t *testing.T, b *breaker.Breaker) {
	t.Helper()
	_, err := do(t.Context(), b, succeed)
	wantState(t, b, breaker.Open)
	time.Sleep(rejectionOf(t, err).RetryAfter)
}

func rejectionOf(t *testing.T, err error) *firebreak.RejectedError {
	t.Helper()
	rejection, ok := errors.AsType[*firebreak.RejectedError](err)
	if !ok {
		t.Fatalf("got %v, want a rejection", err)
	}
	return rejection
}

func wantState(t *testing.T, b *breaker.Breaker, want breaker.State) {
	t.Helper()
	if got := b.State(); got != want {
		t.Errorf("state %v, want %v", got, want)
	}
}

// "Half-open panic/cancel gives the place back." However a probe ends, also if it
// never does, the breaker leaves the half-open state by itself.
func TestA12_210_HalfOpenIsLeft(t *testing.T) {
	for _, test := range []struct {
		name  string
		probe func(ctx context.Context, b *breaker.Breaker)
		want  breaker.State // with one success more
	}{
		{"Panic", func(ctx context.Context, b *breaker.Breaker) {
			defer func() { _ = recover() }()
			_, _ = do(ctx, b, func() (any, error) { panic("boom") })
		}, breaker.Open},
		{"Goexit", func(ctx context.Context, b *breaker.Breaker) {
			var wg sync.WaitGroup
			wg.Go(func() { _, _ = do(ctx, b, func() (any, error) { runtime.Goexit(); return nil, nil }) })
			wg.Wait()
		}, breaker.Open},
		{"Cancel", func(ctx context.Context, b *breaker.Breaker) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second, cancel)
			_, _ = do(ctx, b, func() (any, error) { <-ctx.Done(); return nil, ctx.Err() })
		}, breaker.Closed},
		{"CancelledBefore", func(ctx context.Context, b *breaker.Breaker) {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			_, _ = do(ctx, b, fail) // not even tried
		}, breaker.Closed},
		{"ClassifierPanics", func(ctx context.Context, b *breaker.Breaker) {
			defer func() { _ = recover() }()
			c := firebreak.Call{Classify: func(error) firebreak.Class { panic("boom") }}
			_, _ = b.Do(ctx, c, func(context.Context, firebreak.Call) (any, error) { return nil, nil })
		}, breaker.Closed},
		{"Rejected", func(ctx context.Context, b *breaker.Breaker) {
			_, _ = do(ctx, b, func() (any, error) { return nil, &firebreak.RejectedError{Policy: "bulkhead", Reason: "full"} })
		}, breaker.Closed},
		{"DiscardedBody", func(ctx context.Context, b *breaker.Breaker) {
			result, _ := do(ctx, b, func() (any, error) { return new(body), nil })
			firebreak.Discard(result)
		}, breaker.Closed},
		{"NeverAnswers", func(ctx context.Context, b *breaker.Breaker) {
			ctx, cancel := context.WithTimeout(ctx, time.Hour)
			go func() {
				_, _ = do(ctx, b, func() (any, error) { <-ctx.Done(); cancel(); return nil, nil })
			}()
			time.Sleep(10 * time.Second)
			synctest.Wait()
		}, breaker.Open},
		{"NeverEnds", func(ctx context.Context, b *breaker.Breaker) {
			_, _ = do(ctx, b, func() (any, error) { return new(body), nil })
			time.Sleep(10 * time.Second)
			synctest.Wait()
		}, breaker.Closed},
		{"GateNeverDone", func(ctx context.Context, b *breaker.Breaker) {
			if _, err := b.Allow(ctx, firebreak.Call{}); err != nil {
				panic(err)
			}
			time.Sleep(10 * time.Second)
			synctest.Wait()
		}, breaker.Open},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := breaker.New(breaker.Config{ConsecutiveFailures: 1, Probes: 1})
				untilProbing(t, b)
				test.probe(t.Context(), b)
				_, _ = do(t.Context(), b, succeed)
				wantState(t, b, test.want)
				if test.want == breaker.Open {
					waitOut(t, b)
					_, _ = do(t.Context(), b, succeed)
					wantState(t, b, breaker.Closed)
				}
				time.Sleep(2 * time.Hour) // what is still under way ends
			})
		})
	}
}

// "Probes bounded under concurrency." B: "check-then-increment without lock: a
// herd of probes."
func TestA12_212_NoHerdOfProbes(t *testing.T) {
	const probes = 4
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			b := breaker.New(breaker.Config{ConsecutiveFailures: 1, Probes: probes})
			untilProbing(t, b)
			start, release := make(chan struct{}), make(chan struct{})
			var sent, rejected atomic.Int64
			var calls sync.WaitGroup
			for range 64 {
				calls.Go(func() {
					<-start
					_, err := do(t.Context(), b, func() (any, error) {
						sent.Add(1)
						<-release
						return nil, nil
					})
					if errors.Is(err, breaker.ErrOpen) {
						rejected.Add(1)
					}
				})
			}
			close(start)
			synctest.Wait()
			if got := sent.Load(); got != probes {
				t.Errorf("%d probes are under way, want %d", got, probes)
			}
			if got := rejected.Load(); got != 64-probes {
				t.Errorf("%d calls were rejected, want %d", got, 64-probes)
			}
			close(release)
			calls.Wait()
			wantState(t, b, breaker.Closed)
		})
	}
}

// TestProbesStayBounded: also while probes end in every way, no more than Probes
// are under way, and the breaker closes in the end.
func TestProbesStayBounded(t *testing.T) {
	const probes = 3
	synctest.Test(t, func(t *testing.T) {
		b := breaker.New(breaker.Config{ConsecutiveFailures: 1, Probes: probes, ProbeTimeout: time.Hour})
		untilProbing(t, b)
		var underWay, most atomic.Int64
		var calls sync.WaitGroup
		for i := range 200 {
			calls.Go(func() {
				for range 20 {
					if b.State() != breaker.HalfOpen && b.State() != breaker.Open {
						return
					}
					_, _ = do(t.Context(), b, func() (any, error) {
						n := underWay.Add(1)
						for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
						}
						time.Sleep(time.Duration(1+i%7) * time.Millisecond)
						underWay.Add(-1)
						return nil, context.Canceled
					})
					time.Sleep(time.Duration(1+i%5) * time.Millisecond)
				}
			})
		}
		calls.Wait()
		if got := most.Load(); got != probes {
			t.Errorf("up to %d probes were under way, want %d", got, probes)
		}
		wantState(t, b, breaker.HalfOpen)
		for range probes {
			_, _ = do(t.Context(), b, succeed)
		}
		wantState(t, b, breaker.Closed)
	})
}

// TestProbeEndsAsItsTimeDoes lets the end of a probe and its time limit fall on
// one instant: whoever is first, it has voted once and the breaker goes on.
func TestProbeEndsAsItsTimeDoes(t *testing.T) {
	for _, how := range []struct {
		name string
		err  error
	}{{"Success", nil}, {"Failure", errStatus}, {"Cancel", context.Canceled}} {
		t.Run(how.name, func(t *testing.T) {
			for range 50 {
				synctest.Test(t, func(t *testing.T) {
					var changes []breaker.Change
					b := breaker.New(breaker.Config{
						ConsecutiveFailures: 1, Probes: 2, ProbeTimeout: time.Second,
						OnStateChange: func(c breaker.Change) { changes = append(changes, c) },
					})
					untilProbing(t, b)
					var calls sync.WaitGroup
					calls.Go(func() {
						_, _ = do(t.Context(), b, func() (any, error) {
							time.Sleep(time.Second)
							return nil, how.err
						})
					})
					calls.Wait()
					synctest.Wait()
					if b.State() == breaker.Open { // the time limit, or the failure, was first
						waitOut(t, b)
					}
					for range 2 {
						_, _ = do(t.Context(), b, succeed)
					}
					time.Sleep(time.Minute)
					wantState(t, b, breaker.Closed)
					for i, c := range changes[1:] {
						if c.From != changes[i].To {
							t.Fatalf("changes %v do not follow each other", changes)
						}
					}
				})
			}
		})
	}
}

// "5xx may be reported at headers": a probe that failed, or was told to come back
// later, says so when the answer comes, however long its body is held open.
func TestA3_45_AnswerWithErrorVotesAtOnce(t *testing.T) {
	overload := &firebreak.AttemptError{Err: errors.New("status 429"), Class: firebreak.Overload}
	for _, test := range []struct {
		name string
		err  error
		want breaker.State
	}{{"Failure", errStatus, breaker.Open}, {"Overload", overload, breaker.HalfOpen}} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := breaker.New(breaker.Config{ConsecutiveFailures: 1, Probes: 1})
				untilProbing(t, b)
				result, _ := do(t.Context(), b, func() (any, error) { return new(body), test.err })
				wantState(t, b, test.want)
				time.Sleep(11 * time.Second) // longer than ProbeTimeout
				synctest.Wait()
				wantState(t, b, test.want)
				firebreak.Discard(result)
				wantState(t, b, test.want)
			})
		})
	}
}

// "R: report success at headers for half-open if the body outlives a bound; never
// hold the only probe for hours. T: synctest, body open 1 h, breaker must leave
// half-open."
func TestA3_46_LongPollProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := breaker.New(breaker.Config{ConsecutiveFailures: 1, Probes: 1})
		untilProbing(t, b)
		result, err := do(t.Context(), b, func() (any, error) { return new(body), nil })
		if err != nil {
			t.Fatal(err)
		}
		wantState(t, b, breaker.HalfOpen)
		time.Sleep(time.Hour)
		wantState(t, b, breaker.Closed)
		result.(*body).End(firebreak.Outcome{Class: firebreak.Failure, Err: errStatus})
		wantState(t, b, breaker.Closed)
	})
}
