package main

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/firebreak-go/firebreak/examples/internal/database"
)

func TestScriptFillsTheTime(t *testing.T) {
	for _, total := range []time.Duration{minDuration, defaultDuration, maxDuration} {
		at := time.Duration(0)
		for _, p := range script(total) {
			if p.begin != at || p.end <= p.begin {
				t.Errorf("%v: %s is from %v to %v, want it to begin at %v", total, p.name, p.begin, p.end, at)
			}
			at = p.end
		}
		if at != total {
			t.Errorf("script of %v: ends at %v", total, at)
		}
	}
}

func TestSchedule(t *testing.T) {
	const seconds = 100
	phases := []phase{{load: usualLoad, end: seconds * time.Second}, {load: overload, begin: seconds * time.Second, end: 2 * seconds * time.Second}}
	all := newSchedule(1, phases)
	if !slices.IsSortedFunc(all, func(a, b arrival) int { return int(a.at - b.at) }) {
		t.Error("callers do not come in order")
	}
	var came [2]float64
	var of [methods]float64
	for _, a := range all {
		if a.at < phases[a.phase].begin || a.at >= phases[a.phase].end {
			t.Fatalf("a caller of phase %d comes at %v", a.phase, a.at)
		}
		came[a.phase]++
		of[a.method]++
	}
	for n, p := range phases {
		if want := p.load * database.Capacity * seconds; math.Abs(came[n]-want) > 4*math.Sqrt(want) {
			t.Errorf("load %v: got %v callers, want about %v", p.load, came[n], want)
		}
	}
	sum := 0.0
	for m, share := range shares {
		sum += share
		if got := of[m] / float64(len(all)); math.Abs(got-share) > 0.01 {
			t.Errorf("%s: got %.3f of the callers, want %v", method(m), got, share)
		}
	}
	if math.Abs(sum-1) > 1e-9 {
		t.Errorf("the shares add up to %v, want 1", sum)
	}
	if pick(0) != getItem || pick(1-1e-12) != placeOrder || pick(1) != getItem {
		t.Errorf("pick of 0, nearly 1 and 1: got %v, %v, %v", pick(0), pick(1-1e-12), pick(1))
	}
}

func TestEqualSeedsGiveEqualSchedules(t *testing.T) {
	of := func(seed uint64) []arrival { return newSchedule(seed, script(time.Second)) }
	if !slices.Equal(of(1), of(1)) {
		t.Error("two schedules of one seed differ")
	}
	if slices.Equal(of(1), of(2)) {
		t.Error("two schedules of two seeds are equal")
	}
}
