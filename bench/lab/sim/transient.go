package sim

import "time"

// A Transient is a disturbance: a server under a load, both of which change from phase
// to phase.
type Transient struct {
	// Name is what tables and plots call it, and About what it stands for.
	Name, About string

	// Model is the server as it is when nothing disturbs it.
	Model Model

	// Retries is how often a client comes again that was refused or left, at most. If
	// the Policy did not say when, it comes after half a second to a second.
	Retries int

	// Phases follow each other. The disturbance lasts from the end of the first to the
	// beginning of the last.
	Phases []Phase
}

// A Phase is a time in which nothing changes.
type Phase struct {
	// For is how long it lasts, in whole Steps.
	For time.Duration

	// Load is in multiples of the capacity of the undisturbed server.
	Load float64

	// Workers is how many the server has, 0 for those of its Model.
	Workers int

	// Slower is what the work is multiplied with that begins in the phase, 0 for 1.
	Slower float64

	// Herd is how many more clients come at once at the beginning. Each comes again
	// until it is answered.
	Herd int
}

// From returns when the disturbance begins.
func (t Transient) From() time.Duration { return t.Phases[0].For }

// To returns when it ends. If it stays, that is when it begins.
func (t Transient) To() time.Duration { return t.Length() - t.Phases[len(t.Phases)-1].For }

// Length returns how long the run takes.
func (t Transient) Length() time.Duration {
	var sum time.Duration
	for _, p := range t.Phases {
		sum += p.For
	}
	return sum
}

// Transients returns the six disturbances of the comparison, of a pool of workers.
func Transients() []Transient {
	pool := Models()[0]
	const before, after = 20 * time.Second, 30 * time.Second
	alternating := []Phase{{For: before, Load: 0.8}}
	for range 10 {
		alternating = append(alternating, Phase{For: time.Second, Load: 3}, Phase{For: time.Second, Load: 0.3})
	}
	return []Transient{
		{
			Name: "spike", About: "10 × the load for 10s", Model: pool,
			Phases: []Phase{{For: before, Load: 0.7}, {For: 10 * time.Second, Load: 7}, {For: after, Load: 0.7}},
		},
		{
			Name: "capacity", About: "a quarter of the workers for 20s", Model: pool,
			Phases: []Phase{{For: before, Load: 0.8}, {For: 20 * time.Second, Load: 0.8, Workers: pool.Workers / 4}, {For: after, Load: 0.8}},
		},
		{
			Name: "dependency", About: "20 × slower for 20s, clients retry three times", Model: pool, Retries: 3,
			Phases: []Phase{{For: before, Load: 0.8}, {For: 20 * time.Second, Load: 0.8, Slower: 20}, {For: after, Load: 0.8}},
		},
		{
			Name: "herd", About: "5,000 clients at once, who come until they are answered", Model: pool,
			Phases: []Phase{{For: before, Load: 0.5}, {For: 10 * time.Second, Load: 0.5, Herd: 5000}, {For: after, Load: 0.5}},
		},
		{
			Name: "alternating", About: "3 × and 0.3 × the capacity, every second for 20s", Model: pool,
			Phases: append(alternating, Phase{For: after, Load: 0.8}),
		},
		{
			Name: "slower", About: "work takes 5 × as long for good", Model: pool,
			Phases: []Phase{{For: before, Load: 0.8}, {For: after, Load: 0.8, Slower: 5}},
		},
	}
}
