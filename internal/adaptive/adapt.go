package adaptive

import "time"

// look sees whether the window is over, or the limit that was lowered is reached.
func (l *Limiter) look(now time.Duration) {
	switch {
	case l.drains.Load():
		l.drained(now)
	case l.window.ready(now):
		l.stuck = 0
		l.estimate.add(l.window.take(now))
		l.settle(now)
	case int64(now) >= l.trickle.Load():
		l.unstick(now)
	}
}

// settle begins the next window. If more are in flight than the new limit allows, it
// begins when that is no longer so and those of the old limit have ended. It does so,
// too, when a limit that is in use was raised. No window mixes two limits.
func (l *Limiter) settle(now time.Duration) {
	before := l.limit.Load()
	l.adopt(now)
	inFlight := l.slots.inFlight()
	if inFlight > l.estimate.current() {
		l.drains.Store(true)
		l.drainFor = min(seconds(l.estimate.expected()), longest)
		l.drain(now, inFlight)
		l.window.opens.Store(never)
		return
	}
	begins := now
	if after := l.limit.Load(); l.estimate.solid > 0 && float64(after) > raised*float64(before) {
		begins += max(l.typical(), min(seconds(l.estimate.ref.latency), longest)) // of calls that were begun before
	}
	l.begin(now, begins)
	l.fill(now)
}

// raised is from what ratio on a raised limit is another one.
const raised = 1.1

// drain sets until when those in flight are to become fewer.
func (l *Limiter) drain(now time.Duration, inFlight int) {
	l.drainFrom = inFlight - l.estimate.current()
	l.drainBy = now + max(time.Second, 5*l.typical())
}

func (l *Limiter) drained(now time.Duration) {
	inFlight := l.slots.inFlight()
	if inFlight > l.estimate.current() {
		if now < l.drainBy {
			return
		}
		if l.estimate.mode == trying && inFlight-l.estimate.current() < l.drainFrom*9/10 {
			l.drain(now, inFlight) // slow, but it does: to undo it would bring the queue back
			return
		}
		// Some calls do not end. What is admitted must not wait for them.
		l.estimate.undrained(now)
		l.adopt(now)
	}
	l.drains.Store(false)
	l.begin(now, now+l.drainFor)
	l.fill(now)
}

// begin opens a window.
func (l *Limiter) begin(now, at time.Duration) {
	calls, latencies := windowCalls, fewLatencies
	switch l.estimate.mode {
	case probing:
		calls = probeCalls
	case trying: // what is looked for is large, and a wrong limit hurts
		calls, latencies = probeCalls, fewTrying
	case steady:
	}
	l.window.open(at, calls, latencies)
	inFlight := l.slots.inFlight()
	l.window.peak.Store(int64(inFlight))
	l.retrickle(now)
}

func (l *Limiter) typical() time.Duration {
	return time.Duration(min(l.estimate.latency, longest.Seconds()) * float64(time.Second))
}

// adopt makes what follows from the estimate known to those without the lock.
func (l *Limiter) adopt(now time.Duration) {
	e := &l.estimate
	limit := e.current()
	if !l.closed.Load() {
		l.limit.Store(int64(limit))
	}
	l.window.fast.Store(int64(e.base * float64(time.Second)))
	l.rooms.adapt(limit, e.rate, e.mode != steady)
	l.share(e.spare())
	l.retrickle(now)
}

// share has those who are refused come back at a rate, in all classes together. A
// class has the share that it had of the refusals of the window, once they are many:
// before, each may be the only one.
func (l *Limiter) share(rate float64) {
	const unsure = 10
	var rejected [Classes]int64
	sum := int64(2 * unsure)
	for c := range rejected {
		rejected[c] = l.window.rejected[c].Load()
		sum += rejected[c]
	}
	for c, n := range rejected {
		l.paces[c].setRate(rate * float64(n+unsure) / float64(sum))
	}
}

// retrickle sets the time of the next look at what has ended.
func (l *Limiter) retrickle(now time.Duration) {
	l.before = l.window.ended()
	l.trickle.Store(int64(now + max(trickleFirst, 10*l.typical(), min(l.stuck, trickleLast))))
}

// unstick admits one more if nothing has ended for long though the limit is reached:
// from calls that do not end nothing is learned. It does so more and more rarely: they
// may only be slow.
func (l *Limiter) unstick(now time.Duration) {
	inFlight := l.slots.inFlight()
	if limit := l.estimate.current(); inFlight < limit || l.window.ended() != l.before {
		l.stuck = 0
	} else {
		l.stuck = max(2*l.stuck, trickleFirst)
		l.estimate.limit = min(float64(limit+1), maxLimit)
		l.adopt(now)
		l.fill(now)
	}
	l.retrickle(now)
}

const (
	trickleFirst = time.Second
	trickleLast  = time.Minute
)
