package bulkhead

import (
	"context"

	"github.com/firebreak-go/firebreak"
)

// slot is one that was taken ahead of the call.
type slot struct{ b *Bulkhead }

// Reserve implements [firebreak.Reserver]: it takes a slot if one is free, and rejects
// the call if there is no place in the queue either.
func (b *Bulkhead) Reserve(ctx context.Context, c firebreak.Call) (firebreak.Reservation, *firebreak.RejectedError) {
	if c.Exempt || ctx.Err() != nil {
		return nil, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.slots.take():
		return slot{b}, nil
	case b.slots.full():
		return nil, b.rejection("full")
	default:
		return nil, nil
	}
}

// Do runs next in the slot, as [Bulkhead.Do] does.
func (s slot) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	return s.b.run(ctx, c, next)
}

// Cancel gives the slot back.
func (s slot) Cancel() { s.b.release() }
