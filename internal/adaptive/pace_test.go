package adaptive

import (
	"slices"
	"testing"
	"time"
)

// A herd comes back at the rate that it can be served at.
func TestPaceSpreadsAHerd(t *testing.T) {
	const herd, rate = 5000, 250
	var p pace
	p.setRate(rate)
	var times []time.Duration
	for range herd {
		times = append(times, p.after(time.Hour))
	}
	slices.Sort(times)
	if times[0] < paceFrom || times[0] > paceFrom*5/4 {
		t.Errorf("the first comes back after %v, want about %v", times[0], paceFrom)
	}
	if last, want := times[herd-1], paceFrom+herd/rate*time.Second; last < want*9/10 || last > want*5/4 {
		t.Errorf("the last comes back after %v, want about %v", last, want)
	}
	for second := range 15 {
		from := time.Duration(second+2) * time.Second
		n := 0
		for _, d := range times {
			if d >= from && d < from+time.Second {
				n++
			}
		}
		if n < rate*3/4 || n > rate*5/4 {
			t.Errorf("%d come back in second %d, want about %d", n, second+2, rate)
		}
	}
}

func TestPace(t *testing.T) {
	for _, test := range []struct {
		name     string
		rate     float64
		refused  int
		at       time.Duration
		min, max time.Duration // of the last
	}{
		{"alone", 10, 1, 0, time.Second, 1250 * time.Millisecond},
		{"alone, much later", 10, 1, 1e6 * time.Hour, time.Second, 1250 * time.Millisecond},
		{"the second of 10 per second", 10, 2, 0, 1100 * time.Millisecond, 1300 * time.Millisecond},
		{"the hundredth", 10, 100, 0, 10900 * time.Millisecond, 13 * time.Second},
		{"no more than a minute", 10, 10000, 0, 30 * time.Second, 75 * time.Second},
		{"hardly any room", 1e-9, 3, 0, 30 * time.Second, 75 * time.Second},
		{"no room", 0, 3, 0, 30 * time.Second, 75 * time.Second},
		{"any room", 1e12, 1000, 0, time.Second, 1250 * time.Millisecond},
	} {
		var p pace
		p.setRate(test.rate)
		var got time.Duration
		for range test.refused {
			got = p.after(test.at)
		}
		if got < test.min || got > test.max {
			t.Errorf("%s: got %v, want %v to %v", test.name, got, test.min, test.max)
		}
	}
}

// Those who were refused long ago have come: their times are free again.
func TestPaceForgets(t *testing.T) {
	var p pace
	p.setRate(1)
	for range 1000 {
		p.after(0)
	}
	if got := p.after(2 * time.Minute); got > 2*time.Second {
		t.Errorf("got %v two minutes after a herd, want about 1s", got)
	}
}
