package peers

import (
	"math"
	"time"
)

// A sample is what Netflix's limits learn from: one answer, or a window of them.
type sample struct {
	latency  time.Duration // the mean of a window
	inFlight int           // the highest of a window, at the start of a request and with itself
	dropped  bool          // any of a window
}

// A netflixLimit is one of Netflix's algorithms.
type netflixLimit interface {
	current() int
	add(now time.Duration, s sample)
}

// windowed gives a limit the means of windows of 1s, as WindowedLimit of Netflix's
// concurrency-limits does with its defaults. A window with fewer than 10 answers is
// thrown away, and an answer within 100µs does not count.
type windowed struct {
	netflixLimit
	end time.Duration

	count int
	sum   time.Duration
	peak  sample
}

func (w *windowed) add(now time.Duration, s sample) {
	const (
		length   = time.Second
		minCount = 10
		fastest  = 100 * time.Microsecond
	)
	if s.latency < fastest {
		return
	}
	w.count++
	w.sum += s.latency
	w.peak.inFlight = max(w.peak.inFlight, s.inFlight)
	w.peak.dropped = w.peak.dropped || s.dropped
	if now <= w.end {
		return
	}
	window := w.peak
	window.latency = w.sum / time.Duration(w.count)
	if w.count >= minCount {
		w.netflixLimit.add(now, window)
	}
	w.end, w.count, w.sum, w.peak = now+length, 0, 0, sample{}
}

// netflixStep returns the logarithm of the limit to the base 10, at least 1.
func netflixStep(limit float64) int {
	return max(1, int(math.Log10(math.Trunc(limit))))
}
