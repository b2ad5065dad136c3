package peers

import (
	"math"
	"testing"
)

func TestAverage(t *testing.T) {
	a := newAverage(19) // a weight of a tenth
	for i := range warmup {
		if got, want := a.add(float64(i)), float64(i)/2; got != want {
			t.Errorf("value %d: got %v, want the mean, %v", i, got, want)
		}
	}
	if got, want := a.add(100), 4.5*0.9+10; math.Abs(got-want) > 1e-9 {
		t.Errorf("after the warm-up: got %v, want %v", got, want)
	}
}

func TestMedian(t *testing.T) {
	var m median
	for i, tt := range []struct{ value, want float64 }{
		{9, 9}, {1, 1}, {8, 8}, {2, 2}, // too few: the value itself
		{3, 3}, {100, 3}, {100, 8}, {100, 100}, // of 9 1 8 2 3, of 1 8 2 3 100, and so on
	} {
		if got := m.add(tt.value); got != tt.want {
			t.Errorf("value %d: got %v, want %v", i, got, tt.want)
		}
	}
}

func TestCorrelation(t *testing.T) {
	for name, tt := range map[string]struct {
		n          int
		x, y       func(i float64) float64
		r, ofThird float64
	}{
		"same":           {50, up, up, 1, 0.2},
		"opposite":       {50, up, down, -1, 0.2},
		"too few":        {9, up, up, 0, 0},
		"enough":         {10, up, up, 1, 0.02},
		"constant":       {50, up, constant, 0, 0},
		"only the last":  {100, up, func(i float64) float64 { return max(i, 50) }, 1, 0.1},
		"of no relation": {48, up, func(i float64) float64 { return 10 + float64(int(i)%2) }, 0, 0.04},
	} {
		var c correlation
		var r, variation float64
		for i := range tt.n {
			r, variation = c.add(tt.x(float64(i)), tt.y(float64(i)))
		}
		if math.Abs(r-tt.r) > 0.05 || variation < tt.ofThird {
			t.Errorf("%s: got %v and a variation of %v, want %v and at least %v", name, r, variation, tt.r, tt.ofThird)
		}
	}
}

func up(i float64) float64     { return 30 + i }
func down(i float64) float64   { return 90 - i }
func constant(float64) float64 { return 7 }

func TestRecentLevels(t *testing.T) {
	var l recentLevels
	if got := l.quantile(0.5); got != 0 {
		t.Errorf("without a request: got %v, want 0", got)
	}
	for i := range 2000 { // the first thousand are forgotten
		l.add(i / 10 * 2)
	}
	for _, tt := range []struct {
		share float64
		want  int
	}{{0, 200}, {0.001, 200}, {0.01, 200}, {0.011, 202}, {0.5, 298}, {1, 398}} {
		if got := l.quantile(tt.share); got != tt.want {
			t.Errorf("share %v: got %v, want %v", tt.share, got, tt.want)
		}
	}
}
