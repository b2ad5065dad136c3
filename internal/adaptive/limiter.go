// Package adaptive limits the calls that a server has in flight to what it can do,
// which it finds out by itself.
//
// Time is an argument: a time.Duration since an origin of the caller's choice. There
// is no clock, no goroutine and no timer in it, so that a server and a simulation run
// the same code. Times must not be negative; one that is earlier than another given
// before is harmless.
package adaptive

import (
	"sync"
	"sync/atomic"
	"time"
)

// hopelessRatio is how many times the expected latency a waiter must have left to be
// given a slot.
const hopelessRatio = 1.5

// A Limiter admits calls up to a limit that adapts, and keeps a short queue. It is
// safe for concurrent use.
//
// An arrival asks [Limiter.TryAdmit] first, and [Limiter.Arrive] if that fails. Whoever
// was admitted calls [Limiter.Release] once.
type Limiter struct {
	slots  slots
	limit  atomic.Int64 // for TryAdmit: 0 once closed
	window window
	rooms  rooms
	paces  [Classes]pace
	shadow bool
	closed atomic.Bool

	drains  atomic.Bool  // a lowered limit is not reached yet: no window is open
	trickle atomic.Int64 // when to look whether anything has ended

	mu        sync.Mutex // guards the fields below, and the writing of those above
	estimate  estimate
	queue     queue
	drainBy   time.Duration // while drains
	drainFrom int           // how many had to end then
	drainFor  time.Duration // what passes then before a window opens
	before    int64         // what had ended when trickle was set
	stuck     time.Duration // for how long nothing was seen to end
}

// Config configures a Limiter.
type Config struct {
	// Shadow has the Limiter decide, but admit everyone. The number in flight is then
	// what arrives, and nothing can be found out by experiment: the limit follows from
	// latency and throughput alone, and what is reported is an estimate.
	Shadow bool
}

// New returns a Limiter.
func New(now time.Duration, cfg Config) *Limiter {
	l := &Limiter{shadow: cfg.Shadow, estimate: newEstimate(cfg.Shadow)}
	l.window.open(now, windowCalls, fewLatencies)
	l.adopt(now)
	return l
}

// TryAdmit admits an arrival if the limit is not reached and nobody waits. Otherwise
// the arrival is Arrive's to decide on: in a Limiter that is closed, too.
func (l *Limiter) TryAdmit(now time.Duration) bool {
	n := l.slots.take(int(l.limit.Load()))
	if n == 0 {
		return false
	}
	l.admitted(now, n)
	return true
}

// admitted notes that an arrival is one of n in flight.
func (l *Limiter) admitted(now time.Duration, n int) {
	if n == 1 {
		l.window.resume(now)
	}
	l.window.notePeak(n)
}

// Arrive decides on an arrival that TryAdmit did not admit: it is Admitted, Full or
// Closed, or else Queued in w until w is woken. It is never Queued if w is nil.
//
// The deadline is the time at which the caller leaves, 0 if there is none. The caller
// that leaves tells Leave so: it is not noticed here.
//
// In shadow the arrival has a slot whatever Arrive returns, and is to be released. The
// verdict is Admitted if there was room to wait, Full if it would have been refused.
func (l *Limiter) Arrive(now time.Duration, class Class, deadline time.Duration, w *Waiter) Verdict {
	class = min(max(class, Critical), BestEffort)
	if l.shadow {
		return l.watch(now)
	}
	if v := l.Refuse(now, class); v != Queued {
		return v
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.look(now)
	return l.arrive(now, class, deadline, w)
}

// Refuse does what Arrive does with an arrival that need not be queued to be refused: it
// is Closed or Full. Else it returns Queued, has counted nothing, and Arrive is to be
// asked. It is not for a Limiter in shadow, which refuses nobody.
func (l *Limiter) Refuse(now time.Duration, class Class) Verdict {
	class = min(max(class, Critical), BestEffort)
	if l.closed.Load() {
		return Closed
	}
	if l.rooms.full(now, class) && int64(now) < l.trickle.Load() {
		l.window.block(now)
		l.window.reject(now, class)
		return Full
	}
	return Queued
}

func (l *Limiter) arrive(now time.Duration, class Class, deadline time.Duration, w *Waiter) Verdict {
	limit := int(l.limit.Load())
	if l.closed.Load() {
		return Closed
	}
	full := w == nil || l.rooms.full(now, class)
	var n int
	if full {
		n = l.slots.take(limit)
	} else {
		n = l.slots.wait(limit)
	}
	if n > 0 {
		l.admitted(now, n)
		return Admitted
	}
	if l.window.stale(now) && !l.drains.Load() {
		l.begin(now, now)
	}
	l.window.block(now)
	if full {
		l.window.reject(now, class)
		return Full
	}
	w.class, w.deadline = class, deadline
	l.queue.push(w)
	l.rooms.changed(now, &l.queue, class)
	l.displace(now, class)
	return Queued
}

// displace makes room for an arrival of class c that was queued, if that is needed.
func (l *Limiter) displace(now time.Duration, c Class) {
	least := BestEffort
	for least > c && l.queue.lines[least].waiting == 0 {
		least--
	}
	if least == c || int64(l.queue.waiting) <= l.rooms.size(now, least) {
		return
	}
	w := l.queue.displace(c)
	l.drop(now, w, Displaced)
}

// drop decides against w, who is out of the queue.
func (l *Limiter) drop(now time.Duration, w *Waiter, v Verdict) {
	l.slots.leave()
	l.rooms.changed(now, &l.queue, w.class)
	l.window.reject(now, w.class)
	w.decide(v)
}

// Leave takes w out of the queue, as its caller has gone. It returns false if w was
// decided on already: then it may hold a slot, which is to be released.
func (l *Limiter) Leave(now time.Duration, w *Waiter) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.queue.remove(w) {
		return false
	}
	l.slots.leave()
	l.rooms.changed(now, &l.queue, w.class)
	l.window.reject(now, w.class)
	return true
}

// Release gives a slot back. The latency is the time from when the call was admitted
// until its answer began, which may be less than it had the slot for.
func (l *Limiter) Release(now, latency time.Duration, end End) {
	ready := l.window.count(now, latency, end)
	left, ok := l.slots.free()
	if !ok {
		l.mu.Lock()
		l.slots.drop()
		if ready || l.drains.Load() {
			l.look(now)
		}
		l.fill(now)
		l.mu.Unlock()
		return
	}
	if left == 0 {
		l.window.pause(now)
	}
	if (ready || l.drains.Load()) && l.mu.TryLock() { // who holds it sees to it, or the next one
		l.look(now)
		l.mu.Unlock()
	}
}

// fill gives free slots to those who wait.
func (l *Limiter) fill(now time.Duration) {
	limit := l.estimate.current()
	for l.queue.waiting > 0 {
		inFlight := l.slots.inFlight()
		if inFlight >= limit {
			return
		}
		w := l.queue.pop()
		// Only who had to wait is dropped: a free slot always starts work, or nothing
		// would be learned any more.
		if w.deadline != 0 && w.deadline-now < seconds(hopelessRatio*l.estimate.expected()) {
			l.drop(now, w, Hopeless)
			l.window.block(now) // whoever comes next finds the slot free that should have been in use
			continue
		}
		l.slots.grant()
		l.rooms.changed(now, &l.queue, w.class)
		l.window.notePeak(inFlight + 1)
		w.decide(Admitted)
	}
}

// RetryAfter returns when a refused caller is to come again: from 1s to 60s, and some
// jitter. Each caller is given another time, as many per second as can be served.
func (l *Limiter) RetryAfter(now time.Duration, class Class) time.Duration {
	return l.paces[min(max(class, Critical), BestEffort)].after(now)
}

// MaxWait returns how long a caller with that deadline may wait in the queue: half of
// what it has left, at most a minute, or 10s if there is none, the deadline being 0. That
// bounds the wait of a caller who has gone without a sign, and leaves the others the time
// to go elsewhere when no slot comes free at all.
func MaxWait(now, deadline time.Duration) time.Duration {
	if deadline == 0 {
		return 10 * time.Second
	}
	return min(max(deadline-now, 0)/2, time.Minute)
}

// Usage returns how many calls may be in flight, 0 once closed, and how many are. It
// takes no lock.
func (l *Limiter) Usage() (limit, inFlight int) {
	return int(l.limit.Load()), l.slots.inFlight()
}

// Close has the Limiter refuse all arrivals from now on. Who waits is served.
func (l *Limiter) Close(time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed.Store(true)
	l.limit.Store(0)
}

// watch takes a slot over the limit, in shadow.
func (l *Limiter) watch(now time.Duration) Verdict {
	n := l.slots.force()
	l.window.notePeak(n)
	over := int64(n) - l.limit.Load()
	if l.closed.Load() {
		return Closed
	}
	if over <= 0 {
		return Admitted
	}
	l.window.block(now)
	if over == 1 {
		l.rooms.empty[Default].Store(int64(now))
	}
	if over > l.rooms.size(now, Default) {
		return Full
	}
	return Admitted
}
