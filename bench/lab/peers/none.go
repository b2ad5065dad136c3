package peers

import (
	"time"

	"github.com/firebreak-go/firebreak/bench/lab"
)

// None starts every request at once: what the server does without protection.
func None() lab.Maker {
	return lab.Maker{Name: "none", New: func(desk lab.Desk, _ lab.Model) lab.Policy { return none{desk} }}
}

type none struct{ desk lab.Desk }

func (n none) Arrive(_ time.Duration, r *lab.Request)        { n.desk.Start(r) }
func (none) Leave(time.Duration, *lab.Request)               {}
func (none) Done(_ time.Duration, _ *lab.Request, _ lab.End) {}
