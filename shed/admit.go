package shed

import (
	"context"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/internal/adaptive"
)

// queue is for a call that was not let in at once. It is apart from Do so that no other
// call is copied for it. It returns the time at which the call was let in after all.
func (s *Shed) queue(ctx context.Context, c firebreak.Call, now time.Duration) (begin time.Duration, err error) {
	if ctx.Err() != nil {
		return 0, firebreak.Unsent(c.Err(ctx)) // nothing is taken for a caller who has left
	}
	class := classOf(firebreak.PriorityOf(ctx))
	if !s.shadow {
		if verdict := s.limiter.Refuse(now, class); verdict != adaptive.Queued {
			return now, s.decided(ctx, c, class, now, verdict) // before anything is made to wait with
		}
	}
	deadline := time.Duration(0)
	if at, ok := c.Deadline(ctx); ok {
		deadline = max(at.Sub(s.start), 1)
	}
	ready := make(chan struct{})
	w := &adaptive.Waiter{Wake: func() { close(ready) }}
	verdict := s.limiter.Arrive(now, class, deadline, w)
	if s.shadow {
		if verdict != adaptive.Admitted {
			c.Shadow(ctx, s.rejection(now, class, verdict))
		}
		return now, nil // it has a place in any case
	}
	if verdict != adaptive.Queued {
		return now, s.decided(ctx, c, class, now, verdict)
	}
	began := time.Now()
	woken, err := c.Wait(ctx, adaptive.MaxWait(now, deadline), ready)
	now = s.now()
	if woken || !s.limiter.Leave(now, w) { // in the latter case it was decided on at the same moment
		verdict = w.Verdict()
	}
	if err == nil && verdict == adaptive.Admitted {
		err = c.Err(ctx)
	}
	c.Emit(ctx, firebreak.Event{Kind: firebreak.EventWait, Policy: "shed", Duration: time.Since(began), Err: err})
	if err != nil {
		if verdict == adaptive.Admitted {
			s.limiter.Release(now, 0, adaptive.Ignored)
		}
		return 0, firebreak.Unsent(err)
	}
	return now, s.decided(ctx, c, class, now, verdict)
}

// decided returns nil if the verdict lets the call in, or else the rejection.
func (s *Shed) decided(ctx context.Context, c firebreak.Call, class adaptive.Class, now time.Duration, v adaptive.Verdict) error {
	if v == adaptive.Admitted {
		return nil
	}
	return c.Reject(ctx, s.rejection(now, class, v))
}

func (s *Shed) rejection(now time.Duration, class adaptive.Class, v adaptive.Verdict) *firebreak.RejectedError {
	limit, usage := s.limiter.Usage()
	rejection := &firebreak.RejectedError{Policy: "shed", Reason: reasonOf(v), Err: ErrShed, Limit: limit, Usage: usage}
	if v != adaptive.Closed { // this server will not be there, another may have room now
		rejection.RetryAfter = s.limiter.RetryAfter(now, class)
	}
	return rejection
}

// reasonOf returns the word for a verdict. Queued is that of a call that waited as long
// as it may.
func reasonOf(v adaptive.Verdict) string {
	switch v {
	case adaptive.Full:
		return "full"
	case adaptive.Displaced:
		return "displaced"
	case adaptive.Hopeless:
		return "too_late"
	case adaptive.Closed:
		return "closing"
	default:
		return "queue_timeout"
	}
}

func classOf(p firebreak.Priority) adaptive.Class {
	return adaptive.Class(p - firebreak.PriorityCritical)
}
