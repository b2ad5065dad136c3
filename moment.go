package firebreak

import (
	"sync/atomic"
	"time"
)

// A Moment is when something happened, if it has: when the answer to a call began
// ([Call.Began]). The zero value is one that is still to come. It must not be copied
// after first use and is safe for concurrent use.
type Moment struct {
	after atomic.Int64 // time since epoch, plus one
}

// epoch is what Moments are measured from: a monotonic clock fits into an atomic
// only as a duration.
var epoch = time.Now()

// Mark says that it happens now. Only the first call of Mark or MarkAt has an effect.
func (m *Moment) Mark() {
	if m.after.Load() == 0 {
		m.after.CompareAndSwap(0, int64(time.Since(epoch))+1)
	}
}

// MarkAt says that it happened at a time that [time.Now] returned, or some time earlier or
// later than that: an adapter leaves out so for what the caller was waited for.
func (m *Moment) MarkAt(at time.Time) {
	m.after.CompareAndSwap(0, int64(at.Sub(epoch))+1)
}

// Time returns when it happened. ok is false if it has not.
func (m *Moment) Time() (at time.Time, ok bool) {
	after := m.after.Load()
	if after == 0 {
		return time.Time{}, false
	}
	return epoch.Add(time.Duration(after - 1)), true
}
