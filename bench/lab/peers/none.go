package peers

import (
	"time"

	"github.com/firebreak-go/firebreak/bench/lab/sim"
)

// None starts every request at once: what the server does without protection.
func None() sim.Maker {
	return sim.Maker{Name: "none", New: func(desk sim.Desk, _ sim.Model) sim.Policy { return none{desk} }}
}

type none struct{ desk sim.Desk }

func (n none) Arrive(_ time.Duration, r *sim.Request)        { n.desk.Start(r) }
func (none) Leave(time.Duration, *sim.Request)               {}
func (none) Done(_ time.Duration, _ *sim.Request, _ sim.End) {}
