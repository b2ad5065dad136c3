package sim

import (
	"time"

	"github.com/firebreak-go/firebreak/internal/adaptive"
)

// Firebreak is the limiter of firebreak's package shed: the same code, told of virtual
// time.
func Firebreak() Maker {
	return Maker{Name: "firebreak", New: func(desk Desk, _ Model) Policy {
		return &firebreak{desk: desk, limiter: adaptive.New(0, adaptive.Config{})}
	}}
}

type firebreak struct {
	desk    Desk
	limiter *adaptive.Limiter
	now     time.Duration
}

func (f *firebreak) Limit() int { return f.limiter.Snapshot().Limit }

func (f *firebreak) Arrive(now time.Duration, r *Request) {
	f.now = now
	if f.limiter.TryAdmit(now) {
		f.desk.Start(r)
		return
	}
	w := &adaptive.Waiter{}
	w.Wake = func() {
		if w.Verdict() == adaptive.Admitted {
			f.desk.Start(r)
		} else {
			f.refuse(r)
		}
	}
	r.Data = w
	switch f.limiter.Arrive(now, adaptive.Class(r.Class), r.Deadline, w) {
	case adaptive.Queued:
		f.desk.At(now+adaptive.MaxWait(now, r.Deadline), func(now time.Duration) {
			if f.now = now; f.limiter.Leave(now, w) {
				f.refuse(r)
			}
		})
	case adaptive.Admitted:
		f.desk.Start(r)
	default:
		f.refuse(r)
	}
}

func (f *firebreak) refuse(r *Request) {
	f.desk.Refuse(r, f.limiter.RetryAfter(f.now, adaptive.Class(r.Class)))
}

func (f *firebreak) Leave(now time.Duration, r *Request) {
	f.now = now
	w, waits := r.Data.(*adaptive.Waiter)
	if !waits || !f.limiter.Leave(now, w) {
		panic("sim: a request left that does not wait")
	}
}

func (f *firebreak) Done(now time.Duration, _ *Request, e End) {
	f.now = now
	end := adaptive.Completed
	switch {
	case e.Canceled:
		end = adaptive.Ignored
	case e.Failed:
		end = adaptive.Failed
	}
	f.limiter.Release(now, e.Latency, end)
}
