package main

import (
	"testing"
	"time"
)

// calls makes a tally of one call each 10ms: in phase 0, or after a "|" in phase 1,
// good (g), bad (b) or waiting (w).
func calls(script string) *tally {
	t := newTally(2)
	at := time.Duration(0)
	for _, c := range script {
		if c == '|' {
			t.enter(1)
			continue
		}
		n := t.call(at)
		switch c {
		case 'g':
			t.settle(n, at+time.Millisecond, good)
		case 'b':
			t.settle(n, at+2*time.Millisecond, bad)
		}
		at += 10 * time.Millisecond
	}
	return t
}

func TestRecovery(t *testing.T) {
	const ms = time.Millisecond
	for _, tt := range []struct {
		script string
		begin  time.Duration
		want   time.Duration
		ok     bool
	}{
		{"bbbb|gggggggggg", 40 * ms, 0, true},
		{"bbgg|bbgggggggggg", 40 * ms, 20 * ms, true},
		{"bb|gggbggggggggggb", 20 * ms, 40 * ms, true},  // ten after the bad one
		{"bb|gggggggggbggggg", 20 * ms, 100 * ms, true}, // nine are too few, and the phase may end before ten
		{"bb|ggggb", 20 * ms, 40 * ms, false},
		{"bb|bbb", 20 * ms, 20 * ms, false},
		{"bb|bbwww", 20 * ms, 10 * ms, false}, // cut off
		{"bb", 20 * ms, 0, false},
	} {
		got, ok := calls(tt.script).recovery(1, tt.begin)
		if got != tt.want || ok != tt.ok {
			t.Errorf("recovery of %s: got %v, %t, want %v, %t", tt.script, got, ok, tt.want, tt.ok)
		}
	}
}

func TestRow(t *testing.T) {
	tally := calls("gb")
	tally.hold(2)
	tally.attempted()
	tally.hold(-1)
	tally.enter(1)
	tally.attempted()
	n := tally.call(time.Second)
	tally.settle(n, 2*time.Second, bad)
	tally.settle(n, 3*time.Second, good) // too late
	tally.call(time.Second)
	for i, want := range []row{
		{came: 2, calls: 2, good: 1, p50: time.Millisecond, p99: 2 * time.Millisecond, attempts: 1, slots: 2, busy: 1},
		{came: 2, calls: 1, p50: time.Second, p99: time.Second, attempts: 1, slots: 1, busy: 1},
	} {
		if got := tally.row(i); got != want {
			t.Errorf("row %d: got %+v, want %+v", i, got, want)
		}
	}
	if got := tally.total(); got.came != 4 || got.calls != 3 || got.good != 1 || got.attempts != 2 || got.slots != 2 {
		t.Errorf("total: got %+v", got)
	}
}
