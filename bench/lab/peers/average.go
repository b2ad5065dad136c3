package peers

import "slices"

// An average is an exponentially weighted one: over the first ten values it is
// their mean. Netflix and failsafe-go have the same.
type average struct {
	factor float64 // the weight of a new value
	n      int     // values so far, up to warmup
	sum    float64 // of them
	value  float64
}

const warmup = 10

// newAverage returns one that remembers about age values.
func newAverage(age int) average { return average{factor: 2 / float64(age+1)} }

func (a *average) add(v float64) float64 {
	if a.n < warmup {
		a.n++
		a.sum += v
		a.value = a.sum / float64(a.n)
	} else {
		a.value = a.value*(1-a.factor) + v*a.factor
	}
	return a.value
}

// A median is that of the last five values, or the last value while there are
// fewer.
type median struct {
	values [5]float64
	n      int // values so far
}

func (m *median) add(v float64) float64 {
	m.values[m.n%len(m.values)] = v
	m.n++
	if m.n < len(m.values) {
		return v
	}
	sorted := m.values
	slices.Sort(sorted[:])
	return sorted[len(sorted)/2]
}
