package sim_test

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/firebreak-go/firebreak/bench/lab/sim"
)

var full = flag.Bool("lab.full", false, "run all loads with three seeds: about a minute")

// What is demanded of our limiter.
const (
	wantGoodput    = 0.95  // of the ideal from 1.5 times the capacity on
	wantContention = 0.93  // where experiments cost more
	wantTop        = 0.99  // of the top class at five times the capacity
	wantShed       = 0.001 // at most, up to 0.8 of the capacity
	wantRecovery   = 5 * time.Second
)

func seeds() []uint64 {
	if *full {
		return []uint64{1, 2, 3}
	}
	return []uint64{1}
}

func TestSteadyLoads(t *testing.T) {
	loads := []float64{0.8, 1.5, 5}
	if *full {
		loads = sim.Loads()
	}
	for _, m := range sim.Models() {
		row := fmt.Sprintf("%-10s", m.Name)
		for _, load := range loads {
			for _, seed := range seeds() {
				r := sim.RunSteady(m, load, sim.Firebreak(), seed, 0)
				row += fmt.Sprintf("  %g×: %.3f", load, r.Goodput)
				at := fmt.Sprintf("%s at %g×, seed %d", m.Name, load, seed)
				want := wantGoodput
				if m.Name == "contention" {
					want = wantContention
				}
				if load >= 1.5 && r.Goodput < want {
					t.Errorf("%s: the goodput is %.3f of the ideal, want %v", at, r.Goodput, want)
				}
				if load == 5 && r.TopClass < wantTop {
					t.Errorf("%s: the goodput of the top class is %.4f of the ideal, want %v", at, r.TopClass, wantTop)
				}
				if load <= 0.8 && r.Shed > wantShed {
					t.Errorf("%s: %.4f of the requests were refused, want at most %v", at, r.Shed, wantShed)
				}
			}
		}
		t.Log(row)
	}
}

func TestTransients(t *testing.T) {
	for _, transient := range sim.Transients() {
		for _, seed := range seeds() {
			r := sim.RunTransient(transient, sim.Firebreak(), seed)
			t.Logf("%-11s seed %d: goodput %.3f, recovered %t after %v, %.2f attempts, herd served after %v",
				transient.Name, seed, r.Goodput, r.Recovered, r.Recovery, r.Attempts, r.HerdServed)
			if !r.Recovered || r.Recovery > wantRecovery {
				t.Errorf("%s, seed %d: recovered %t after %v, want it within %v", transient.Name, seed, r.Recovered, r.Recovery, wantRecovery)
			}
			if transient.Name == "herd" && (r.Attempts > 4 || r.HerdServed == 0) {
				t.Errorf("%s, seed %d: %.2f attempts per client, the last one served after %v, want about 3, and all", transient.Name, seed, r.Attempts, r.HerdServed)
			}
		}
	}
}

// comesAndGoes is a load that is there for a while, and then not, ten times. Those who
// wait when it goes are served then: over the ideal, which is reckoned by the second.
func comesAndGoes(load float64, there, gone time.Duration) []sim.Phase {
	var phases []sim.Phase
	for range 10 {
		phases = append(phases, sim.Phase{For: there, Load: load}, sim.Phase{For: gone, Load: 0.001})
	}
	return append(phases, sim.Phase{For: 20 * time.Second, Load: 0.5})
}

// workers is the model of a pool with other workers.
func workers(m sim.Model, n int, work time.Duration) sim.Model {
	m.Workers, m.Mean, m.Work = n, work.Seconds(), sim.LogNormal(work.Seconds(), 0.3)
	return m
}

// Disturbances that are not of the comparison: nothing may be made for those alone.
func TestOtherTransients(t *testing.T) {
	models := models()
	const short, long = 20 * time.Second, 40 * time.Second
	for _, test := range []struct {
		sim.Transient

		goodput float64 // of the whole run, at least
	}{
		{sim.Transient{
			Name: "I/O-bound work becomes 5 times slower, which is no overload", Model: models["I/O-bound"],
			Phases: []sim.Phase{{For: short, Load: 0.15}, {For: long, Load: 0.15, Slower: 5}},
		}, 0.95},
		{sim.Transient{
			Name: "hardly any load, then ten times the capacity", Model: models["I/O-bound"],
			Phases: []sim.Phase{{For: long, Load: 0.001}, {For: long, Load: 10}},
		}, 0.95},
		{sim.Transient{
			Name: "a spike on shared CPU", Model: models["shared CPU"],
			Phases: []sim.Phase{{For: short, Load: 0.7}, {For: short, Load: 10}, {For: long, Load: 0.7}},
		}, 0.95},
		{sim.Transient{
			Name: "a spike under contention", Model: models["contention"],
			Phases: []sim.Phase{{For: short, Load: 0.7}, {For: short, Load: 10}, {For: long, Load: 0.7}},
		}, 0.95},
		{sim.Transient{
			Name: "a spike with tight timeouts", Model: models["tight"],
			Phases: []sim.Phase{{For: short, Load: 0.7}, {For: short, Load: 10}, {For: long, Load: 0.7}},
		}, 0.95},
		{sim.Transient{
			Name: "work slower than all patience, on a pool under overload", Model: models["tight"],
			Phases: []sim.Phase{{For: short, Load: 2}, {For: short, Load: 2, Slower: 20}, {For: long, Load: 2}},
		}, 0.9},
		{sim.Transient{
			Name: "five times the load, four seconds of seven", Model: models["pool"],
			Phases: comesAndGoes(5, 4*time.Second, 3*time.Second),
		}, 0.995},
		{sim.Transient{
			Name: "the same with fewer and slower workers", Model: workers(models["pool"], 8, 50*time.Millisecond),
			Phases: comesAndGoes(5, 4*time.Second, 4*time.Second),
		}, 1.01},
		{sim.Transient{
			Name: "the same with short pauses", Model: workers(models["pool"], 8, 50*time.Millisecond),
			Phases: comesAndGoes(5, 4*time.Second, time.Second),
		}, 1.01},
		{sim.Transient{
			Name: "a quarter of the workers at five times the load", Model: models["pool"],
			Phases: []sim.Phase{{For: short, Load: 5}, {For: short, Load: 5, Workers: 4}, {For: long, Load: 5}},
		}, 0.95},
	} {
		for _, seed := range seeds() {
			r := sim.RunTransient(test.Transient, sim.Firebreak(), seed)
			t.Logf("%s, seed %d: goodput %.3f, recovered %t after %v", test.Name, seed, r.Goodput, r.Recovered, r.Recovery)
			if !r.Recovered || r.Recovery > wantRecovery || r.Goodput < test.goodput {
				t.Errorf("%s, seed %d: goodput %.3f, recovered %t after %v, want %v and within %v",
					test.Name, seed, r.Goodput, r.Recovered, r.Recovery, test.goodput, wantRecovery)
			}
		}
	}
}
