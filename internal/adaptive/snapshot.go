package adaptive

import "time"

// A Snapshot is the state of a Limiter.
type Snapshot struct {
	// Limit is how many calls may be in flight.
	Limit int

	// InFlight is how many are. It is over Limit for a while after that was lowered.
	InFlight int

	// Waiting is how many wait, by class.
	Waiting [Classes]int

	// Baseline is the latency that the server has when nothing waits in it, 0 if that is
	// not known yet.
	Baseline time.Duration

	// Latency is the mean of the last window, 0 before the first.
	Latency time.Duration

	// Throughput is how many calls were completed per second in the last windows.
	Throughput float64
}

// Snapshot returns the state.
func (l *Limiter) Snapshot() Snapshot {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := Snapshot{
		Limit:      l.estimate.current(),
		Baseline:   seconds(l.estimate.base),
		Latency:    seconds(l.estimate.latency),
		Throughput: l.estimate.rate,
	}
	s.InFlight = l.slots.inFlight()
	for c := range s.Waiting {
		s.Waiting[c] = l.queue.lines[c].waiting
	}
	return s
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
