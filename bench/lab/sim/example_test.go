package sim_test

import (
	"fmt"
	"time"

	"github.com/firebreak-go/firebreak/bench/lab/sim"
)

// A server of one's own, under twice the load that it can do: with our limiter, and
// with a policy that takes everyone.
func Example() {
	search := sim.Model{
		Name: "search", Workers: 24,
		Work: sim.LogNormal(0.030, 0.8), Mean: 0.030, // seconds
		Patience: 500 * time.Millisecond,
	}
	open := sim.Maker{Name: "open", New: func(desk sim.Desk, _ sim.Model) sim.Policy { return openDoor{desk} }}

	fmt.Printf("%.0f requests per second at most\n", search.Capacity())
	for _, maker := range []sim.Maker{sim.Firebreak(), open} {
		r := sim.RunSteady(search, 2, maker, 1, 0)
		fmt.Printf("%s: %.1f of that are answered in time\n", maker.Name, r.Goodput)
	}

	// Output:
	// 800 requests per second at most
	// firebreak: 1.0 of that are answered in time
	// open: 0.0 of that are answered in time
}

// openDoor takes everyone.
type openDoor struct{ desk sim.Desk }

func (o openDoor) Arrive(_ time.Duration, r *sim.Request)          { o.desk.Start(r) }
func (o openDoor) Leave(time.Duration, *sim.Request)               {}
func (o openDoor) Done(_ time.Duration, _ *sim.Request, _ sim.End) {}
