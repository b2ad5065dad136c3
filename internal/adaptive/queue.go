package adaptive

import "time"

// A Waiter is the place of one call in the queue. It is used for one arrival.
type Waiter struct {
	// Wake is called once when the Waiter, having been queued, is decided on. It is
	// called with the Limiter locked: it may only signal, as by closing a channel. It
	// is not called for a Waiter that leaves.
	Wake func()

	class      Class
	deadline   time.Duration // 0: none
	verdict    Verdict
	queued     bool
	prev, next *Waiter
}

// Verdict returns what was decided. It may be called once Wake was called, or Leave
// has returned false.
func (w *Waiter) Verdict() Verdict { return w.verdict }

// decide tells w what became of it, once it is out of the queue.
func (w *Waiter) decide(v Verdict) {
	w.verdict = v
	w.Wake()
}

// queue keeps those who wait: the more important classes first, first in, first out
// within a class. All operations take constant time. It has no lock and no clock.
type queue struct {
	lines   [Classes]line
	waiting int
}

type line struct {
	first, last *Waiter
	waiting     int
}

// ahead returns how many wait that would go before a new arrival of class c.
func (q *queue) ahead(c Class) int {
	n := 0
	for i := range c + 1 {
		n += q.lines[i].waiting
	}
	return n
}

// push queues w, which has its class.
func (q *queue) push(w *Waiter) {
	l := &q.lines[w.class]
	w.queued, w.prev, w.next = true, l.last, nil
	if l.last == nil {
		l.first = w
	} else {
		l.last.next = w
	}
	l.last = w
	l.waiting++
	q.waiting++
}

// remove takes w out of the queue. It reports false if w is not in it.
func (q *queue) remove(w *Waiter) bool {
	if !w.queued {
		return false
	}
	l := &q.lines[w.class]
	if w.prev == nil {
		l.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		l.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.queued, w.prev, w.next = false, nil, nil
	l.waiting--
	q.waiting--
	return true
}

// pop takes out who is to be served next, or returns nil.
func (q *queue) pop() *Waiter {
	for c := range q.lines {
		if w := q.lines[c].first; w != nil {
			q.remove(w)
			return w
		}
	}
	return nil
}

// displace takes out who has to make room for an arrival of class c: the oldest of
// the least important class, as it has the least time left. It returns nil if nobody
// is less important.
func (q *queue) displace(c Class) *Waiter {
	for i := Class(Classes - 1); i > c; i-- {
		if w := q.lines[i].first; w != nil {
			q.remove(w)
			return w
		}
	}
	return nil
}
