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
	lostRatio    = 0.1  // of the arrivals that get no slot: so it is, too
	touchedRatio = 0.02 // it is sometimes

	lateRatio = 0.25 // of the calls that came to nothing: latency is no longer harmless

	baseFall      = time.Second
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
	at      float64 // the limit that it was had with
	rate    float64 // completions per second, smoothed
	usual   float64 // completions per second when the limit is not in use
	shadow  bool    // the limit does not bind: there are no experiments

	solid   int       // windows in a row in which the limit was in use
	recent  reference // means of the latest of them at about the same limit
	windows int       // how many they are

	late     bool // the last window in use was much too slow
	mode     mode
	ref      reference     // the windows before the experiment
	vain     bool          // it was raised without a gain since the last probe
	raised   reference     // the window before the limit was raised, until the next one is judged
	rarely   float64       // the interval between probes, in times of the least
	trend    int           // probes in a row that raised the limit, negative: that lowered it
	lossless int           // probes in a row that lost nothing
	next     time.Duration // when the next probe may begin
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

// lost returns the share of the arrivals that got no slot.
func (s *sample) lost() float64 {
	return float64(s.rejected) / float64(max(s.answered+s.slow+s.rejected, 1))
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
	e.latency, e.at = r, e.limit
	if e.base == 0 && useful >= 0.5 {
		e.base = r
	}
	if e.mode == steady {
		e.rate += (x - e.rate) / 2
	}
	switch used := s.used(); {
	case e.shadow:
		e.follow(s, r)
	case used < solidRatio && s.lost() < lostRatio && (useful >= 0.5 || used <= touchedRatio):
		if e.mode == trying && x > e.ref.rate {
			e.judgeTrial(s.now, x) // less in flight did more, even without being always in use
		}
		e.abandon(s.now) // what is not in use tells nothing
		e.solid, e.windows, e.raised, e.vain = 0, 0, reference{}, false
		e.idle(s, r, used, useful)
	case e.mode == probing:
		e.judgeProbe(s.now, x, s.answered)
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
	if useful < 1-lateRatio && (g < 1 || used > touchedRatio) {
		// Calls wait in the server until their callers have gone. That it is not always
		// at its limit only shows that the limit is too high.
		floor := min(e.limit, idleLimit)
		if used > touchedRatio {
			floor = 1
		}
		e.limit = max(e.limit*math.Sqrt(min(max(g, shallow), 1-lateRatio)), floor)
		return
	}
	if used > touchedRatio {
		if g > 1 {
			e.limit *= min(g, 2)
		}
		return
	}
	e.late = false
	x := float64(s.answered) / s.length.Seconds()
	e.usual += portion(s.length, usualFor) * (x - e.usual)
	room := max(idleLimit, 3*float64(s.peak)) // for a burst, no more
	switch {
	case e.limit > room:
		e.limit += (room - e.limit) * portion(s.length, idleDecay)
	case r < 1.2*e.base:
		e.limit = min(room, max(2*e.limit, idleLimit))
	}
}

// drift moves the baseline where no experiment can: it follows what is faster soon, and
// what is slower so late that a queue in the server is over by then.
func (e *estimate) drift(s sample, r, useful float64) {
	switch {
	case useful < 0.5:
	case r < e.base:
		e.base += portion(s.length, baseFall) * (r - e.base)
	default:
		rise := max(baseRise.Seconds(), baseRiseCalls*e.base)
		if e.shadow && s.used() > touchedRatio {
			rise *= shadowRise
		}
		e.base += portion(s.length, seconds(rise)) * (min(r, 4*e.base) - e.base)
	}
}

// expected returns how long calls are expected to take with the present limit, in seconds.
// If it was lowered since they were measured, the queue in the server becomes as much shorter.
func (e *estimate) expected() float64 {
	return max(e.latency*min(e.limit/max(e.at, 1), 1), min(e.base, e.latency))
}

// portion returns how much of a difference is made up for in d.
func portion(d, constant time.Duration) float64 {
	return -math.Expm1(-d.Seconds() / constant.Seconds())
}

// busy adapts to a window in which the limit was in use, or begins an experiment.
func (e *estimate) busy(s sample, r, x, useful float64) {
	e.solid++
	latest := reference{e.limit, r, x}
	e.judgeRaise(latest)
	e.note(latest)
	r, x = e.recent.latency, e.recent.rate
	if e.current() == 1 && useful >= 0.5 {
		e.base, e.vain = r, false // nothing hinders a call that is alone; nor can the limit be lowered to find out
	}
	g := tolerance * e.base / r
	if r < 1.15*e.base {
		g = 2
	}
	if useful < 0.5 {
		g = min(g, 0.5) // most is for nothing, whatever the baseline
	}
	e.ref = reference{e.limit, r, x}
	late := e.late
	e.late = g < trialBelow
	switch {
	case e.late && !late:
		// The change was in this window: the next one shows what it has come to.
	case e.late:
		e.mode = trying
		e.ref = latest
		e.limit *= max(g, shallow)
	case e.solid > probeAfter && s.now >= e.next && e.limit >= 2 && (e.windows > 1 || e.vain):
		if e.windows == 1 {
			return // one more to compare with, before the limit is raised in vain again
		}
		e.mode = probing
		e.limit = e.lower()
	case g > 1.3 && e.vain:
		// What was raised in vain is probed first.
	case g > 1.3:
		e.raised = latest
		e.limit *= min(g, 2)
	default:
		e.limit *= math.Sqrt(g)
	}
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
