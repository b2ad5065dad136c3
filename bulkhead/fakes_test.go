package bulkhead_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/bulkhead"
)

// A body is a result that someone has to consume or discard.
type body struct{ firebreak.Lifetime }

func (b *body) Discard() { b.End(firebreak.Outcome{Class: firebreak.Ignored}) }

// sleeping is a dependency that answers after d.
func sleeping(d time.Duration) firebreak.Handler {
	return func(context.Context, firebreak.Call) (any, error) {
		time.Sleep(d)
		return "answer", nil
	}
}

// answering is one that answers at once.
func answering(result any, err error) firebreak.Handler {
	return func(context.Context, firebreak.Call) (any, error) { return result, err }
}

// unreachable is one that must not be called.
func unreachable(t *testing.T) firebreak.Handler {
	t.Helper()
	return func(context.Context, firebreak.Call) (any, error) {
		t.Error("an attempt was made, want none")
		return nil, nil
	}
}

// occupy holds n slots of b until release is called. It runs in a bubble.
func occupy(t *testing.T, b *bulkhead.Bulkhead, n int) (release func()) {
	t.Helper()
	stop := make(chan struct{})
	hold(t, b, n, stop)
	return func() {
		close(stop)
		synctest.Wait()
	}
}

// occupyFor holds n slots of b for d.
func occupyFor(t *testing.T, b *bulkhead.Bulkhead, n int, d time.Duration) {
	t.Helper()
	stop := make(chan struct{})
	hold(t, b, n, stop)
	time.AfterFunc(d, func() { close(stop) })
}

func hold(t *testing.T, b *bulkhead.Bulkhead, n int, stop <-chan struct{}) {
	t.Helper()
	for range n {
		go func() {
			_, err := b.Do(context.Background(), firebreak.Call{}, func(context.Context, firebreak.Call) (any, error) {
				<-stop
				return nil, nil
			})
			if err != nil {
				t.Errorf("a slot was to be held, but Do returned %v", err)
			}
		}()
	}
	synctest.Wait()
}

func statusOf(b *bulkhead.Bulkhead) firebreak.Status {
	var got firebreak.Status
	b.Report(func(s firebreak.Status) { got = s })
	return got
}

// wantStatus reports if not as many are in flight and waiting.
func wantStatus(t *testing.T, b *bulkhead.Bulkhead, inFlight, waiting int) {
	t.Helper()
	if s := statusOf(b); s.InFlight != inFlight || s.Waiting != waiting {
		t.Errorf("%d in flight and %d waiting, want %d and %d", s.InFlight, s.Waiting, inFlight, waiting)
	}
}

// wantRejected reports if err is not a rejection for reason.
func wantRejected(t *testing.T, err error, reason string) {
	t.Helper()
	rejected, ok := errors.AsType[*firebreak.RejectedError](err)
	if !ok || rejected.Reason != reason || !errors.Is(err, bulkhead.ErrFull) {
		t.Errorf("the error is %v, want a rejection that matches ErrFull, reason %s", err, reason)
	}
}

// wantTook reports if it is not d since begin.
func wantTook(t *testing.T, begin time.Time, d time.Duration) {
	t.Helper()
	if took := time.Since(begin); took != d {
		t.Errorf("took %v, want %v", took, d)
	}
}

// eventsOf returns the events of f. It runs in a bubble.
func eventsOf(f func()) []firebreak.Event {
	var events []firebreak.Event
	cancel := firebreak.Subscribe(func(e firebreak.Event) { events = append(events, e) })
	f()
	synctest.Wait()
	cancel()
	synctest.Wait()
	return events
}
