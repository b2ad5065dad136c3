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
	first := 0
	for _, a := range all {
		if a.class == critical {
			first++
		}
	}
	if got := float64(first) / float64(len(all)); math.Abs(got-criticalShare) > 0.01 {
		t.Errorf("got %.3f of the callers critical, want %v", got, criticalShare)
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
