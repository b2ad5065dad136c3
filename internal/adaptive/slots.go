package adaptive

import "sync/atomic"

// slots counts the calls in flight, and the waiters, in one word, so that a slot is
// never given back unseen by somebody who is about to wait for it. Only the holder
// of the lock changes the number of waiters.
type slots struct{ word atomic.Uint64 }

const oneWaiter = 1 << 32 // the lower half has those in flight

// inFlight returns how many slots are taken.
func (s *slots) inFlight() int { return int(s.word.Load() & (oneWaiter - 1)) }

// grant gives a waiter a slot.
func (s *slots) grant() { s.word.Add(^uint64(oneWaiter - 2)) }

// leave takes a waiter away.
func (s *slots) leave() { s.word.Add(^uint64(oneWaiter - 1)) }

// drop gives a slot back, whoever waits for it.
func (s *slots) drop() { s.word.Add(^uint64(0)) }

// force takes a slot whether one is free or not, and returns how many are taken then.
// It is for a limit that does not bind, where nobody waits.
func (s *slots) force() int { return int(s.word.Add(1)) } //nolint:gosec // as many as there are goroutines

// take takes one of limit slots, unless all are taken or somebody waits. It returns
// how many are taken then, or 0.
func (s *slots) take(limit int) int {
	for {
		word := s.word.Load()
		// With waiters the word is beyond any limit.
		if word >= uint64(limit) { //nolint:gosec // a limit is positive or 0
			return 0
		}
		if s.word.CompareAndSwap(word, word+1) {
			return int(word) + 1 //nolint:gosec // less than limit
		}
	}
}

// free gives a slot back, unless somebody waits for it. It returns how many are taken
// then.
func (s *slots) free() (left int, ok bool) {
	for {
		word := s.word.Load()
		if word >= oneWaiter {
			return 0, false
		}
		if s.word.CompareAndSwap(word, word-1) {
			return int(word) - 1, true
		}
	}
}

// wait counts a waiter, unless one of limit slots is free: then it takes it, if
// nobody else waits.
func (s *slots) wait(limit int) (taken int) {
	for {
		word := s.word.Load()
		if word < uint64(limit) { //nolint:gosec // a limit is positive or 0
			if s.word.CompareAndSwap(word, word+1) {
				return int(word) + 1 //nolint:gosec // less than limit
			}
			continue
		}
		if s.word.CompareAndSwap(word, word+oneWaiter) {
			return 0
		}
	}
}
