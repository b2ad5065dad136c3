package breaker

import (
	"context"
	"slices"

	"github.com/firebreak-go/firebreak"
)

// A Change is a change of state. One made by hand is told also if From is To.
type Change struct {
	From, To State
	Cause    error // the failure that opened the breaker; nil in other changes
}

// news is a Change that was not told yet, and the call that made it.
type news struct {
	Change

	ctx  context.Context //nolint:containedctx // another call may tell it: the span is that of this one
	from firebreak.Origin
}

// sign notes who made the changes that nobody signed yet. It reports whether
// there is something to tell.
func (c *circuit) sign(ctx context.Context, from firebreak.Origin) bool {
	for i := range c.changes {
		if c.changes[i].ctx == nil {
			c.changes[i].ctx, c.changes[i].from = ctx, from
		}
	}
	return len(c.changes) > 0
}

// tell emits the changes of state and hands them to OnStateChange, one at a time
// and without a lock: what is told may use the breaker. If somebody is at it
// already, that one goes on with what came in the meantime.
func (b *Breaker) tell() {
	for b.tellOne() {
	}
}

func (b *Breaker) tellOne() bool {
	b.mu.Lock()
	if b.circuit.telling || len(b.circuit.changes) == 0 {
		b.mu.Unlock()
		return false
	}
	b.circuit.telling = true
	n := b.circuit.changes[0]
	b.circuit.changes = slices.Delete(b.circuit.changes, 0, 1)
	b.mu.Unlock()
	defer func() { // also after a panic: the next call tells the rest
		b.mu.Lock()
		b.circuit.telling = false
		b.mu.Unlock()
	}()
	n.from.Emit(n.ctx, firebreak.Event{
		Kind: firebreak.EventTransition, Policy: "breaker", From: n.From.String(), To: n.To.String(), Err: n.Cause,
	})
	if b.cfg.OnStateChange != nil {
		b.cfg.OnStateChange(n.Change)
	}
	return true
}
