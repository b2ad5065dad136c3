package main

import (
	"math/rand/v2"
	"time"

	"github.com/firebreak-go/firebreak/examples/internal/traffic"
)

// A class is how important a caller is.
type class int

const (
	critical class = iota
	bestEffort
	classes // how many there are
)

// String returns the class as Firebreak-Priority has it.
func (c class) String() string { return [classes]string{"critical", "best-effort"}[c] }

// criticalShare is the share of the callers who are critical: at the highest load they
// alone are three quarters of what the server can do.
const criticalShare = 0.15

// loads are the rates of arrival, as multiples of what the server can do.
var loads = []float64{0.5, 0.8, 1, 2, 3, 5}

// An arrival is a caller who comes, whatever became of those before.
type arrival struct {
	at    time.Duration // since the beginning of the schedule
	class class
}

// newSchedule returns who comes within length, independent of each other (a Poisson
// process), rate callers a second on average. Equal seeds give equal schedules.
func newSchedule(seed uint64, rate float64, length time.Duration) []arrival {
	dice := rand.New(rand.NewPCG(seed, 0))
	var all []arrival
	for at := range traffic.Arrivals(dice, rate, 0, length) {
		a := arrival{at: at, class: bestEffort}
		if dice.Float64() < criticalShare {
			a.class = critical
		}
		all = append(all, a)
	}
	return all
}
