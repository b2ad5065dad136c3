package main

import "time"

// quietTime is for how long a third party that refuses has to be left alone. It is
// what its Retry-After says.
const quietTime = time.Second

// A quota is what an overloaded third party serves: a burst, and a third of the
// usual load. Once it is spent, all requests are refused until none has come for
// quietTime: one that comes earlier has the time begin anew, as with many a third
// party that locks out whom its hints do not reach.
type quota struct {
	burst, rate float64 // requests; requests per second
	left        float64
	last        time.Time // when the last request came
	refusing    bool
	refused     int
}

func newQuota(rps int) quota {
	burst := float64(rps) * 3 / 4
	return quota{burst: burst, rate: float64(rps) / 3, left: burst}
}

// take takes a request at the time now. It reports false if that is refused.
func (q *quota) take(now time.Time) bool {
	since := now.Sub(q.last)
	q.last = now
	switch {
	case since >= quietTime:
		q.left, q.refusing = q.burst, false
	case !q.refusing:
		q.left = min(q.burst, q.left+q.rate*since.Seconds())
		q.refusing = q.left < 1
	}
	if q.refusing {
		q.refused++
		return false
	}
	q.left--
	return true
}
