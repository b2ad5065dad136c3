package retry

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Conservation under concurrency: in a bubble no time passes while goroutines run,
// so what was granted and what is left are exactly what came in.
func TestBudgetConservationUnderConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(BudgetConfig{})
		const workers, deposits = 16, 1000
		var granted atomic.Int64
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() {
				for i := range deposits {
					b.deposit()
					if (i+w)%3 == 0 && b.withdraw() {
						granted.Add(1)
					}
				}
			})
		}
		wg.Wait()
		in := DefaultRatio*workers*deposits + DefaultFloor
		if out := float64(granted.Load()) + b.Available(); math.Abs(out-in) > 1e-9 {
			t.Errorf("%d granted and %v left of what %d calls paid and the floor, want %v together", granted.Load(), b.Available(), workers*deposits, in)
		}
		if granted.Load() == 0 {
			t.Error("nothing granted: the test shows nothing")
		}
	})
}

func TestBudgetExpiresAndGrowsBackInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(BudgetConfig{})
		for range 100 {
			b.deposit()
		}
		for range 25 {
			if !b.withdraw() {
				t.Fatal("withdraw refused, want 30 to be there")
			}
		}
		for _, want := range []struct {
			after time.Duration
			left  float64
		}{{0, 5}, {10 * time.Second, 6}, {40 * time.Second, 10}, {365 * 24 * time.Hour, 10}} {
			time.Sleep(want.after)
			if got := b.Available(); got != want.left {
				t.Errorf("%v later: %v available, want %v", want.after, got, want.left)
			}
		}
	})
}

func TestBudgetConfigValidate(t *testing.T) {
	for _, test := range []struct {
		cfg  BudgetConfig
		want string
	}{
		{BudgetConfig{}, ""},
		{BudgetConfig{Ratio: 1, Window: time.Second, Floor: 1, FloorRate: 100}, ""},
		{BudgetConfig{Ratio: 0.001, Window: time.Hour, Floor: 1000, FloorRate: 0.001}, ""},
		{
			BudgetConfig{Ratio: 1.5, Window: time.Millisecond, Floor: -1, FloorRate: -0.1},
			"Ratio is 1.5, want over 0 and at most 1\n" +
				"Window is 1ms, want 1s to 1h\n" +
				"Floor is -1, want 0 to 1000, where 0 stands for 10\n" +
				"FloorRate is -0.1, want over 0 and at most 100",
		},
		{
			BudgetConfig{Ratio: math.NaN(), Window: 2 * time.Hour, Floor: 1001, FloorRate: math.Inf(1)},
			"Ratio is NaN, want over 0 and at most 1\n" +
				"Window is 2h0m0s, want 1s to 1h\n" +
				"Floor is 1001, want 0 to 1000, where 0 stands for 10\n" +
				"FloorRate is +Inf, want over 0 and at most 100",
		},
		{BudgetConfig{Window: -time.Second}, "Window is -1s, want 1s to 1h"},
		{BudgetConfig{FloorRate: math.NaN()}, "FloorRate is NaN, want over 0 and at most 100"},
	} {
		got := ""
		if err := test.cfg.Validate(); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%+v.Validate() = %q, want %q", test.cfg, got, test.want)
		}
	}
}

func TestA12_218_NewBudgetPanicsOnABadConfig(t *testing.T) {
	defer func() {
		if got, want := fmt.Sprint(recover()), "retry.NewBudget: Ratio is 2, want over 0 and at most 1"; got != want {
			t.Errorf("NewBudget panicked with %q, want %q", got, want)
		}
	}()
	NewBudget(BudgetConfig{Ratio: 2})
}
