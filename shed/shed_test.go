package shed_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/shed"
	"github.com/firebreak-go/firebreak/timeout"
)

// fill makes n calls that hold their places until release is called. It runs in a
// bubble.
func fill(t *testing.T, p firebreak.Policy, n int) (release func()) {
	t.Helper()
	stop, running := make(chan struct{}), new(atomic.Int64)
	for range n {
		go func() {
			_, _ = p.Do(t.Context(), firebreak.Call{}, func(context.Context, firebreak.Call) (any, error) {
				running.Add(1)
				<-stop
				return nil, nil
			})
		}()
	}
	synctest.Wait()
	if got := running.Load(); got != int64(n) {
		t.Fatalf("%d calls run, want %d", got, n)
	}
	return sync.OnceFunc(func() {
		close(stop)
		synctest.Wait()
	})
}

// limitOf is what a Shed lets in that has seen nothing yet.
func limitOf(s *shed.Shed) int { return s.Snapshot().Limit }

// queued makes a call that is to wait, and returns how it ends.
func queued(ctx context.Context, t *testing.T, s *shed.Shed) <-chan error {
	t.Helper()
	before := s.Snapshot().Waiting
	end := make(chan error, 1)
	go func() {
		_, err := s.Do(ctx, firebreak.Call{}, answer)
		end <- err
	}()
	synctest.Wait()
	if got := s.Snapshot().Waiting; got != before+1 {
		t.Fatalf("%d calls wait, want %d", got, before+1)
	}
	return end
}

func rejectionOf(t *testing.T, err error) *firebreak.RejectedError {
	t.Helper()
	rejection, ok := errors.AsType[*firebreak.RejectedError](err)
	if !ok || !errors.Is(err, shed.ErrShed) {
		t.Fatalf("got %v, want a rejection around %v", err, shed.ErrShed)
	}
	if rejection.Policy != "shed" || rejection.RetryAfter < time.Second || rejection.RetryAfter > 80*time.Second {
		t.Errorf("got %+v, want one of shed, with a RetryAfter from 1s on", rejection)
	}
	return rejection
}

// refuse fills the queue of s up, and returns the rejection of the call that no longer
// finds room.
func refuse(ctx context.Context, t *testing.T, s *shed.Shed) *firebreak.RejectedError {
	t.Helper()
	for range 10_000 {
		end := make(chan error, 1)
		go func() {
			_, err := s.Do(ctx, firebreak.Call{}, answer)
			end <- err
		}()
		synctest.Wait()
		select {
		case err := <-end:
			return rejectionOf(t, err)
		default:
		}
	}
	t.Fatal("10,000 calls wait, none is refused")
	return nil
}

// A call that finds no free place waits a short time; one that finds no room to wait
// is refused at once.
func TestQueueAndRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shed.New(shed.Config{})
		release := fill(t, s, limitOf(s))
		first := queued(t.Context(), t, s)
		start := time.Now()
		rejection := refuse(t.Context(), t, s)
		if rejection.Reason != "full" || rejection.Limit != limitOf(s) || rejection.Usage != limitOf(s) {
			t.Errorf("got %+v, want it full with %d of as many", rejection, limitOf(s))
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("the refusal came after %v, want at once", waited)
		}
		if waiting := s.Snapshot().Waiting; waiting > 100 {
			t.Errorf("%d wait, want a short queue", waiting)
		}
		release()
		if err := <-first; err != nil {
			t.Errorf("the first in the queue got %v, want its turn", err)
		}
		synctest.Wait()
		if now := s.Snapshot(); now.InFlight != 0 || now.Waiting != 0 {
			t.Errorf("got %+v at the end, want nothing in flight", now)
		}
	})
}

// The more important call goes first, and takes the place of a less important one if
// there is no room.
func TestPriorities(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shed.New(shed.Config{})
		release := fill(t, s, limitOf(s))
		batch := firebreak.WithPriority(t.Context(), firebreak.PriorityBestEffort)
		oldest := queued(batch, t, s)
		if rejection := refuse(batch, t, s); rejection.Reason != "full" {
			t.Errorf("got %q, want full", rejection.Reason)
		}
		critical := make(chan error, 1)
		go func() {
			_, err := s.Do(firebreak.WithPriority(t.Context(), firebreak.PriorityCritical), firebreak.Call{}, answer)
			critical <- err
		}()
		synctest.Wait()
		if rejection := rejectionOf(t, <-oldest); rejection.Reason != "displaced" {
			t.Errorf("the oldest of the least important got %q, want displaced", rejection.Reason)
		}
		release()
		if err := <-critical; err != nil {
			t.Errorf("the critical call got %v, want its turn", err)
		}
	})
}

// "Queue leaves on disconnect", and nothing is left of it.
func TestCallerLeavesTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shed.New(shed.Config{})
		release := fill(t, s, limitOf(s))
		defer release()
		ctx, cancel := context.WithCancel(t.Context())
		end := queued(ctx, t, s)
		cancel()
		synctest.Wait()
		if err := <-end; !errors.Is(err, context.Canceled) || firebreak.Classify(err) != firebreak.Ignored {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
		if waiting := s.Snapshot().Waiting; waiting != 0 {
			t.Errorf("%d wait, want nobody", waiting)
		}
		if _, err := s.Do(ctx, firebreak.Call{}, answer); !errors.Is(err, context.Canceled) {
			t.Errorf("gone before: got %v, want %v", err, context.Canceled)
		}
	})
}

// "Bound every queue wait": by half of what the caller has left and a minute, or by 10s.
func TestQueueWaitIsBounded(t *testing.T) {
	for _, test := range []struct{ deadline, want time.Duration }{
		{0, 10 * time.Second},
		{time.Hour, time.Minute},
		{time.Second, 500 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := shed.New(shed.Config{})
			release := fill(t, s, limitOf(s))
			ctx := t.Context()
			if test.deadline > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, test.deadline)
				defer cancel()
			}
			start := time.Now()
			err := <-queued(ctx, t, s)
			if took := time.Since(start); took != test.want {
				t.Errorf("a caller with %v: refused after %v, want %v", test.deadline, took, test.want)
			}
			if rejection := rejectionOf(t, err); rejection.Reason != "queue_timeout" {
				t.Errorf("got %q, want queue_timeout", rejection.Reason)
			}
			release()
			if now := s.Snapshot(); now.InFlight != 0 || now.Waiting != 0 {
				t.Errorf("got %+v at the end, want nothing", now)
			}
		})
	}
}

// Who had to wait and can no longer finish is not begun.
func TestTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shed.New(shed.Config{})
		for range 50 { // a call takes a second
			release := fill(t, s, 16)
			time.Sleep(time.Second)
			release()
		}
		release := fill(t, s, limitOf(s))
		ctx, cancel := context.WithTimeout(t.Context(), 1600*time.Millisecond)
		defer cancel()
		end := queued(ctx, t, s)
		time.Sleep(700 * time.Millisecond)
		release()
		if rejection := rejectionOf(t, <-end); rejection.Reason != "too_late" {
			t.Errorf("with 0.9s left of what takes 1s: got %q, want too_late", rejection.Reason)
		}
	})
}

// From Close on new calls are refused; those that wait are served.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shed.New(shed.Config{})
		release := fill(t, s, limitOf(s))
		var waiting []<-chan error
		for range 3 {
			waiting = append(waiting, queued(t.Context(), t, s))
		}
		s.Close()
		_, err := s.Do(t.Context(), firebreak.Call{}, answer)
		rejection, ok := errors.AsType[*firebreak.RejectedError](err)
		if !ok || !errors.Is(err, shed.ErrShed) || rejection.Reason != "closing" || rejection.RetryAfter != 0 {
			t.Errorf("got %+v, want closing, with no time to come back: another server may have room", err)
		}
		release()
		for i, end := range waiting {
			if err := <-end; err != nil {
				t.Errorf("number %d in the queue got %v, want its turn", i+1, err)
			}
		}
		if _, err := s.Do(t.Context(), firebreak.Call{Exempt: true}, answer); err != nil {
			t.Errorf("a health check got %v, want its answer", err)
		}
	})
}

// "Latency sample for adaptive limits is taken at headers (or TTFB), the slot at end.
// B: limit collapses on big downloads."
func TestA3_47_LatencyUntilTheAnswerBegins(t *testing.T) {
	for _, pending := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := shed.New(shed.Config{})
			for range 40 {
				var calls sync.WaitGroup
				for range 5 {
					calls.Go(func() {
						c := firebreak.Call{Began: new(firebreak.Moment)}
						result, _ := s.Do(t.Context(), c, func(_ context.Context, c firebreak.Call) (any, error) {
							time.Sleep(10 * time.Millisecond)
							if pending {
								return new(download), nil
							}
							c.Began.Mark()
							time.Sleep(time.Minute) // a client that reads slowly
							return nil, nil
						})
						if d, ok := result.(*download); ok {
							time.Sleep(time.Minute)
							d.End(firebreak.Outcome{})
						}
					})
				}
				time.Sleep(time.Second)
				if got := s.Snapshot().InFlight; got != 5 {
					t.Fatalf("%d in flight while they are read, want 5", got)
				}
				calls.Wait()
			}
			if got := s.Snapshot().Latency; got != 10*time.Millisecond {
				t.Errorf("pending %t: the latency is %v, want the 10ms until the answer began", pending, got)
			}
		})
	}
}

// download is a result that someone reads.
type download struct{ firebreak.Lifetime }

func (d *download) Discard() { d.End(firebreak.Outcome{Class: firebreak.Ignored}) }

// What looks on only refuses nobody, and tells whom it would have.
func TestShadow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []firebreak.Event
		defer firebreak.Subscribe(func(e firebreak.Event) { events = append(events, e) })()
		s := shed.New(shed.Config{Shadow: true})
		stack := firebreak.New("shop", s, timeout.New(time.Minute))
		release := fill(t, stack, 1000)
		release()
		if len(events) < 500 || len(events) > 1000 {
			t.Fatalf("%d of 1,000 at once would have been refused, want most", len(events))
		}
		for _, e := range events {
			if e.Kind != firebreak.EventShadow || e.Policy != "shed" || e.Reason != "full" || e.RetryAfter < time.Second {
				t.Fatalf("got %+v, want only that it would have been refused", e)
			}
		}
		if got, want := stack.String(), "shop: shed (shadow) → timeout 1m0s"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// A wait is told, and so is a refusal, with their priority.
func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []firebreak.Event
		defer firebreak.Subscribe(func(e firebreak.Event) { events = append(events, e) })()
		s := shed.New(shed.Config{})
		stack := firebreak.New("shop", s, timeout.New(time.Minute))
		release := fill(t, stack, limitOf(s))
		end := queued(t.Context(), t, s) // outside of the Stack: it has no name there
		time.Sleep(20 * time.Millisecond)
		release()
		if err := <-end; err != nil {
			t.Fatal(err)
		}
		waits := slices.DeleteFunc(events, func(e firebreak.Event) bool { return e.Kind != firebreak.EventWait })
		if len(waits) != 1 || waits[0].Policy != "shed" || waits[0].Duration != 20*time.Millisecond {
			t.Errorf("got %+v, want one wait of 20ms", waits)
		}
	})
}

// A caller that leaves at the moment at which it is let in gives its place back.
func TestA4_41_GrantMeetsDeadline(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			s := shed.New(shed.Config{})
			limit := limitOf(s)
			var calls sync.WaitGroup
			for range 4 * limit {
				calls.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), 2*time.Millisecond)
					defer cancel()
					_, _ = s.Do(ctx, firebreak.Call{}, func(context.Context, firebreak.Call) (any, error) {
						time.Sleep(time.Millisecond) // those in the queue leave when these end
						return nil, nil
					})
				})
			}
			calls.Wait()
			if now := s.Snapshot(); now.InFlight != 0 || now.Waiting != 0 {
				t.Errorf("got %+v, want every place back", now)
			}
		})
	}
}

// The gauges firebreak.concurrency.limit and firebreak.concurrency.usage are made of it.
func TestReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shed.New(shed.Config{})
		release := fill(t, s, limitOf(s))
		waiting := queued(t.Context(), t, s)
		var got []firebreak.Status
		s.Report(func(st firebreak.Status) { got = append(got, st) })
		limit := limitOf(s)
		want := firebreak.Status{Policy: "shed", InFlight: limit, Waiting: 1, Limit: limit}
		if len(got) != 1 || got[0] != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		release()
		<-waiting
	})
}

func TestZeroShed(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a Stack was made of a Shed that New has not made")
		}
	}()
	firebreak.New("shop", new(shed.Shed))
}

func TestAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	s := shed.New(shed.Config{})
	ctx, c := context.Background(), firebreak.Call{Began: new(firebreak.Moment)}
	next := firebreak.Handler(func(context.Context, firebreak.Call) (any, error) { return nil, nil })
	if got := testing.AllocsPerRun(1000, func() { _, _ = s.Do(ctx, c, next) }); got != 0 {
		t.Errorf("a call: %v allocations, want none", got)
	}
	s.Close()
	if got := testing.AllocsPerRun(1000, func() { _, _ = s.Do(ctx, c, next) }); got > 1 {
		t.Errorf("a rejection: %v allocations, want at most 1", got)
	}
}

func BenchmarkDo(b *testing.B) {
	s := shed.New(shed.Config{})
	ctx, c := context.Background(), firebreak.Call{}
	next := firebreak.Handler(func(context.Context, firebreak.Call) (any, error) { return nil, nil })
	b.ReportAllocs()
	for b.Loop() {
		_, _ = s.Do(ctx, c, next)
	}
}
