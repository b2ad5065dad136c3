package peers

import (
	"context"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failsafe-go/failsafe-go/adaptivelimiter"
	"github.com/failsafe-go/failsafe-go/priority"
	"github.com/google/go-cmp/cmp"

	"github.com/firebreak-go/firebreak/bench/lab/sim"
)

// original is failsafe-go itself. It must run within a bubble of synctest, whose time
// it moves to that of the desk.
type original struct {
	desk    sim.Desk
	start   time.Time
	limiter adaptivelimiter.PriorityLimiter[any]
	permits map[*sim.Request]adaptivelimiter.Permit
	queue   []*waiter // in the order of arrival
}

type waiter struct {
	request *sim.Request
	leave   context.CancelFunc
	result  chan adaptivelimiter.Permit // closed without one if there is none
}

func newOriginal(ctx context.Context, desk sim.Desk, m sim.Model) *original {
	prioritizer := adaptivelimiter.NewPrioritizer()
	prioritizer.ScheduleCalibrations(ctx, calibration)
	return &original{
		desk: desk, start: time.Now(),
		limiter: adaptivelimiter.NewBuilder[any]().WithLimits(1, uint(failsafeMost(m)), 20).BuildPrioritized(prioritizer),
		permits: make(map[*sim.Request]adaptivelimiter.Permit),
	}
}

func (o *original) Arrive(now time.Duration, r *sim.Request) {
	o.moveTo(now)
	ctx, cancel := context.WithCancel(priority.ContextWithLevel(context.Background(), failsafeLevel(o.desk, r)))
	w := &waiter{r, cancel, make(chan adaptivelimiter.Permit, 1)}
	o.queue = append(o.queue, w)
	go func() {
		defer close(w.result)
		if permit, err := o.limiter.AcquirePermit(ctx); err == nil {
			w.result <- permit
		}
	}()
	o.settle()
}

func (o *original) Leave(now time.Duration, r *sim.Request) {
	o.moveTo(now)
	for i, w := range o.queue {
		if w.request == r {
			o.queue = append(o.queue[:i:i], o.queue[i+1:]...)
			w.leave()
			break
		}
	}
	o.settle()
}

func (o *original) Done(now time.Duration, r *sim.Request, e sim.End) {
	o.moveTo(now)
	permit := o.permits[r]
	delete(o.permits, r)
	if e.Canceled {
		permit.Drop()
	} else {
		permit.Record()
	}
	o.settle()
}

func (o *original) moveTo(now time.Duration) { time.Sleep(time.Until(o.start.Add(now))) }

// settle waits until nothing moves, and tells the desk what has become of those who
// waited.
func (o *original) settle() {
	synctest.Wait()
	var still []*waiter
	for _, w := range o.queue {
		select {
		case permit, ok := <-w.result:
			w.leave()
			if !ok {
				o.desk.Refuse(w.request, 0)
				continue
			}
			o.permits[w.request] = permit
			o.desk.Start(w.request)
		default:
			still = append(still, w)
		}
	}
	o.queue = still
}

// traffic brings random requests to the desk whose rate changes every few seconds,
// between half of what the server can do and ten times as much, and whose work is of
// two kinds.
func traffic(d *desk, workers int, mean, length time.Duration) {
	r := rand.New(rand.NewPCG(3, 4))
	capacity := float64(workers) / float64(mean)
	loads := []float64{0.5, 2, 0.9, 10, 1.5, 0.7, 5, 1}
	for now := time.Duration(0); now < length; {
		load := loads[int(now/(7*time.Second))%len(loads)]
		now += 1 + time.Duration(r.ExpFloat64()/(capacity*load))
		work := mean / 2
		if r.IntN(10) == 0 {
			work = mean * 11 / 2
		}
		d.arrive(now, r.IntN(4), work+time.Duration(r.Int64N(int64(mean)/10)))
	}
}

// The port is the library: both do the same to each of the same requests, at the
// same time.
func TestFailsafeIsTheOriginal(t *testing.T) {
	for name, tt := range map[string]struct {
		workers int
		mean    time.Duration
	}{
		"a pool":       {16, 20 * time.Millisecond},
		"one worker":   {1, 5 * time.Millisecond},
		"many at once": {300, 500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			const length = 60 * time.Second
			m := sim.Model{Workers: tt.workers, Mean: tt.mean.Seconds()}
			port := newDesk(tt.workers)
			port.policy = Failsafe().New(port, m)
			traffic(port, tt.workers, tt.mean, length)
			port.run(length)

			library := newDesk(tt.workers)
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				o := newOriginal(ctx, library, m)
				library.policy = o
				traffic(library, tt.workers, tt.mean, length)
				library.run(length)
				for _, w := range o.queue {
					w.leave()
				}
			})

			n := port.count()
			if n["done"] < 1000 || n["refused"] < 1000 {
				t.Errorf("got %v, want many of each: the traffic tries nothing out", n)
			}
			for i := range min(len(port.log), len(library.log)) {
				if port.log[i] != library.log[i] {
					t.Fatalf("event %d of %d: got %q of the port, %q of the library", i, len(port.log), port.log[i], library.log[i])
				}
			}
			if diff := cmp.Diff(library.count(), n); diff != "" {
				t.Errorf("library, port: %s", diff)
			}
		})
	}
}
