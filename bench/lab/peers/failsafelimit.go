package peers

import (
	"math"
	"time"

	"github.com/influxdata/tdigest"
)

// failsafeLimit is the algorithm that sets the limit of failsafe-go's adaptive
// limiter v0.9.8, with the settings of its builder: limits of 1 to 200, at first 20,
// and at most 5 times the requests in flight; a window of at least 1s and 50 answers
// whose 90th percentile is compared with its average over about 10 windows; and
// correlations over 50 windows. In each window the limit changes by 1, or by 2 from
// 100 on.
type failsafeLimit struct {
	limit, most float64

	window      *tdigest.TDigest // the latencies of the window
	answers     int              // in it
	fastest     time.Duration    // of it
	maxInFlight int              // in it
	end         time.Duration    // when it may end

	peaks                 median
	recent, baseline      average
	throughput, latencies correlation // with the requests in flight
}

func newFailsafeLimit(most float64) *failsafeLimit {
	return &failsafeLimit{
		limit: 20, most: most,
		window: tdigest.NewWithCompression(100),
		recent: newAverage(5), baseline: newAverage(10),
	}
}

// answer takes an answer into the window: its latency, and how many requests were
// in flight when it started, itself among them.
func (l *failsafeLimit) answer(latency time.Duration, inFlight int) {
	if l.answers == 0 {
		l.fastest, l.maxInFlight = latency, inFlight
	}
	l.fastest, l.maxInFlight = min(l.fastest, latency), max(l.maxInFlight, inFlight)
	l.answers++
	l.window.Add(float64(latency), 1)
}

// update ends the window, if it is time to, and sets the limit. full says whether
// the limit is reached.
func (l *failsafeLimit) update(now time.Duration, full bool) {
	const (
		least     = time.Second
		longest   = 30 * time.Second
		minCount  = 50
		ofLatency = 0.9
	)
	if now <= l.end || l.answers < minCount {
		return
	}
	l.adjust(l.recent.add(l.peaks.add(l.window.Quantile(ofLatency))), full)
	l.end = now + min(max(2*l.fastest, least), longest)
	l.window.Reset()
	l.answers = 0
}

// adjust sets the limit for a latency in nanoseconds.
func (l *failsafeLimit) adjust(latency float64, full bool) {
	const maxFactor = 5 // of the limit to the requests in flight
	inFlight := float64(l.maxInFlight)
	queued := int(math.Ceil(l.limit * (1 - l.baseline.add(latency)/latency)))
	throughput, variation := l.throughput.add(inFlight, inFlight/latency)
	latencies, _ := l.latencies.add(inFlight, latency)

	step := failsafeStep(l.limit)
	limit := l.limit
	switch {
	case queued > 6*int(step),
		full && throughput < 0,
		full && throughput < 0.3 && latencies > 0.5,
		full && variation < 0.2 && latencies > 0.5:
		limit -= step
	case queued < 3*int(step):
		limit += step
	}
	if bound := maxFactor * inFlight; limit > bound {
		if l.limit > bound {
			limit = l.limit - step
		} else {
			limit = bound
		}
	}
	l.limit = min(max(limit, 1), l.most)
}

// failsafeStep returns the logarithm of the limit to the base 10, at least 1.
func failsafeStep(limit float64) float64 {
	switch {
	case limit < 100:
		return 1
	case limit < 1000:
		return 2
	default:
		return math.Trunc(math.Log10(math.Trunc(limit)))
	}
}
