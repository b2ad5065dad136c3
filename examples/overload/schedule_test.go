package main

import (
	"math"
	"slices"
	"testing"
	"time"
)

func TestSchedule(t *testing.T) {
	const rate, seconds = 500, 100
	all := newSchedule(1, rate, seconds*time.Second)
	if !slices.IsSortedFunc(all, func(a, b arrival) int { return int(a.at - b.at) }) {
		t.Error("callers do not come in order")
	}
	if last := all[len(all)-1].at; last >= seconds*time.Second || all[0].at < 0 {
		t.Errorf("got callers from %v to %v, want none from 100s on", all[0].at, last)
	}
	// Of a Poisson process as many come as on average, give or take their square root.
	if got, sigma := float64(len(all)), math.Sqrt(rate*seconds); math.Abs(got-rate*seconds) > 4*sigma {
		t.Errorf("got %v callers in %vs at %v a second, want about %v", got, seconds, rate, rate*seconds)
	}
	first := 0
	gaps := make([]float64, 0, len(all))
	for i, a := range all {
		if a.class == critical {
			first++
		}
		if i > 0 {
			gaps = append(gaps, (a.at - all[i-1].at).Seconds())
		}
	}
	if got := float64(first) / float64(len(all)); math.Abs(got-criticalShare) > 0.01 {
		t.Errorf("got %.3f of the callers critical, want %v", got, criticalShare)
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

func TestEqualSeedsGiveEqualSchedules(t *testing.T) {
	a, b, c := newSchedule(1, 100, time.Second), newSchedule(1, 100, time.Second), newSchedule(2, 100, time.Second)
	if !slices.Equal(a, b) {
		t.Error("two schedules of one seed differ")
	}
	if slices.Equal(a, c) {
		t.Error("two schedules of two seeds are equal")
	}
}
