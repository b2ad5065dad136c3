package traffic

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func seeded(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

func TestArrivals(t *testing.T) {
	const rate, begin, seconds = 500, 3 * time.Second, 100
	end := begin + seconds*time.Second
	all := slices.Collect(Arrivals(seeded(1), rate, begin, end))
	if !slices.IsSorted(all) {
		t.Error("callers do not come in order")
	}
	if last := all[len(all)-1]; last >= end || all[0] < begin {
		t.Errorf("got callers from %v to %v, want them from %v, and none from %v on", all[0], last, begin, end)
	}
	// Of a Poisson process as many come as on average, give or take their square root.
	if got, sigma := float64(len(all)), math.Sqrt(rate*seconds); math.Abs(got-rate*seconds) > 4*sigma {
		t.Errorf("got %v callers in %vs at %v a second, want about %v", got, seconds, rate, rate*seconds)
	}
	gaps := make([]float64, 0, len(all))
	for i, at := range all {
		if i > 0 {
			gaps = append(gaps, (at - all[i-1]).Seconds())
		}
	}
	mean, square := 0., 0.
	for _, g := range gaps {
		mean += g / float64(len(gaps))
		square += g * g / float64(len(gaps))
	}
	if got := math.Sqrt(square-mean*mean) / mean; math.Abs(got-1) > 0.05 {
		t.Errorf("gaps between callers: got a standard deviation of %.3f times the mean, want 1 as of a Poisson process", got)
	}
}

func TestEqualSeedsGiveEqualArrivals(t *testing.T) {
	of := func(seed uint64) []time.Duration {
		return slices.Collect(Arrivals(seeded(seed), 100, 0, time.Second))
	}
	if !slices.Equal(of(1), of(1)) {
		t.Error("two runs of one seed differ")
	}
	if slices.Equal(of(1), of(2)) {
		t.Error("the runs of two seeds are equal")
	}
}

func TestQuantile(t *testing.T) {
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(i+1))
	}
	for _, tt := range []struct {
		sorted []time.Duration
		q      float64
		want   time.Duration
	}{
		{nil, 0.5, 0},
		{[]time.Duration{7}, 0.5, 7},
		{[]time.Duration{7}, 0.99, 7},
		{[]time.Duration{1, 2, 3}, 0.5, 2},
		{[]time.Duration{1, 2, 3, 4}, 0.5, 2},
		{[]time.Duration{1, 2, 3, 4}, 0.99, 4},
		{[]time.Duration{1, 2, 3, 4}, 0, 1},
		{hundred, 0.5, 50},
		{hundred, 0.99, 99},
		{hundred, 1, 100},
	} {
		if got := Quantile(tt.sorted, tt.q); got != tt.want {
			t.Errorf("Quantile of %d values at %v: got %d, want %d", len(tt.sorted), tt.q, got, tt.want)
		}
	}
}
