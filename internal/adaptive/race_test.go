package adaptive

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Many callers arrive, wait, leave and release at once: no slot is lost or granted
// twice, and nobody waits for a slot that is free.
func TestManyCallersAtOnce(t *testing.T) {
	const callers, calls = 64, 2000
	l := New(0, Config{})
	var clock, inFlight, admitted, refused, left atomic.Int64
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 0))
			for range calls {
				now := time.Duration(clock.Add(int64(20 * time.Microsecond)))
				ok := l.TryAdmit(now)
				if !ok {
					woken := make(chan struct{})
					w := &Waiter{Wake: func() { close(woken) }}
					switch l.Arrive(now, Class(r.IntN(Classes)), 0, w) {
					case Admitted:
						ok = true
					case Queued:
						if r.IntN(8) == 0 && l.Leave(now, w) {
							left.Add(1)
							continue
						}
						<-woken
						ok = w.Verdict() == Admitted
					default:
					}
				}
				if !ok {
					refused.Add(1)
					l.RetryAfter(now, Default)
					continue
				}
				admitted.Add(1)
				if n := inFlight.Add(1); n > 3*callers {
					t.Errorf("%d in flight", n)
				}
				for range r.IntN(3) {
					now = time.Duration(clock.Add(int64(100 * time.Microsecond)))
				}
				inFlight.Add(-1)
				l.Release(now, time.Duration(r.Int64N(int64(time.Millisecond))), End(r.IntN(3)))
			}
		})
	}
	wg.Wait()
	s := l.Snapshot()
	if s.InFlight != 0 || s.Waiting != [Classes]int{} {
		t.Errorf("at last %d are in flight and %v wait, want none", s.InFlight, s.Waiting)
	}
	if got := admitted.Load() + refused.Load() + left.Load(); got != callers*calls {
		t.Errorf("%d calls came to an end, want %d", got, callers*calls)
	}
}

// A single slot goes round: a wake-up that is lost ends this test never.
func TestASingleSlotGoesRound(t *testing.T) {
	l := New(0, Config{})
	l.estimate.limit = 1
	l.adopt(0)
	var holders atomic.Int64
	var wg sync.WaitGroup
	for range 8 { // no more than there is room for
		wg.Go(func() {
			for range 5000 {
				if !l.TryAdmit(0) {
					woken := make(chan struct{})
					w := &Waiter{Wake: func() { close(woken) }}
					if l.Arrive(0, Default, 0, w) == Queued {
						<-woken
					}
				}
				if holders.Add(1) != 1 {
					t.Error("two have the one slot")
				}
				holders.Add(-1)
				l.Release(0, 0, Ignored)
			}
		})
	}
	wg.Wait()
}

// The number in flight is exact in shadow, too.
func TestManyCallersInShadow(t *testing.T) {
	l := New(0, Config{Shadow: true})
	var clock atomic.Int64
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for range 2000 {
				now := time.Duration(clock.Add(int64(20 * time.Microsecond)))
				if !l.TryAdmit(now) {
					l.Arrive(now, Default, 0, nil)
				}
				l.Release(now+time.Millisecond, time.Millisecond, Completed)
			}
		})
	}
	wg.Wait()
	if s := l.Snapshot(); s.InFlight != 0 {
		t.Errorf("%d are in flight at last, want 0", s.InFlight)
	}
}
