package adaptive

import (
	"sync/atomic"
	"time"
)

const (
	paceFrom = time.Second
	paceTo   = 60 * time.Second
)

// pace gives refused callers of one class the times at which to come back: each its
// own, at the rate at which the class can be served, so that a herd does not come back
// as one. It has no lock.
type pace struct {
	last     atomic.Int64 // the last time given
	beyond   atomic.Int64 // how many came when all times were given
	interval atomic.Int64 // between two
}

// after returns how long the next caller is to wait.
func (p *pace) after(now time.Duration) time.Duration {
	interval := p.interval.Load()
	for {
		last := p.last.Load()
		slot := max(last+interval, int64(now+paceFrom))
		if slot > int64(now+paceTo) {
			// All times within reach are given: those who come now are no longer kept
			// apart, but they must not come as one wave a minute later.
			return paceTo/2 + jitter(p.beyond.Add(1), paceTo*3/4)
		}
		if p.last.CompareAndSwap(last, slot) {
			wait := time.Duration(slot) - now
			return wait + jitter(slot, wait/8)
		}
	}
}

// setRate sets how many callers per second can be served.
func (p *pace) setRate(rate float64) {
	interval := paceTo
	if rate > 1/paceTo.Seconds() {
		interval = time.Duration(float64(time.Second) / rate)
	}
	p.interval.Store(int64(interval))
}

// jitter returns a duration from 0 to most that depends on x as if by chance: so it
// needs no generator, whose state all callers would share.
func jitter(x int64, most time.Duration) time.Duration {
	h := uint64(x) //nolint:gosec // a hash takes any bits
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	h ^= h >> 31
	return time.Duration(float64(h>>11) / (1 << 53) * float64(most))
}
