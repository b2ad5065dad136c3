package adaptive

import (
	"math"
	"time"
)

const (
	trialBelow = 0.6  // the gradient from which the limit is lowered on trial
	trialLoss  = -0.1 // of the logarithm of the throughput: less may be chance
	shallow    = 0.3  // what the limit is multiplied with at least

	raiseLoss = 0.8 // of what a raised limit should have brought: more may be chance

	probeAfter     = 5 // solid windows
	probeEvery     = time.Second
	probeMinCalls  = 10 // latencies: where calls take long, so do experiments
	probeRarely    = 8  // times the least interval, while nothing changes
	probeNever     = 64 // times, while experiments cannot be made
	probeDepth     = 0.6
	probeGain      = 1.15 // in throughput: less may be chance
	probeNothing   = 0.95 // of the throughput is left: nothing was lost
	losslessProbes = 2    // in a row: the knee is lower by far
	probeWeight    = 0.7  // of what a probe finds

	smoothed      = 3    // windows in use
	settledChange = 0.1  // of the limit by a probe: less may be chance,
	trendChange   = 0.02 // but not if one probe after the other finds more than this
	trendProbes   = 3
)

type mode uint8

const (
	steady mode = iota
	probing
	trying
)

// reference is what windows have in common.
type reference struct {
	limit, latency, rate float64
}

// note takes a window into the means of those that were alike: chance makes one window
// of calls that are long and short by turns look slow, and the next one fast.
func (e *estimate) note(latest reference) {
	if e.windows == 0 || max(e.limit, e.recent.limit) > 1.3*min(e.limit, e.recent.limit) {
		e.recent, e.windows = reference{limit: e.limit}, 0
	}
	e.windows = min(e.windows+1, smoothed)
	e.recent.latency += (latest.latency - e.recent.latency) / float64(e.windows)
	e.recent.rate += (latest.rate - e.recent.rate) / float64(e.windows)
}

// lower returns the limit for a probe. The knee is expected a third below the limit
// that is steered for: where nothing has changed for a while, a little less than that
// costs little and still tells whether the knee has moved.
func (e *estimate) lower() float64 {
	now := float64(whole(e.limit))
	if e.rarely == 1 || e.lossless > 0 {
		return now / 2
	}
	return min(math.Ceil(probeDepth*now), now-1)
}

// later sets the time of the next probe.
func (e *estimate) later(now time.Duration) {
	least := max(probeEvery.Seconds(), probeMinCalls*min(e.latency, longest.Seconds()))
	e.next = now + time.Duration(e.rarely*least*float64(time.Second))
}

// knee returns the limit at which the throughput of the reference would just be
// reached, if throughput grew in proportion from what it is at the lower limit.
func (e *estimate) knee(x float64) float64 {
	lower, upper := float64(whole(e.limit)), float64(whole(e.ref.limit))
	return min(max(lower*e.ref.rate/max(x, leastRate), lower), upper)
}

func (e *estimate) kneeLatency(x float64) float64 {
	return e.ref.latency * e.knee(x) / float64(whole(e.ref.limit))
}

func (e *estimate) judgeProbe(now time.Duration, x float64, answered int) {
	e.mode, e.windows, e.vain = steady, 0, false
	if x > probeGain*e.ref.rate {
		// The knee was passed so far that less in flight do more.
		e.base = e.kneeLatency(x)
		e.rarely, e.trend, e.vain = 1, 0, true
		e.next = now // it may be lower still
		return
	}
	nothing := probeNothing
	if e.limit > e.ref.limit/2 { // chance could make up for what is lost
		nothing += 0.5 / math.Sqrt(float64(max(answered, 1)))
	}
	if x >= nothing*e.ref.rate {
		e.lossless++
	} else {
		e.lossless = 0
	}
	certain := e.lossless >= losslessProbes
	if certain {
		e.base = e.kneeLatency(x)
	} else {
		e.base += probeWeight * (e.kneeLatency(x) - e.base)
	}
	change := tolerance * e.base / e.ref.latency
	if !certain {
		change = math.Sqrt(change)
	}
	change = min(max(change, shallow), 2)
	e.limit = e.ref.limit * change
	switch {
	case change > 1+trendChange:
		e.trend = max(e.trend, 0) + 1
	case change < 1-trendChange:
		e.trend = min(e.trend, 0) - 1
	default:
		e.trend = 0
	}
	switch {
	case certain || math.Abs(change-1) >= settledChange:
		e.rarely = 1
	case e.trend <= -trendProbes || e.trend >= trendProbes:
		e.rarely = max(e.rarely/2, 1)
	default:
		e.rarely = min(2*e.rarely, probeRarely)
	}
	e.later(now)
}

func (e *estimate) judgeTrial(now time.Duration, x float64) {
	e.mode, e.windows = steady, 0
	fell := math.Log(max(x, leastRate) / max(e.ref.rate, leastRate))
	lowered := math.Log(float64(whole(e.limit)) / float64(whole(e.ref.limit)))
	switch {
	case lowered < 0 && fell/lowered > 0.5:
		// The work has become slower: fewer calls in flight do less of it.
		e.base = e.kneeLatency(x)
		e.limit = e.ref.limit
	case fell < trialLoss:
		// It was a queue, but less of one than was thought: the knee was passed.
		e.base += probeWeight * (e.kneeLatency(x) - e.base)
		e.limit = min(tolerance*e.knee(x), e.ref.limit)
	default:
		e.base = min(e.base, e.kneeLatency(x))
	}
	e.rarely = 1
	// The baseline was wrong, and may still be: the next windows are a reference.
	e.solid, e.next = max(e.solid, probeAfter), now
}

// judgeRaise looks at what a higher limit has brought: that is an experiment, too. What
// throughput did not follow was only queueing, and the baseline is not higher than the
// latency of the knee. A baseline that is much too high comes down this way before the
// limit that it lets grow has done harm.
func (e *estimate) judgeRaise(latest reference) {
	lower, upper := float64(whole(e.raised.limit)), float64(whole(latest.limit))
	if e.raised.limit > 0 && upper > lower {
		knee := min(max(lower*latest.rate/max(e.raised.rate, leastRate), lower), upper)
		if knee < raiseLoss*upper {
			e.base = min(e.base, latest.latency*knee/upper)
			e.vain, e.next = true, 0
		}
	}
	e.raised = reference{}
}

// abandon ends an experiment that cannot be judged.
func (e *estimate) abandon(now time.Duration) {
	if e.mode == steady {
		return
	}
	e.mode, e.vain = steady, false
	e.limit = e.ref.limit
	e.later(now)
}

// undrained ends an experiment for which those in flight would have to end, but do
// not. Nobody was admitted meanwhile: that must not happen often.
func (e *estimate) undrained(now time.Duration) {
	e.rarely = min(2*e.rarely, probeNever)
	e.abandon(now)
}
