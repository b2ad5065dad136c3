package peers_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/firebreak-go/firebreak/bench/lab/peers"
	"github.com/firebreak-go/firebreak/bench/lab/sim"
)

// Each of the peers does well where there is no overload, and the same each time.
func TestPeersInTheLaboratory(t *testing.T) {
	names := make(map[string]bool)
	pool := sim.Models()[0]
	for _, maker := range peers.All() {
		if names[maker.Name] {
			t.Errorf("%s: there are two of that name", maker.Name)
		}
		names[maker.Name] = true
		r := sim.RunSteady(pool, 0.5, maker, 1, 5*time.Second)
		if r.Goodput < 0.99 || r.Shed > 0.01 {
			t.Errorf("%s: got a goodput of %.3f at half of the capacity, and %.4f refused, want all and none", maker.Name, r.Goodput, r.Shed)
		}
		first := sim.RunSteady(pool, 3, maker, 1, 5*time.Second)
		if !reflect.DeepEqual(first, sim.RunSteady(pool, 3, maker, 1, 5*time.Second)) {
			t.Errorf("%s: the same run gave two results", maker.Name)
		}
		if limited := maker.Name != "none"; limited != (first.Goodput > 0.5) {
			t.Errorf("%s: got a goodput of %.2f at 3×, want most of it with any limiter, and little with none", maker.Name, first.Goodput)
		}
	}
}

// No peer makes a run of a transient panic, which is what the laboratory does about a
// request that is decided on twice.
func TestPeersInTrouble(t *testing.T) {
	for _, transient := range sim.Transients()[:4] {
		for i := range transient.Phases {
			transient.Phases[i].For = 3 * time.Second
		}
		for _, maker := range peers.All() {
			sim.RunTransient(transient, maker, 1)
		}
	}
}
