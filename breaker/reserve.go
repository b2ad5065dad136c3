package breaker

import (
	"context"

	"github.com/firebreak-go/firebreak"
)

// A pass is a permit that was given ahead of the attempt. It is never that of a probe, so
// that nothing is to be given back.
type pass struct {
	b          *Breaker
	generation uint64
}

// Reserve implements [firebreak.Reserver]: it lets c pass a closed breaker, and rejects it
// at an open one. Where there is a change of state to tell, or a probe to make, it leaves
// c to Do.
func (b *Breaker) Reserve(ctx context.Context, c firebreak.Call) (firebreak.Reservation, *firebreak.RejectedError) {
	if c.Exempt || ctx.Err() != nil {
		return nil, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	p, rejection, decided := b.circuit.decide()
	if !decided || rejection != nil {
		return nil, rejection
	}
	return &pass{b, p.generation}, nil
}

// Do runs next, as [Breaker.Do] does.
func (p *pass) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	home := originOf(c)
	p.b.mu.Lock()
	p.b.home = home
	begin := p.b.circuit.begin()
	p.b.mu.Unlock()
	return p.b.run(ctx, c, c.Origin(), permit{generation: p.generation, begin: begin}, next)
}

// Cancel has nothing to give back.
func (*pass) Cancel() {}
