package sim_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/firebreak-go/firebreak/bench/lab/sim"
)

// Any disturbance of any server at any load comes to an end, and then the server does
// again what it can: no state of the limiter is one from which it does not come back.
func TestNoDisturbanceLatches(t *testing.T) {
	const before, during, after = 20 * time.Second, 20 * time.Second, 40 * time.Second
	n := 12
	if *full {
		n = 200
	}
	models := sim.Models()
	for seed := range uint64(n) {
		r := rand.New(rand.NewPCG(seed, 7))
		m := models[r.IntN(len(models))]
		pick := func(from ...float64) float64 { return from[r.IntN(len(from))] }
		first := sim.Phase{For: before, Load: pick(0.01, 0.5, 0.8, 1.5, 5)}
		second := sim.Phase{For: during, Load: pick(0.1, 0.8, 2, 10), Slower: pick(0.2, 1, 1, 5, 20, 100)}
		third := sim.Phase{For: after, Load: pick(0.5, 0.8, 1.5, 2, 5), Slower: pick(0.3, 1, 1, 1, 3)}
		if m.Mean*third.Slower > 0.2*m.Patience.Seconds() {
			third.Slower = 1 // nobody could be answered
		}
		// Where requests take longer, all takes longer.
		rest := time.Duration(1000 * m.Mean * max(third.Slower, 1) * float64(time.Second))
		third.For = max(after, rest).Round(time.Second)
		name := fmt.Sprintf("%d: %s: %g×, then %g× and %g times slower, then %g× and %g times slower",
			seed, m.Name, first.Load, second.Load, second.Slower, third.Load, third.Slower)
		result := sim.RunTransient(sim.Transient{Model: m, Phases: []sim.Phase{first, second, third}}, sim.Firebreak(), seed)
		length := first.For + second.For + third.For
		if got := sim.Sum(result.Series, length-third.For/2, length).Share(); got < 0.9 {
			t.Errorf("%s: the goodput is %.3f in the last half of the rest", name, got)
		}
	}
}
