package deadline

import (
	"context"

	"github.com/firebreak-go/firebreak/internal/missing"
	"github.com/firebreak-go/firebreak/internal/stack"
)

// stackFrames is how many frames tell the calls of Stacks apart: those of a call, below
// the ones of a Stack.
const stackFrames = callFrames + 10

// WatchStacks has a note the calls of all Stacks of firebreak in this process, until
// stop is called. All Stacks give their calls a deadline but those with
// timeout.Unbounded, which say why: their calls are there by design, with that reason,
// and so is what they call in turn.
//
// Such calls are counted in firebreak.deadline.missing by the Stack itself.
func (a *Auditor) WatchStacks() (stop func()) {
	o := a.operations.get("stack.call")
	return missing.Watch(func(ctx context.Context, c missing.Call) (context.Context, func()) {
		o.calls.Add(1)
		var s *site
		if c.Inbound {
			s = a.routeSite(o, c.Reason, c.Op, func() []Frame { return nil })
		} else {
			var pcs [stackFrames]uintptr
			s = a.site(o, c.Reason, pcs[:stack.Callers(pcs[:])])
		}
		target := c.Stack
		if c.Target != "" {
			target += " " + c.Target
		}
		ctx, op, _ := a.begin(ctx, s, target, hook{tracks: true})
		if reasonOf(ctx) == "" {
			ctx = Unbounded(ctx, c.Reason)
		}
		return ctx, op.End
	})
}
