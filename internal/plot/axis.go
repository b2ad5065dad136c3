package plot

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// An Axis maps values to lengths.
type Axis struct {
	// Label says what is measured, and its unit.
	Label string

	// Unit is written after each tick, as in 5× or 10s.
	Unit string

	// Log makes the axis logarithmic: equal factors are equal lengths. Values that
	// are not positive have no place on it.
	Log bool

	// Min and Max are the limits. If both are 0, they follow from the points.
	Min, Max float64

	// Ticks, if not nil, are the values that are written; those out of the limits
	// are left out. The default is a few round values.
	Ticks []float64
}

// tick returns the text of a tick.
func (a Axis) tick(v float64) string {
	return strconv.FormatFloat(v, 'g', 6, 64) + a.Unit
}

// A scale knows where a value is.
type scale struct {
	log      bool
	min, max float64 // values
	from, to float64 // lengths
	ticks    []float64
}

// newScale returns the scale of an axis for the values. The lengths are set later:
// the space that the ticks need decides about them.
func newScale(a Axis, values []float64) scale {
	s := scale{log: a.Log, min: a.Min, max: a.Max, to: 1}
	if !s.has(s.min) || !s.has(s.max) || s.min >= s.max {
		s.min, s.max = s.limits(values)
	}
	ticks := a.Ticks
	if ticks == nil {
		ticks = s.round()
	}
	const slack = 1e-9 // of the limits, for ticks that were added up
	for _, t := range ticks {
		if s.has(t) && t >= s.min-slack*(s.max-s.min) && t <= s.max+slack*(s.max-s.min) {
			s.ticks = append(s.ticks, t)
		}
	}
	return s
}

// has reports whether the value has a place on the scale. What is so large or so
// small that differences and ratios would overflow has none.
func (s scale) has(v float64) bool {
	const huge = 1e150
	if s.log {
		return v >= 1/huge && v <= huge
	}
	return v >= -huge && v <= huge
}

// at returns where the value is. Values far outside are held near: the numbers in
// the SVG stay within what every viewer can draw.
func (s scale) at(v float64) float64 {
	low, high := s.min, s.max
	if s.log {
		v, low, high = math.Log(v), math.Log(low), math.Log(high)
	}
	share := min(max((v-low)/(high-low), -10), 10)
	return s.from + share*(s.to-s.from)
}

// limits returns the lowest and the highest of the values, apart from each other.
func (s scale) limits(values []float64) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if s.has(v) {
			low, high = min(low, v), max(high, v)
		}
	}
	switch {
	case low > high && s.log:
		return 1, 10
	case low > high:
		return 0, 1
	case low < high:
		return low, high
	case s.log:
		return low / 2, low * 2
	default:
		return low - max(math.Abs(low)/2, 1), low + max(math.Abs(low)/2, 1)
	}
}

// round returns some round values between the limits.
func (s scale) round() []float64 {
	if s.log {
		return s.roundLog()
	}
	const want = 5
	rough := 0.7 * (s.max - s.min) / want // rather some more than fewer
	power := math.Pow(10, math.Floor(math.Log10(rough)))
	step := 10 * power
	for _, m := range []float64{1, 2, 5} {
		if m*power >= rough {
			step = m * power
			break
		}
	}
	first := math.Ceil(s.min / step)
	var ticks []float64
	for i := 0.0; i <= 2*want && (first+i)*step <= s.max*(1+1e-9)+step*1e-9; i++ {
		ticks = append(ticks, trim((first+i)*step))
	}
	return ticks
}

// roundLog returns 1, 2 and 5 times the powers of ten, or if that is too many the
// powers alone, and only some of them over a very wide range.
func (s scale) roundLog() []float64 {
	low, high := math.Floor(math.Log10(s.min)), math.Ceil(math.Log10(s.max))
	digits := []float64{1, 2, 5}
	if high-low > 3 {
		digits = digits[:1]
	}
	every := math.Ceil((high - low) / 8)
	var ticks []float64
	for e := low; e <= high; e += every {
		for _, d := range digits {
			ticks = append(ticks, trim(d*math.Pow(10, e)))
		}
	}
	return ticks
}

// trim rounds away what the addition of fractions leaves behind.
func trim(v float64) float64 {
	trimmed, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 12, 64), 64)
	if err != nil {
		return v
	}
	return trimmed
}

func (f frame) writeYAxis(b *strings.Builder, a Axis) {
	for _, t := range f.y.ticks {
		y := f.y.at(t)
		fmt.Fprintf(b, `<path class="plot-grid" d="M%s %sH%s"/>`+"\n", num(f.left), num(y), num(f.right))
		writeText(b, f.left-tickLength-2, y+fontSize*0.35, "end", "plot-tick", a.tick(t))
	}
	if a.Label != "" {
		writeText(b, 4, f.top-10, "start", "plot-label", a.Label)
	}
}

// writeXAxis leaves out a tick whose text would touch the one before.
func (f frame) writeXAxis(b *strings.Builder, a Axis) {
	fmt.Fprintf(b, `<path class="plot-axis" d="M%s %sH%s"/>`+"\n", num(f.left), num(f.bottom), num(f.right))
	free := math.Inf(-1)
	for _, t := range f.x.ticks {
		x, text := f.x.at(t), a.tick(t)
		fmt.Fprintf(b, `<path class="plot-axis" d="M%s %sv%d"/>`+"\n", num(x), num(f.bottom), tickLength)
		if half := float64(len([]rune(text))) * letterWidth / 2; x-half > free {
			writeText(b, x, f.bottom+tickLength+fontSize, "middle", "plot-tick", text)
			free = x + half + letterWidth/2
		}
	}
	if a.Label != "" {
		writeText(b, (f.left+f.right)/2, f.bottom+xTicksHeight+fontSize, "middle", "plot-label", a.Label)
	}
}
