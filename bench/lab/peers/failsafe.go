package peers

import (
	"time"

	"github.com/firebreak-go/firebreak/bench/lab/sim"
)

// Failsafe is a port of the adaptive limiter of failsafe-go v0.9.8 with the defaults
// of its builder, made with BuildPrioritized and calibrated each second, as its
// documentation shows: requests wait for as long as their callers, in a queue of up
// to three times the limit. From twice on, those whose priorities were the lowest
// among the last thousand are refused. The classes have its priorities but medium. Its
// highest limit of 200 is raised to twice the capacity, as a user would who knows the
// server.
//
// It is a port because the library reads the clock itself. The test of this package
// runs the library itself beside it, in virtual time, and both do the same to the
// same requests.
func Failsafe() sim.Maker {
	return sim.Maker{Name: "failsafe-go", New: func(desk sim.Desk, m sim.Model) sim.Policy {
		f := &failsafe{
			desk: desk, limit: newFailsafeLimit(failsafeMost(m)), started: make(map[*sim.Request]int),
		}
		f.size = int(f.limit.limit)
		desk.At(calibration, f.calibrate)
		return f
	}}
}

const calibration = time.Second

func failsafeMost(m sim.Model) float64 { return max(200, 2*float64(m.Knee())) }

type failsafe struct {
	desk      sim.Desk
	limit     *failsafeLimit
	size      int // of the semaphore: the limit in whole numbers
	inFlight  int
	queue     line
	started   map[*sim.Request]int // how many were in flight then
	levels    recentLevels
	threshold int // the lowest level that is not refused
}

func (f *failsafe) Arrive(_ time.Duration, r *sim.Request) {
	level := failsafeLevel(f.desk, r)
	if f.inFlight < f.size {
		f.start(r)
		return
	}
	if f.queue.len() >= 3*f.size || level < f.threshold {
		f.desk.Refuse(r, 0)
		return
	}
	f.levels.add(level)
	f.queue.push(r)
}

// failsafeLevel returns a random one of the hundred levels of the request's priority.
func failsafeLevel(desk sim.Desk, r *sim.Request) int {
	priorities := [...]int{4, 3, 1, 0} // from very high on, leaving medium out
	return priorities[r.Class]*100 + desk.Rand().IntN(100)
}

func (f *failsafe) start(r *sim.Request) {
	f.inFlight++
	f.started[r] = f.inFlight
	f.desk.Start(r)
}

func (f *failsafe) Leave(_ time.Duration, r *sim.Request) { f.queue.remove(r) }

func (f *failsafe) Done(now time.Duration, r *sim.Request, e sim.End) {
	if !e.Canceled {
		f.limit.answer(e.Latency, f.started[r])
	}
	delete(f.started, r)
	f.limit.update(now, f.inFlight >= f.size)
	for f.size = max(f.size, int(f.limit.limit)); f.inFlight < f.size && f.queue.len() > 0; {
		f.start(f.queue.pop())
	}
	f.size = int(f.limit.limit)
	f.inFlight--
	if f.inFlight < f.size && f.queue.len() > 0 {
		f.start(f.queue.pop())
	}
}

// calibrate sets the threshold for the length of the queue.
func (f *failsafe) calibrate(now time.Duration) {
	f.threshold = 0
	from, to := 2*f.size, 3*f.size
	if n := f.queue.len(); n > from {
		f.threshold = f.levels.quantile(min(float64(n-from)/float64(to-from), 1))
	}
	f.desk.At(now+calibration, f.calibrate)
}
