package main

import (
	"math/rand/v2"
	"time"

	"github.com/firebreak-go/firebreak/examples/internal/database"
	"github.com/firebreak-go/firebreak/examples/internal/traffic"
)

// A mode is how the servers are.
type mode int

const (
	// well answers after a query.
	well mode = iota
	// slow has one attempt in five hang until its caller gives it up.
	slow
	// failing does the work of each call and then answers one attempt in five with
	// UNAVAILABLE, to be made again after pushback.
	failing
	// down answers all with UNAVAILABLE at once.
	down
)

// oneIn is the share of attempts that a slow or failing server troubles.
const oneIn = 5

// pushback is when a failing server wants to see a call again.
const pushback = 100 * time.Millisecond

// A phase is a stretch of the run.
type phase struct {
	name       string
	mode       mode
	load       float64 // in multiples of what a server can do
	begin, end time.Duration
}

const (
	usualLoad = 0.5
	overload  = 3
)

// script returns the phases of a run that lasts total.
func script(total time.Duration) []phase {
	phases := []phase{
		{name: "healthy", mode: well, load: usualLoad},
		{name: "slow", mode: slow, load: usualLoad},
		{name: "failing", mode: failing, load: usualLoad},
		{name: "down", mode: down, load: usualLoad},
		{name: "well again", mode: well, load: usualLoad},
		{name: "overloaded", mode: well, load: overload},
	}
	lengths := [...]int{4, 6, 6, 4, 4, 9}
	const parts = 33
	at := 0
	for i, n := range lengths {
		phases[i].begin = total * time.Duration(at) / parts
		at += n
		phases[i].end = total * time.Duration(at) / parts
	}
	return phases
}

// A method is one of the service's.
type method int

const (
	getItem     method = iota // unary, reads
	listItems                 // the server streams, reads
	quotePrices               // both stream, reads
	placeOrder                // unary, changes something each time
	methods                   // how many there are
)

// String returns the name of the method in the service.
func (m method) String() string {
	return [methods]string{"GetItem", "ListItems", "QuotePrices", "PlaceOrder"}[m]
}

// shares are the methods' parts of the calls. Orders are critical: in the overload they
// alone are under half of what a server can do.
var shares = [methods]float64{getItem: 0.5, listItems: 0.2, quotePrices: 0.15, placeOrder: 0.15}

// An arrival is a caller who comes, whatever became of those before.
type arrival struct {
	at     time.Duration // since the beginning of the run
	phase  int
	method method
}

// newSchedule returns who comes in the phases. Equal seeds give equal schedules.
func newSchedule(seed uint64, phases []phase) []arrival {
	dice := rand.New(rand.NewPCG(seed, 0))
	var all []arrival
	for n, p := range phases {
		for at := range traffic.Arrivals(dice, p.load*database.Capacity, p.begin, p.end) {
			all = append(all, arrival{at: at, phase: n, method: pick(dice.Float64())})
		}
	}
	return all
}

// pick returns the method for x, from 0 to 1.
func pick(x float64) method {
	for m, share := range shares {
		if x < share {
			return method(m)
		}
		x -= share
	}
	return getItem
}
