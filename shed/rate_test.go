package shed_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/policytest"
	"github.com/firebreak-go/firebreak/shed"
)

func TestRateContract(t *testing.T) {
	policytest.Run(t, func() firebreak.Policy { return shed.Rate(100, 1000) })
}

func answer(context.Context, firebreak.Call) (any, error) { return "answer", nil }

// admitted makes calls until one is rejected and returns how many passed, and the
// rejection.
func admitted(t *testing.T, p firebreak.Policy) (n int, rejection *firebreak.RejectedError) {
	t.Helper()
	for ; n < 1e6; n++ {
		if _, err := p.Do(t.Context(), firebreak.Call{}, answer); err != nil {
			rejection, _ := errors.AsType[*firebreak.RejectedError](err)
			if rejection == nil || !errors.Is(err, shed.ErrRate) {
				t.Fatalf("call %d: got %v, want a rejection around %v", n+1, err, shed.ErrRate)
			}
			return n, rejection
		}
	}
	t.Fatal("a million calls passed")
	return n, nil
}

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := shed.Rate(4, 3)
		n, rejection := admitted(t, limit)
		if n != 3 || rejection.RetryAfter != 250*time.Millisecond || rejection.Policy != "rate" || rejection.Reason != "limit" {
			t.Errorf("at first %d pass, then %+v, want 3, and the next after 250ms", n, rejection)
		}
		time.Sleep(100 * time.Millisecond)
		if n, rejection = admitted(t, limit); n != 0 || rejection.RetryAfter.Round(time.Microsecond) != 150*time.Millisecond {
			t.Errorf("after 100ms %d pass, the next after %v, want none, and 150ms", n, rejection.RetryAfter)
		}
		time.Sleep(rejection.RetryAfter)
		if n, _ = admitted(t, limit); n != 1 {
			t.Errorf("after its RetryAfter %d pass, want 1", n)
		}
		time.Sleep(365 * 24 * time.Hour)
		if n, _ = admitted(t, limit); n != 3 {
			t.Errorf("after a year %d pass, want the burst of 3", n)
		}
	})
}

// A rejection costs nobody else anything, and neither does a caller who has left.
func TestRateRejectionsUseNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := shed.Rate(10, 1)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		for range 100 {
			if _, err := limit.Do(gone, firebreak.Call{}, answer); !errors.Is(err, context.Canceled) {
				t.Fatalf("got %v, want %v", err, context.Canceled)
			}
			if _, err := limit.Do(t.Context(), firebreak.Call{Exempt: true}, answer); err != nil {
				t.Fatalf("an exempt call: got %v", err)
			}
		}
		passed := 0
		for range 1000 { // in ten seconds
			if _, err := limit.Do(t.Context(), firebreak.Call{}, answer); err == nil {
				passed++
			}
			time.Sleep(10 * time.Millisecond)
		}
		if passed != 100 {
			t.Errorf("%d passed in 10s, want 100", passed)
		}
	})
}

func TestRateOfNextToNothing(t *testing.T) {
	for _, perSecond := range []float64{math.SmallestNonzeroFloat64, 1e-300, 1e-9} {
		if _, rejection := admitted(t, shed.Rate(perSecond, 1)); rejection.RetryAfter != 24*time.Hour {
			t.Errorf("%v a second: the next after %v, want it told as a day", perSecond, rejection.RetryAfter)
		}
	}
	limit := shed.Rate(math.MaxFloat64, 1)
	for range 1000 {
		if _, err := limit.Do(t.Context(), firebreak.Call{}, answer); err != nil {
			rejection, _ := errors.AsType[*firebreak.RejectedError](err)
			if rejection == nil || rejection.RetryAfter <= 0 {
				t.Fatalf("got %v, want a RetryAfter over 0", err)
			}
		}
	}
}

func TestRateProblems(t *testing.T) {
	for _, test := range []struct {
		perSecond float64
		burst     int
		want      string
	}{
		{0, 1, "shed.Rate: perSecond is 0, want a number over 0"},
		{math.NaN(), 1, "shed.Rate: perSecond is NaN, want a number over 0"},
		{math.Inf(1), 1, "shed.Rate: perSecond is +Inf, want a number over 0"},
		{-1, -2, "shed.Rate: perSecond is -1, want a number over 0\nburst is -2, want 1 or more"},
	} {
		got := func() (text string) {
			defer func() { text = fmt.Sprint(recover()) }()
			shed.Rate(test.perSecond, test.burst)
			return ""
		}()
		if got != test.want {
			t.Errorf("Rate(%v, %d) panicked with %q, want %q", test.perSecond, test.burst, got, test.want)
		}
	}
}

// Behaviour 226: one caller in Keyed has its own quota, which a million others cannot
// have forgotten, nor fill the memory.
func TestA12_226_RatePerCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		perCaller := firebreak.Keyed(func(c firebreak.Call) string { return c.Target }, func(string) firebreak.Policy { return shed.Rate(0.01, 2) },
			firebreak.MaxKeys(100))
		call := func(caller string) error {
			_, err := perCaller.Do(t.Context(), firebreak.Call{Target: caller}, answer)
			return err
		}
		for range 2 {
			if err := call("busy"); err != nil {
				t.Fatal(err)
			}
		}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i := range 100_000 {
			_ = call(fmt.Sprint("hostile ", i))
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if err := call("busy"); !errors.Is(err, shed.ErrRate) {
			t.Errorf("got %v, want %v: new keys give nobody a new quota", err, shed.ErrRate)
		}
		if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 || perCaller.Len() > 100 {
			t.Errorf("%d keys, %d bytes more, want at most 100 and 1 MiB", perCaller.Len(), grown)
		}
	})
}

// Exactly the burst passes when all come at once.
func TestRateConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := shed.Rate(1, 50)
		var passed atomic.Int64
		var callers sync.WaitGroup
		for range 200 {
			callers.Go(func() {
				if _, err := limit.Do(t.Context(), firebreak.Call{}, answer); err == nil {
					passed.Add(1)
				}
			})
		}
		callers.Wait()
		if n := passed.Load(); n != 50 {
			t.Errorf("%d of 200 passed at once, want 50", n)
		}
	})
}

func TestRateDescribe(t *testing.T) {
	s := firebreak.New("api", shed.Rate(2.5, 10))
	if got, want := s.String(), "api: timeout 30s (default) → rate 2.5/s (burst 10)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
