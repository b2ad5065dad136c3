package breaker

import (
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/sony/gobreaker/v2"

	"github.com/firebreak-go/firebreak"
)

var failed = firebreak.Outcome{Class: firebreak.Failure, Err: errors.New("status 503")}

func TestOpenFor(t *testing.T) {
	const s = time.Second
	for _, test := range []struct {
		n           int32
		base, limit time.Duration
		want        time.Duration // in the middle of the spread
	}{
		{1, 5 * s, 60 * s, 5 * s},
		{2, 5 * s, 60 * s, 10 * s},
		{3, 5 * s, 60 * s, 20 * s},
		{4, 5 * s, 60 * s, 40 * s},
		{5, 5 * s, 60 * s, 60 * s},
		{6, 5 * s, 60 * s, 60 * s},
		{math.MaxInt32, 5 * s, 60 * s, 60 * s},
		{2, 30 * s, 60 * s, 60 * s},
		{2, 29 * s, 60 * s, 58 * s},
		{2, 31 * s, 60 * s, 60 * s},
		{2, 5 * time.Nanosecond, 11 * time.Nanosecond, 10 * time.Nanosecond},
		{1, 60 * s, 60 * s, 60 * s},
		{9, 60 * s, 60 * s, 60 * s},
		{math.MaxInt32, 1, longestOpen, longestOpen},
	} {
		if got := openFor(test.n, test.base, test.limit, 0.5); got != test.want {
			t.Errorf("openFor(%d, %v, %v, 0.5) = %v, want %v", test.n, test.base, test.limit, got, test.want)
		}
	}
}

func TestOpenForIsSpreadByAFifth(t *testing.T) {
	for _, test := range []struct {
		chance float64
		want   time.Duration
	}{
		{0, 8 * time.Second},
		{0.25, 9 * time.Second},
		{0.5, 10 * time.Second},
		{0.75, 11 * time.Second},
		{math.Nextafter(1, 0), 12*time.Second - 1},
	} {
		got := openFor(2, 5*time.Second, time.Minute, test.chance)
		if d := got - test.want; d < -1 || d > 1 {
			t.Errorf("openFor(2, 5s, 1m, %v) = %v, want %v", test.chance, got, test.want)
		}
	}
}

// TestOpenTimesDiffer holds that the spread is used: clients that opened together
// do not probe together.
func TestOpenTimesDiffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := make(map[time.Duration]bool)
		for range 100 {
			b := New(Config{})
			b.circuit.moved("", gobreaker.StateClosed, gobreaker.StateOpen)
			d := time.Until(b.circuit.until)
			if d < 4*time.Second || d > 6*time.Second {
				t.Fatalf("open for %v, want 4s to 6s", d)
			}
			seen[d] = true
		}
		if len(seen) < 90 {
			t.Errorf("100 breakers were open for %d different times, want about 100", len(seen))
		}
	})
}

// TestRatioIsExact: 3 of 30 are 0.1. The product 0.1·30 is a little more than 3.
func TestRatioIsExact(t *testing.T) {
	for calls := uint32(1); calls <= 200; calls++ {
		for failures := uint32(1); failures <= calls; failures++ {
			c := circuit{cfg: &Config{MinCalls: 1, ConsecutiveFailures: math.MaxInt32, FailureRatio: float64(failures) / float64(calls)}}
			counts := gobreaker.Counts{Requests: calls, TotalFailures: failures}
			if !c.tooManyFailures(counts) {
				t.Errorf("%d failures of %d do not reach the ratio %v", failures, calls, c.cfg.FailureRatio)
			}
			counts.TotalFailures--
			if c.tooManyFailures(counts) {
				t.Errorf("%d failures of %d reach the ratio %v", counts.TotalFailures, calls, c.cfg.FailureRatio)
			}
		}
	}
	c := circuit{cfg: &Config{MinCalls: 30, ConsecutiveFailures: math.MaxInt32, FailureRatio: 0.1}}
	if !c.tooManyFailures(gobreaker.Counts{Requests: 30, TotalFailures: 3}) {
		t.Error("3 failures of 30 do not reach the ratio 0.1")
	}
}

// TestWindowHasTenBuckets also where it is not a multiple of ten: with eleven it
// would be a tenth longer.
func TestWindowHasTenBuckets(t *testing.T) {
	for _, window := range []time.Duration{100 * time.Millisecond, 100*time.Millisecond + 1, 333333333, 999999999, time.Hour - 1, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			b := New(Config{Window: window, MinCalls: 2, ConsecutiveFailures: 100})
			b.circuit.vote(permit{}, failed)
			time.Sleep(window + buckets) // rounded up bucket by bucket
			b.circuit.vote(permit{}, failed)
			if b.circuit.state != Closed {
				t.Errorf("window %v: a failure counts after %v", window, window+buckets)
			}
			time.Sleep(window * 8 / buckets)
			b.circuit.vote(permit{}, failed)
			if b.circuit.state != Open {
				t.Errorf("window %v: a failure does not count after %v", window, window*8/buckets)
			}
		})
	}
}

// TestSize: a breaker per host costs less than 288 bytes besides its window.
func TestSize(t *testing.T) {
	if got := unsafe.Sizeof(Breaker{}); got >= 288 {
		t.Errorf("a Breaker has %d bytes, want less than 288", got)
	}
}

// TestTimerOfProbeIsStopped: a probe that has voted leaves no timer behind.
func TestTimerOfProbeIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Config{ConsecutiveFailures: 1, Probes: 3})
		b.circuit.vote(permit{}, failed)
		time.Sleep(time.Minute)
		for _, class := range []firebreak.Class{firebreak.Ignored, firebreak.Overload, firebreak.Success, firebreak.Failure} {
			p, err := b.admit(t.Context(), firebreak.Call{}, firebreak.Origin{})
			if err != nil || p.probe == nil || p.probe.timer == nil {
				t.Fatalf("admit returns %+v, %v, want a probe with a time limit", p, err)
			}
			b.vote(t.Context(), firebreak.Origin{}, p, firebreak.Outcome{Class: class})
			if p.probe.timer.Stop() {
				t.Errorf("after a vote of class %v the timer still runs", class)
			}
		}
	})
}

// TestGobreakerDropsLongCalls holds the reason for which calls are shown to
// gobreaker when they end. When it fails, gobreaker has changed: see
// docs/decisions/gobreaker.md.
func TestGobreakerDropsLongCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		machine := gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{Interval: 30 * time.Second, BucketPeriod: 3 * time.Second})
		var dones []func(error)
		for range 20 {
			done, err := machine.Allow()
			if err != nil {
				t.Fatal(err)
			}
			dones = append(dones, done)
		}
		time.Sleep(31 * time.Second)
		for _, done := range dones {
			done(errors.New("hung"))
		}
		if got := machine.Counts().TotalFailures; got != 0 {
			t.Errorf("gobreaker counts %d of 20 calls that failed after more than its interval, want 0", got)
		}
	})
}

// TestGobreakerProbeHoldsForever holds the reason for ProbeTimeout.
func TestGobreakerProbeHoldsForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		machine := gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{Timeout: time.Second})
		for range 6 {
			done, err := machine.Allow()
			if err != nil {
				t.Fatal(err)
			}
			done(errors.New("failed"))
		}
		time.Sleep(2 * time.Second)
		if _, err := machine.Allow(); err != nil { // the probe, which never says how it ended
			t.Fatal(err)
		}
		time.Sleep(365 * 24 * time.Hour)
		if _, err := machine.Allow(); !errors.Is(err, gobreaker.ErrTooManyRequests) {
			t.Errorf("a year after a probe that hangs: got %v, want %v", err, gobreaker.ErrTooManyRequests)
		}
	})
}

// "Counters saturate/wrap safely: int64 counts, rate with 0 executions is 0, not NaN."
func TestA12_221_NoCallsAreNoRatio(t *testing.T) {
	cfg := Config{}.withDefaults()
	c := circuit{cfg: &cfg}
	for _, test := range []struct {
		name string
		n    gobreaker.Counts
		row  int32
		want bool
	}{
		{"nothing", gobreaker.Counts{}, 0, false},
		{"failures without calls", gobreaker.Counts{TotalFailures: 5}, 0, false},
		{"as many calls as can be counted", gobreaker.Counts{Requests: math.MaxUint32, TotalFailures: math.MaxUint32 / 4}, 0, false},
		{"the same, half of them failed", gobreaker.Counts{Requests: math.MaxUint32, TotalFailures: math.MaxUint32/2 + 1}, 0, true},
		{"as many in a row as can be counted", gobreaker.Counts{}, math.MaxInt32, true},
	} {
		c.inRow = test.row
		if got := c.tooManyFailures(test.n); got != test.want {
			t.Errorf("%s: tooManyFailures is %v, want %v", test.name, got, test.want)
		}
	}
}
