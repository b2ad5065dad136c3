package adaptive

import (
	"math"
	"sync/atomic"
	"time"
)

const (
	windowLeast   = 100 * time.Millisecond
	windowCalls   = 100
	probeCalls    = 200 // an experiment has to be sure
	fewCalls      = 20  // suffice after a longer time:
	fewCallsLeast = 500 * time.Millisecond
	fewLatencies  = 5
	fewTrying     = 2
	staleAfter    = 5 * time.Second
	longest       = 10 * time.Second // a latency counts as at most this where it sets a time

	shortPause = int64(time.Millisecond) // not worth counting, for servers that do one call after the other
)

// window counts what happens until the estimate is told of it. Those who count do not
// have the lock.
type window struct {
	opens    atomic.Int64 // what ends before is of another limit
	answered atomic.Int64
	slow     atomic.Int64 // ended otherwise, not sooner than answers come
	ignored  atomic.Int64 // ended otherwise, sooner
	latency  atomic.Int64 // the sum of answered and slow, in nanoseconds
	wasted   atomic.Int64 // the sum of ignored
	blocked  atomic.Int64
	rejected [Classes]atomic.Int64
	peak     atomic.Int64

	paused atomic.Int64 // since when nothing is in flight, 0 while something is
	idle   atomic.Int64 // for how long nothing was

	calls     atomic.Int64 // how many suffice after the time of one
	latencies atomic.Int64 // after the time of how many fewCalls suffice
	fast      atomic.Int64 // who fails sooner does not count
}

const never = math.MaxInt64

// count counts the end of a call. It reports whether the window may be closed.
func (w *window) count(now, latency time.Duration, end End) bool {
	if int64(now) < w.opens.Load() {
		return false
	}
	switch {
	case end == Unused:
	case end == Completed:
		w.latency.Add(int64(latency))
		w.answered.Add(1)
	case int64(latency) > w.fast.Load():
		w.latency.Add(int64(latency))
		w.slow.Add(1)
	default:
		w.wasted.Add(int64(latency))
		w.ignored.Add(1)
	}
	return w.ready(now)
}

// block counts an arrival that found the limit reached.
func (w *window) block(now time.Duration) {
	if int64(now) >= w.opens.Load() {
		w.blocked.Add(1)
	}
}

// reject counts an arrival of class c that got no slot.
func (w *window) reject(now time.Duration, c Class) {
	if int64(now) >= w.opens.Load() {
		w.rejected[c].Add(1)
	}
}

// pause notes that nothing is in flight any more, and resume that something is again. An
// overload may end in the middle of a window and another begin: what is between them says
// nothing of what the server can do.
func (w *window) pause(now time.Duration) { w.paused.Store(int64(max(now, 1))) }

func (w *window) resume(now time.Duration) {
	since := w.paused.Load()
	if int64(now)-since < shortPause || since == 0 || !w.paused.CompareAndSwap(since, 0) {
		return
	}
	if opens := w.opens.Load(); opens != never {
		w.idle.Add(max(int64(now)-max(since, opens), 0))
	}
}

// lasted returns how long the window is open, without the time in which nothing was in
// flight if the limit was reached in it.
func (w *window) lasted(now time.Duration) time.Duration {
	open := now - time.Duration(w.opens.Load())
	if w.blocked.Load() > 0 {
		open -= time.Duration(w.idle.Load())
	}
	return open
}

// stale reports whether the window was idle for long, and the limit was not reached in
// it: what follows would be lost in it.
func (w *window) stale(now time.Duration) bool {
	return w.blocked.Load() == 0 && now-time.Duration(w.opens.Load()) > staleAfter
}

// ended returns how many calls have ended in the window, of any kind.
func (w *window) ended() int64 { return w.answered.Load() + w.slow.Load() + w.ignored.Load() }

// notePeak notes that n are in flight.
func (w *window) notePeak(n int) {
	if int64(n) > w.peak.Load() {
		w.peak.Store(int64(n)) // a race loses a call or two of a peak that is noted at once again
	}
}

// ready reports whether the window may be closed: when it has seen enough calls, and
// lasted long enough for those that it began with to end. How long that is the window
// says itself: the latency of the last one may be of a trouble that is over.
func (w *window) ready(now time.Duration) bool {
	n := w.answered.Load() + w.slow.Load()
	sum := w.latency.Load()
	if ignored := w.ignored.Load(); ignored > n {
		n, sum = ignored, w.wasted.Load()
	}
	open := w.lasted(now)
	if n < fewCalls || open < windowLeast {
		return false
	}
	latency := min(time.Duration(sum/n), longest)
	return open >= max(fewCallsLeast, time.Duration(w.latencies.Load())*latency) || n >= w.calls.Load() && open >= latency
}

// take returns what was counted.
func (w *window) take(now time.Duration) sample {
	s := sample{
		now: now, length: max(w.lasted(now), 1),
		answered: int(w.answered.Load()), slow: int(w.slow.Load()),
		blocked: int(w.blocked.Load()),
		peak:    int(w.peak.Load()),
	}
	for c := range w.rejected {
		s.rejected += int(w.rejected[c].Load())
	}
	latency := w.latency.Load()
	if n := int(w.ignored.Load()); n > s.answered+s.slow {
		// Most callers give up, or most calls fail: whatever the baseline, that is the
		// news of this window.
		s.slow += n
		latency += w.wasted.Load()
	}
	s.latency = time.Duration(latency).Seconds() / float64(max(s.answered+s.slow, 1))
	return s
}

// open begins a window at a time that may be to come.
func (w *window) open(at time.Duration, calls, latencies int) {
	w.opens.Store(never) // nobody counts while the numbers change
	w.answered.Store(0)
	w.slow.Store(0)
	w.ignored.Store(0)
	w.latency.Store(0)
	w.wasted.Store(0)
	w.blocked.Store(0)
	w.idle.Store(0)
	for c := range w.rejected {
		w.rejected[c].Store(0)
	}
	w.calls.Store(int64(calls))
	w.latencies.Store(int64(latencies))
	w.opens.Store(int64(at))
}
