// Package traffic has callers come as they do in reality: at random, at their own rate,
// whether or not those before them have been served.
package traffic

import (
	"iter"
	"math/rand/v2"
	"time"
)

// Arrivals yields when callers come from begin on and before end: independent of each
// other (a Poisson process), rate of them a second on average. Dice that are seeded alike
// give the same times; what else is thrown between two times has its part in that.
func Arrivals(dice *rand.Rand, rate float64, begin, end time.Duration) iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		for after := 0.0; ; {
			after += dice.ExpFloat64() / rate
			at := begin + time.Duration(after*float64(time.Second))
			if at >= end || !yield(at) {
				return
			}
		}
	}
}

// Quantile returns the value of sorted that the share q of all does not pass, or 0 if
// there are none.
func Quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, min(len(sorted)-1, int(q*float64(len(sorted))+0.5)-1))]
}
