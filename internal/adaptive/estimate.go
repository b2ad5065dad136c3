package adaptive

import (
	"math"
	"time"
)

const (
	tolerance    = 1.5 // the latency that is steered for, as a multiple of the baseline
	initialLimit = 32
	idleLimit    = 32 // what the limit is at least where it does not bind
	maxLimit     = 1 << 20

	solidRatio   = 0.8  // of the arrivals that find the limit reached: it is really in use
	touchedRatio = 0.02 // it is sometimes

	trialBelow    = 0.6  // the gradient from which the limit is lowered on trial
	trialLoss     = -0.1 // of the logarithm of the throughput: less may be chance
	shallow       = 0.3  // what the limit is multiplied with at least
	probeAfter    = 5    // solid windows
	probeMin      = time.Second
	probeMinCalls = 10 // latencies: where calls take long, so do experiments
	probeRarely   = 8  // times the least interval, while nothing changes
	probeDepth    = 0.6
	smoothed      = 3    // windows in use
	settledChange = 0.1  // of the limit by a probe: less may be chance,
	trendChange   = 0.02 // but not if one probe after the other finds more than this
	trendProbes   = 3

	lateRatio = 0.25 // of the calls that came to nothing: latency is no longer harmless

	baseFall      = 0.1 // of the difference, per window
	baseRise      = 60 * time.Second
	shadowRise    = 10  // times as long, where an overload would be over with a limit
	baseRiseCalls = 500 // latencies, where calls take long
	spareRatio    = 0.1 // of the capacity, at least
	usualFor      = 30 * time.Second
	idleDecay     = 10 * time.Second

	leastRate  = 1e-9 // for what is divided by
	minLatency = 1e-6 // seconds: that of a clock that does not advance
)

// estimate is the algorithm that finds the limit. It keeps a baseline: the latency
// that belongs to the knee of the throughput curve, where more calls in flight begin
// to wait for each other instead of being served. The limit is steered so that
// latency stays near tolerance times the baseline.
//
// Latency alone cannot tell a server with too much to do from one whose work has
// become slower, or needs many calls in flight. Where the limit is really in use,
// estimate therefore experiments: it lowers the limit for one window and looks at the
// throughput. What did not fall was only queueing; what fell in proportion was work.
//
// It has no lock and no clock: it is told of windows, one after the other.
type estimate struct {
	limit   float64
	base    float64 // seconds; 0 until the first window
	latency float64 // seconds: that of the last window
	rate    float64 // completions per second, smoothed
	usual   float64 // completions per second when the limit is not in use
	shadow  bool    // the limit does not bind: there are no experiments

	solid   int // windows in a row in which the limit was in use
	mode    mode
	ref     reference
	recent  reference     // means of the latest windows in use at about the same limit
	windows int           // how many they are
	rarely  float64       // the interval between probes, in times of the least
	trend   int           // probes in a row that raised the limit, negative: that lowered it
	next    time.Duration // when the next probe may begin
}

type mode uint8

const (
	steady mode = iota
	probing
	trying
)

// reference is the window before an experiment.
type reference struct {
	limit, latency, rate float64
}

// sample is what happened in a window.
type sample struct {
	now      time.Duration // its end
	length   time.Duration // over 0
	answered int           // calls that completed
	slow     int           // calls that ended otherwise, not sooner than answers come
	latency  float64       // seconds: the mean of both
	blocked  int           // arrivals that found the limit reached
	rejected int           // arrivals that got no slot
	peak     int           // the most in flight
}

// used returns the share of the arrivals that found the limit reached.
func (s *sample) used() float64 {
	return float64(s.blocked) / float64(max(s.answered+s.slow+s.rejected, 1))
}

// useful returns the share of the calls that did not come to nothing.
func (s *sample) useful() float64 {
	return float64(s.answered) / float64(max(s.answered+s.slow, 1))
}

func newEstimate(shadow bool) estimate {
	return estimate{limit: initialLimit, shadow: shadow, rarely: 1}
}

// current returns the limit in whole calls.
func (e *estimate) current() int { return whole(e.limit) }

func whole(limit float64) int { return max(int(limit), 1) }

// add takes a window into account.
func (e *estimate) add(s sample) {
	r := max(s.latency, minLatency)
	x := float64(s.answered) / s.length.Seconds()
	useful := s.useful()
	if e.latency == 0 {
		e.rate = x
	}
	e.latency = r
	if e.base == 0 && useful >= 0.5 {
		e.base = r
	}
	if e.mode == steady {
		e.rate += (x - e.rate) / 2
	}
	used := s.used()
	switch {
	case e.shadow:
		e.follow(s, r)
	case used < solidRatio:
		e.abandon(s.now) // what is not in use tells nothing
		e.solid, e.windows = 0, 0
		e.idle(s, r, used, useful)
	case e.mode == probing:
		e.judgeProbe(s.now, x)
	case e.mode == trying:
		e.judgeTrial(s.now, x)
	default:
		e.busy(s, r, x, useful)
	}
	e.limit = min(max(e.limit, 1), maxLimit)
}

// idle adapts to a window in which the limit was not really in use.
func (e *estimate) idle(s sample, r, used, useful float64) {
	e.drift(s, r, useful)
	g := tolerance * e.base / r
	if g < 1 && useful < 1-lateRatio {
		// Calls wait in the server until their callers have gone. That it is not always
		// at its limit only shows that the limit is too high.
		e.limit = max(e.limit*math.Sqrt(g), min(e.limit, idleLimit))
		return
	}
	if used <= touchedRatio {
		x := float64(s.answered) / s.length.Seconds()
		e.usual += portion(s.length, usualFor) * (x - e.usual)
	}
	if used > touchedRatio {
		if g > 1 {
			e.limit *= min(g, 2)
		}
		return
	}
	room := max(idleLimit, 3*float64(s.peak)) // for a burst, no more
	switch {
	case e.limit > room:
		e.limit += (room - e.limit) * portion(s.length, idleDecay)
	case r < 1.2*e.base:
		e.limit = room
	}
}

// drift moves the baseline where no experiment can: it follows what is faster soon, and
// what is slower so late that a queue in the server is over by then.
func (e *estimate) drift(s sample, r, useful float64) {
	switch {
	case useful < 0.5:
	case r < e.base:
		e.base += baseFall * (r - e.base)
	default:
		rise := max(baseRise.Seconds(), baseRiseCalls*e.base)
		if e.shadow && s.used() > touchedRatio {
			rise *= shadowRise
		}
		e.base += portion(s.length, seconds(rise)) * (min(r, 4*e.base) - e.base)
	}
}

// portion returns how much of a difference is made up for in d.
func portion(d, constant time.Duration) float64 {
	return -math.Expm1(-d.Seconds() / constant.Seconds())
}

// busy adapts to a window in which the limit was in use, or begins an experiment.
func (e *estimate) busy(s sample, r, x, useful float64) {
	e.solid++
	e.note(r, x)
	r, x = e.recent.latency, e.recent.rate
	if e.current() == 1 && useful >= 0.5 {
		e.base = r // nothing hinders a call that is alone; nor could the limit be lowered to find out
	}
	g := tolerance * e.base / r
	if r < 1.15*e.base {
		g = 2
	}
	if useful < 0.5 {
		g = min(g, 0.5) // most is for nothing, whatever the baseline
	}
	e.ref = reference{e.limit, r, x}
	switch {
	case g < trialBelow:
		e.mode = trying
		e.limit *= max(g, shallow)
	case e.solid > probeAfter && e.windows > 1 && s.now >= e.next && e.limit >= 2:
		e.mode = probing
		e.limit = e.lower()
	case g > 1.3:
		e.limit *= min(g, 2)
	default:
		e.limit *= math.Sqrt(g)
	}
}

// note takes a window into the means of those that were alike: chance makes one window
// of calls that are long and short by turns look slow, and the next one fast.
func (e *estimate) note(r, x float64) {
	if e.windows == 0 || max(e.limit, e.recent.limit) > 1.3*min(e.limit, e.recent.limit) {
		e.recent, e.windows = reference{limit: e.limit}, 0
	}
	e.windows = min(e.windows+1, smoothed)
	e.recent.latency += (r - e.recent.latency) / float64(e.windows)
	e.recent.rate += (x - e.recent.rate) / float64(e.windows)
}

// lower returns the limit for a probe. The knee is expected a third below the limit
// that is steered for: where nothing has changed for a while, a little less than that
// costs little and still tells whether the knee has moved.
func (e *estimate) lower() float64 {
	now := float64(whole(e.limit))
	if e.rarely == 1 {
		return now / 2
	}
	return min(math.Ceil(probeDepth*now), now-1)
}

// later sets the time of the next probe.
func (e *estimate) later(now time.Duration) {
	least := max(probeMin.Seconds(), probeMinCalls*min(e.latency, longest.Seconds()))
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

func (e *estimate) judgeProbe(now time.Duration, x float64) {
	e.windows = 0
	e.base += 0.7 * (e.kneeLatency(x) - e.base)
	change := min(max(math.Sqrt(tolerance*e.base/e.ref.latency), shallow), 2)
	e.limit = e.ref.limit * change
	e.mode = steady
	switch {
	case change > 1+trendChange:
		e.trend = max(e.trend, 0) + 1
	case change < 1-trendChange:
		e.trend = min(e.trend, 0) - 1
	default:
		e.trend = 0
	}
	switch {
	case math.Abs(change-1) >= settledChange:
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
		e.base += 0.7 * (e.kneeLatency(x) - e.base)
		e.limit = min(tolerance*e.knee(x), e.ref.limit)
	}
	e.rarely = 1
	// The baseline was wrong, and may still be: the next windows are a reference.
	e.solid, e.next = max(e.solid, probeAfter), now
}

// abandon ends an experiment that cannot be judged.
func (e *estimate) abandon(now time.Duration) {
	if e.mode == steady {
		return
	}
	e.mode = steady
	e.limit = e.ref.limit
	e.later(now)
}

// follow adapts without experiments, and without a hold on latency, which the limit
// does not bound: to the number of calls in flight with which the present throughput
// would be had at the latency that is steered for.
func (e *estimate) follow(s sample, r float64) {
	e.drift(s, r, s.useful())
	want := tolerance * e.base * e.rate
	if r < 1.2*e.base {
		want = max(want, 3*float64(s.peak))
	}
	want = max(want, idleLimit)
	e.limit += (want - e.limit) / 2
}

// spare returns what the server is believed capable of beyond what is usual, in
// completions per second.
func (e *estimate) spare() float64 {
	capacity := 100. // when nothing is known
	switch {
	case e.latency == 0:
	case e.solid > 0:
		capacity = e.rate
	default: // the throughput is only what was asked for
		capacity = max(e.rate, e.limit/e.latency/2)
	}
	return max(capacity-e.usual, spareRatio*capacity)
}
