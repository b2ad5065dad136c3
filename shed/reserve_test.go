package shed_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/shed"
)

// Room is taken at once, a wait is left to Do, and what would find no room is refused with
// the time at which to come back.
func TestReserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shed.New(shed.Config{})
		defer fill(t, s, limitOf(s)-1)()
		place, rejection := s.Reserve(t.Context(), firebreak.Call{})
		if place == nil || rejection != nil || s.Snapshot().InFlight != limitOf(s) {
			t.Fatalf("Reserve returned %v, %v, with %d in flight, want the last place of %d", place, rejection, s.Snapshot().InFlight, limitOf(s))
		}
		if r, rejection := s.Reserve(t.Context(), firebreak.Call{}); r != nil || rejection != nil {
			t.Errorf("Reserve with room in the queue returned %v, %v, want neither", r, rejection)
		}
		ctx, cancel := context.WithCancel(t.Context())
		_ = refuse(ctx, t, s)
		_, rejection = s.Reserve(t.Context(), firebreak.Call{})
		if rejection == nil {
			t.Fatal("Reserve with a full queue returned no rejection")
		}
		if got := rejectionOf(t, rejection); got.Reason != "full" {
			t.Errorf("got %+v, want the reason full", got)
		}
		cancel()
		synctest.Wait()
		place.Cancel()
		if s.Snapshot().InFlight != limitOf(s)-1 {
			t.Errorf("%d in flight after Cancel, want %d", s.Snapshot().InFlight, limitOf(s)-1)
		}
		s.Close()
		if _, rejection := s.Reserve(t.Context(), firebreak.Call{}); rejection == nil || rejection.Reason != "closing" || rejection.RetryAfter != 0 {
			t.Errorf("Reserve of one that closes returned %+v, want a rejection without a time", rejection)
		}
	})
}

// In shadow nobody is rejected.
func TestReserveInShadow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shed.New(shed.Config{Shadow: true})
		defer fill(t, s, 1000)()
		if r, rejection := s.Reserve(t.Context(), firebreak.Call{}); r != nil || rejection != nil {
			t.Errorf("got %v, %v, want neither: Do tells of it", r, rejection)
		}
	})
}

// For how long a place was reserved says nothing of how fast the server is: neither when
// the call is made at last nor when it is given up.
func TestReserveTimeDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shed.New(shed.Config{})
		for i := range 300 {
			place, rejection := s.Reserve(t.Context(), firebreak.Call{})
			if place == nil {
				t.Fatalf("call %d was rejected: %v", i+1, rejection)
			}
			time.Sleep(10 * time.Second) // a slow sender
			if i%2 == 0 {
				place.Cancel()
				continue
			}
			_, _ = place.Do(t.Context(), firebreak.Call{}, func(context.Context, firebreak.Call) (any, error) {
				time.Sleep(10 * time.Millisecond)
				return "answer", nil
			})
		}
		if got := s.Snapshot(); got.Baseline != 10*time.Millisecond || got.Latency != 10*time.Millisecond {
			t.Errorf("baseline %v, latency %v, want the 10ms that calls take", got.Baseline, got.Latency)
		}
	})
}

// A token is used, whatever becomes of the call.
func TestRateReserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := shed.Rate(1, 2)
		for range 2 {
			token, rejection := limit.Reserve(t.Context(), firebreak.Call{})
			if token == nil {
				t.Fatalf("got %v, want a token", rejection)
			}
			token.Cancel()
		}
		if _, rejection := limit.Reserve(t.Context(), firebreak.Call{}); rejection == nil || rejection.RetryAfter != time.Second {
			t.Errorf("got %+v, want a rejection for 1s", rejection)
		}
	})
}
