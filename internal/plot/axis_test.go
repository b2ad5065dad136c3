package plot

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTicks(t *testing.T) {
	for name, tt := range map[string]struct {
		axis   Axis
		values []float64
		want   []float64
	}{
		"unit":             {Axis{Max: 1}, nil, []float64{0, 0.2, 0.4, 0.6, 0.8, 1}},
		"a little over":    {Axis{Max: 1.1}, nil, []float64{0, 0.2, 0.4, 0.6, 0.8, 1}},
		"hundred":          {Axis{}, []float64{3, 97}, []float64{20, 40, 60, 80}},
		"negative":         {Axis{}, []float64{-1, 1}, []float64{-1, -0.5, 0, 0.5, 1}},
		"large":            {Axis{}, []float64{0, 12345}, []float64{0, 2000, 4000, 6000, 8000, 10000, 12000}},
		"decade":           {Axis{Log: true}, []float64{0.5, 10}, []float64{0.5, 1, 2, 5, 10}},
		"decades":          {Axis{Log: true}, []float64{1, 1e6}, []float64{1, 10, 100, 1000, 1e4, 1e5, 1e6}},
		"many decades":     {Axis{Log: true}, []float64{1, 1e16}, []float64{1, 1e2, 1e4, 1e6, 1e8, 1e10, 1e12, 1e14, 1e16}},
		"one's own":        {Axis{Max: 10, Ticks: []float64{-1, 0, 7, 10, 11}}, nil, []float64{0, 7, 10}},
		"none":             {Axis{Max: 10, Ticks: []float64{}}, nil, nil},
		"one value":        {Axis{}, []float64{4}, []float64{2, 3, 4, 5, 6}},
		"one value in log": {Axis{Log: true}, []float64{4}, []float64{2, 5}},
	} {
		if got := newScale(tt.axis, tt.values).ticks; !cmp.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}

func TestScale(t *testing.T) {
	for name, tt := range map[string]struct {
		axis  Axis
		value float64
		want  float64 // of 0 to 1
	}{
		"low":            {Axis{Min: 2, Max: 4}, 2, 0},
		"middle":         {Axis{Min: 2, Max: 4}, 3, 0.5},
		"high":           {Axis{Min: 2, Max: 4}, 4, 1},
		"above":          {Axis{Min: 2, Max: 4}, 6, 2},
		"far above":      {Axis{Min: 2, Max: 4}, 1e9, 10},
		"log middle":     {Axis{Min: 1, Max: 100, Log: true}, 10, 0.5},
		"log below":      {Axis{Min: 1, Max: 100, Log: true}, 0.01, -1},
		"limits swapped": {Axis{Min: 4, Max: 2}, 0.5, 0.5}, // as if there were none
	} {
		if got := newScale(tt.axis, nil).at(tt.value); math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}

func TestLegendWraps(t *testing.T) {
	lines := []Line{{Name: "one of them"}, {Name: ""}, {Name: "another"}, {Name: "and a third"}}
	for name, tt := range map[string]struct {
		width float64
		rows  []float64
	}{
		"wide":   {500, []float64{0, 0, 0}},
		"narrow": {260, []float64{0, 0, 1}},
		"tiny":   {10, []float64{0, 1, 2}},
	} {
		l := newLegend(lines, tt.width)
		var rows []float64
		for _, e := range l.entries {
			rows = append(rows, e.y/legendRow)
		}
		if !cmp.Equal(rows, tt.rows) {
			t.Errorf("%s: got rows %v, want %v", name, rows, tt.rows)
		}
	}
}
