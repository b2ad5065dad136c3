package peers

import "math"

// levels is how many levels failsafe-go divides its five priorities into, a hundred
// for each.
const levels = 500

// recentLevels are those of the last thousand requests that came while the limit
// was reached.
type recentLevels struct {
	window [1000]int
	n      int // requests so far
	counts [levels]int
}

func (l *recentLevels) add(level int) {
	at := &l.window[l.n%len(l.window)]
	if l.n >= len(l.window) {
		l.counts[*at]--
	}
	*at = level
	l.counts[level]++
	l.n++
}

// quantile returns the level that the given share of the requests does not exceed,
// or 0 if there were none.
func (l *recentLevels) quantile(share float64) int {
	want := max(1, int(math.Ceil(share*float64(min(l.n, len(l.window))))))
	for level, n := range &l.counts {
		want -= n
		if want <= 0 {
			return level
		}
	}
	return 0
}
