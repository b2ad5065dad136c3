package bulkhead

// slots counts what is taken of a number of slots and keeps those who wait for
// one in a queue, first in, first out. All operations take constant time. It has
// no lock and no clock.
type slots struct {
	max, maxWaiting int
	taken, waiting  int
	first, last     *waiter
}

// waiter is a place in the queue.
type waiter struct {
	granted    chan struct{} // closed when the waiter has a slot
	queued     bool
	prev, next *waiter
}

// take takes a slot if one is free. Those who wait go first: none is free then.
func (s *slots) take() bool {
	if s.taken >= s.max {
		return false
	}
	s.taken++
	return true
}

// wait queues for a slot. It returns nil if the queue is full.
func (s *slots) wait() *waiter {
	if s.full() {
		return nil
	}
	w := &waiter{granted: make(chan struct{}), queued: true, prev: s.last}
	if s.last == nil {
		s.first = w
	} else {
		s.last.next = w
	}
	s.last = w
	s.waiting++
	return w
}

// full reports whether nobody else can wait.
func (s *slots) full() bool { return s.waiting >= s.maxWaiting }

// leave takes w out of the queue. It reports false if w has been granted a slot
// already, which is the waiter's to free.
func (s *slots) leave(w *waiter) bool {
	if !w.queued {
		return false
	}
	if w.prev == nil {
		s.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		s.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.queued, w.prev, w.next = false, nil, nil
	s.waiting--
	return true
}

// free gives a slot back: to the first waiter, if there is one.
func (s *slots) free() {
	w := s.first
	if w == nil {
		s.taken--
		return
	}
	s.leave(w)
	close(w.granted)
}
