package retry_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/retry"
)

// A load is what clients sent and what came of it.
type load struct {
	calls, good, attempts int
}

func (l *load) amplification() float64 { return float64(l.attempts) / float64(l.calls) }
func (l *load) success() float64       { return float64(l.good) / float64(l.calls) }

func (l *load) String() string {
	return fmt.Sprintf("%d calls, %d good, %d attempts", l.calls, l.good, l.attempts)
}

// What a dependency gets, and what callers get, in virtual time with the default
// settings: amplification is attempts per call.
func TestAmplification(t *testing.T) {
	for _, test := range []struct {
		name             string
		clients, rps     int
		during           time.Duration
		failureRatio     float64
		maxAmplification float64
		minSuccess       float64
	}{
		// 0.2 a call, and the floor: 10 and 3 more among 30,000 calls.
		{"one client at 1,000 rps, all calls fail", 1, 1000, 30 * time.Second, 1, 1.25, 0},
		// 0.2 a call and 0.1 a second, which at one call a second is 1.3. The floor of
		// 10 that each client starts with must not be what is measured: over 250
		// calls it is 0.04.
		{"1,000 clients at 1 rps, all calls fail", 1000, 1, 250 * time.Second, 1, 1.35, 0},
		// 0.2 × 0.2 of all calls would like a third attempt: more than is paid for.
		{"one client at 1,000 rps, one in five fails", 1, 1000, 30 * time.Second, 0.2, 1.25, 0.95},
		{"100 clients at 1 rps, one in five fails", 100, 1, 250 * time.Second, 0.2, 1.35, 0.95},
		{"one client at 1,000 rps, one in 100 fails", 1, 1000, 10 * time.Second, 0.01, 1.02, 0.9999},
		{"one client at 10 rps, all is well", 1, 10, 10 * time.Second, 0, 1, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(1, 2))
				var l load
				// The clients have nothing in common: one may run after the other.
				for range test.clients {
					l.run(t.Context(), test.rps, test.during, func() bool { return random.Float64() < test.failureRatio })
				}
				t.Logf("%v: amplification %.3f, success %.4f", &l, l.amplification(), l.success())
				if got := l.amplification(); got > test.maxAmplification {
					t.Errorf("amplification is %.3f, want at most %v (%v)", got, test.maxAmplification, &l)
				}
				if got := l.success(); got < test.minSuccess {
					t.Errorf("%.4f of the calls succeed, want at least %v (%v)", got, test.minSuccess, &l)
				}
			})
		})
	}
}

// run has a client with a budget of its own make a call each 1/rps. A call does not
// wait for the one before.
func (l *load) run(ctx context.Context, rps int, during time.Duration, fails func() bool) {
	var mu sync.Mutex // guards l and fails
	r, c := retry.New(retry.Config{}), idempotent()
	call := func() {
		_, err := r.Do(ctx, c, func(context.Context, firebreak.Call) (any, error) {
			mu.Lock()
			defer mu.Unlock()
			l.attempts++
			if fails() {
				return nil, errDown
			}
			return nil, nil
		})
		mu.Lock()
		defer mu.Unlock()
		l.calls++
		if err == nil {
			l.good++
		}
	}
	var calls sync.WaitGroup
	pause := time.NewTicker(time.Second / time.Duration(rps))
	defer pause.Stop()
	for range int(during.Seconds()) * rps {
		calls.Go(call)
		<-pause.C
	}
	calls.Wait()
}
