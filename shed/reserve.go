package shed

import (
	"context"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/internal/adaptive"
)

// place is one that a call was given ahead of it.
type place struct{ s *Shed }

// Reserve implements [firebreak.Reserver]: it lets c in if the server can take it on, and
// rejects it if there is no place in the queue either. In shadow nobody is rejected.
func (s *Shed) Reserve(ctx context.Context, c firebreak.Call) (firebreak.Reservation, *firebreak.RejectedError) {
	if c.Exempt || ctx.Err() != nil {
		return nil, nil //nolint:nilerr // Do has the error
	}
	now := s.now()
	switch {
	case s.limiter.TryAdmit(now):
		return place{s}, nil
	case s.shadow:
		return nil, nil
	}
	class := classOf(firebreak.PriorityOf(ctx))
	if verdict := s.limiter.Refuse(now, class); verdict != adaptive.Queued {
		return nil, s.rejection(now, class, verdict)
	}
	return nil, nil
}

// Do runs next in the place, as [Shed.Do] does. The time until now was no work: the
// caller was still sending.
func (p place) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	return p.s.run(ctx, c, p.s.now(), next)
}

// Cancel gives the place back. However long it was held, and however many calls come to
// nothing so, that says nothing of the server.
func (p place) Cancel() { p.s.limiter.Release(p.s.now(), 0, adaptive.Unused) }

// token is one that was used for a call ahead of it.
type token struct{}

// Reserve implements [firebreak.Reserver]: it decides at once, as Do does.
func (r *RateLimit) Reserve(ctx context.Context, c firebreak.Call) (firebreak.Reservation, *firebreak.RejectedError) {
	if c.Exempt || ctx.Err() != nil {
		return nil, nil //nolint:nilerr // Do has the error
	}
	if rejection := r.take(); rejection != nil {
		return nil, rejection
	}
	return token{}, nil
}

// Do runs next.
func (token) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	return next(ctx, c)
}

// Cancel leaves the token used: whoever sends calls that come to nothing has a quota,
// too.
func (token) Cancel() {}
