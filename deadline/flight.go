package deadline

import (
	"context"
	"sync"
	"time"
)

// Bounds of what is in flight: calls beyond, which nobody can have meant to make, count
// but are not watched; and spares that are kept for the next calls.
const (
	flightShards = 16
	maxFlights   = 1 << 16
	maxSpares    = 256 // of each shard
)

// A flight is a call without a deadline that is being made. It belongs to its shard,
// whose lock guards it, and serves one call after the other.
type flight struct {
	shard  *flightShard
	number uint64 // of the call; changes when it ends
	site   *site
	target string
	start  time.Duration
	act    action
	stuck  bool // that it takes too long was seen

	// uncounted says that the call counts only later: when it is known that it was
	// one, or that it took at least this long.
	uncounted bool
	least     time.Duration

	prev, next *flight
}

// flightShard is a part of the flights, with a lock of its own.
type flightShard struct {
	mu     sync.Mutex // guards the fields below, and the flights
	head   flight     // of a ring, without a call of its own
	flying int
	spare  *flight
	spares int

	_ [64]byte // the next one is in another cache line
}

type flights struct{ shards [flightShards]flightShard }

func (f *flights) init() {
	for i := range f.shards {
		s := &f.shards[i]
		s.head.prev, s.head.next = &s.head, &s.head
	}
}

// fly has a call of s be in flight from now on.
func (a *Auditor) fly(s *site, target string, now time.Duration, act action, h hook) Op {
	shard := &a.flights.shards[uint64(now)*0x9e3779b97f4a7c15>>60] //nolint:gosec // the time spreads them as well as chance does
	shard.mu.Lock()
	if shard.flying >= maxFlights/flightShards {
		shard.mu.Unlock()
		if h.later && h.least == 0 {
			a.note(a.detached, s, target, act, now) // nobody could say it later
		}
		return Op{}
	}
	f := shard.spare
	if f == nil {
		f = &flight{shard: shard}
	} else {
		shard.spare, shard.spares = f.next, shard.spares-1
	}
	f.site, f.target, f.start, f.act, f.stuck = s, target, now, act, false
	f.uncounted, f.least = h.later, h.least
	shard.enter(f)
	op := Op{flight: f, number: f.number}
	shard.mu.Unlock()
	if s.reason == "" && !a.watching.Load() {
		a.watch()
	}
	return op
}

// enter puts f into the ring. It needs s.mu.
func (s *flightShard) enter(f *flight) {
	f.prev, f.next = s.head.prev, &s.head
	f.prev.next, s.head.prev = f, f
	s.flying++
}

// leave takes f out of the ring and keeps it as a spare. It needs s.mu.
func (s *flightShard) leave(f *flight) {
	f.prev.next, f.next.prev = f.next, f.prev
	f.prev, f.next = nil, nil
	f.site, f.target = nil, ""
	f.number++
	s.flying--
	if s.spares < maxSpares {
		f.next, s.spare, s.spares = s.spare, f, s.spares+1
	}
}

// land ends the call of that number, unless it has ended.
func (f *flight) land(number uint64) {
	s := f.shard
	s.mu.Lock()
	if f.number != number {
		s.mu.Unlock()
		return
	}
	site, start, uncounted := f.site, f.start, f.uncounted
	took := site.auditor.now() - start
	target, act := f.target, f.act
	if uncounted && (f.least == 0 || took < f.least) {
		site = nil
	}
	s.leave(f)
	s.mu.Unlock()
	if site == nil {
		return // it was none
	}
	if uncounted {
		site.auditor.note(site.auditor.detached, site, target, act, start)
	}
	site.took.record(took)
}

// count has the call of that number count now.
func (f *flight) count(ctx context.Context, number uint64) {
	s := f.shard
	s.mu.Lock()
	if f.number != number || !f.uncounted {
		s.mu.Unlock()
		return
	}
	f.uncounted = false
	was := *f
	s.mu.Unlock()
	was.site.auditor.note(ctx, was.site, was.target, was.act, was.start)
}

// moveTo has the call of that number be one of site.
func (f *flight) moveTo(number uint64, site *site) {
	s := f.shard
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.number == number {
		f.site = site
	}
}

// see calls look with each of the calls in flight and returns, as they were then, those
// of which it says so. look runs with a lock.
func (a *Auditor) see(look func(f *flight) bool) []flight {
	var seen []flight
	for i := range a.flights.shards {
		s := &a.flights.shards[i]
		s.mu.Lock()
		for f := s.head.next; f != &s.head; f = f.next {
			if look(f) {
				seen = append(seen, *f)
			}
		}
		s.mu.Unlock()
	}
	return seen
}
