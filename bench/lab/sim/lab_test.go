package sim_test

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/firebreak-go/firebreak/bench/lab/sim"
)

func models() map[string]sim.Model {
	models := make(map[string]sim.Model)
	for _, m := range sim.Models() {
		models[m.Name] = m
	}
	return models
}

// A gate admits as many as there are places, and lets the others wait for as long as
// they like.
type gate struct {
	t       *testing.T
	desk    sim.Desk
	places  int
	waiting []*sim.Request
}

func (g *gate) Arrive(now time.Duration, r *sim.Request) {
	if r.Arrival != now || r.Deadline <= now {
		g.t.Fatalf("a request came at %v that has %v to %v on it", now, r.Arrival, r.Deadline)
	}
	if g.desk.InFlight() < g.places {
		g.desk.Start(r)
		return
	}
	g.waiting = append(g.waiting, r)
}

func (g *gate) Leave(now time.Duration, r *sim.Request) {
	if now != r.Deadline || g.waiting[0] != r {
		g.t.Fatalf("a request left at %v, want it at its deadline %v and in the order of arrival", now, r.Deadline)
	}
	g.waiting = g.waiting[1:]
}

func (g *gate) Done(now time.Duration, r *sim.Request, e sim.End) {
	if e.Canceled != (now > r.Deadline) || e.Latency <= 0 || e.Failed {
		g.t.Fatalf("a request with deadline %v ended at %v with %+v", r.Deadline, now, e)
	}
	if len(g.waiting) > 0 {
		g.desk.Start(g.waiting[0])
		g.waiting = g.waiting[1:]
	}
}

func gated(t *testing.T, places int) sim.Maker {
	t.Helper()
	return sim.Maker{Name: "gate", New: func(desk sim.Desk, _ sim.Model) sim.Policy { return &gate{t: t, desk: desk, places: places} }}
}

// A freshest keeps as many at work as there are places, and one who waits: the last
// that came.
type freshest struct {
	desk   sim.Desk
	places int
	last   *sim.Request
}

func (f *freshest) Arrive(_ time.Duration, r *sim.Request) {
	if f.desk.InFlight() < f.places {
		f.desk.Start(r)
		return
	}
	if f.last != nil {
		f.desk.Refuse(f.last, 0)
	}
	f.last = r
}

func (f *freshest) Leave(time.Duration, *sim.Request) { f.last = nil }

func (f *freshest) Done(time.Duration, *sim.Request, sim.End) {
	if f.last != nil {
		f.desk.Start(f.last)
		f.last = nil
	}
}

// A server does at its knee what Capacity says, and less with less at work. Where more
// at once hinder each other it does less with more, too.
func TestCapacityIsWhatTheServerDoes(t *testing.T) {
	for name, m := range models() {
		m.Patience *= 5 // all that is done counts
		at := func(places int) float64 {
			maker := sim.Maker{New: func(desk sim.Desk, _ sim.Model) sim.Policy { return &freshest{desk: desk, places: places} }}
			return sim.RunSteady(m, 5, maker, 1, m.Length()/2).Goodput
		}
		knee := m.Knee()
		if got := at(knee); math.Abs(got-1) > 0.03 {
			t.Errorf("%s: with %d at work %.3f of the capacity were done, want 1", name, knee, got)
		}
		if got := at(knee / 2); name != "single" && got > 0.9 {
			t.Errorf("%s: with %d at work %.3f of the capacity were done, want less", name, knee/2, got)
		}
		if got := at(4 * knee); name == "contention" && got > 0.85 {
			t.Errorf("%s: with %d at work %.3f of the capacity were done, want less", name, 4*knee, got)
		}
	}
}

// The work that is drawn has the mean that the model says.
func TestMean(t *testing.T) {
	for name, m := range models() {
		r, sum := rand.New(rand.NewPCG(1, 2)), 0.0
		const n = 200000
		for range n {
			sum += m.Work(r)
		}
		if got := sum / n; math.Abs(got/m.Mean-1) > 0.01 {
			t.Errorf("%s: the mean is %.5fs, want %vs", name, got, m.Mean)
		}
	}
}

func TestARunIsTheSameAgain(t *testing.T) {
	m := models()["bimodal"]
	first := sim.RunSteady(m, 2, sim.Firebreak(), 7, 5*time.Second)
	if !reflect.DeepEqual(first, sim.RunSteady(m, 2, sim.Firebreak(), 7, 5*time.Second)) {
		t.Error("the second run differs")
	}
	if reflect.DeepEqual(first, sim.RunSteady(m, 2, sim.Firebreak(), 8, 5*time.Second)) {
		t.Error("another seed gives the same")
	}
}

// All policies meet the same clients.
func TestTrafficDoesNotDependOnThePolicy(t *testing.T) {
	offered := func(maker sim.Maker) (clients [][2]int) {
		for _, transient := range sim.Transients()[:3] {
			for _, p := range sim.RunTransient(transient, maker, 1).Series {
				clients = append(clients, [2]int{p.Offered, p.Top})
			}
		}
		return clients
	}
	if !slices.Equal(offered(sim.Firebreak()), offered(gated(t, 10))) {
		t.Error("with another policy other clients came")
	}
}

// The laboratory punishes what deserves it: with a queue that is too long nobody is
// answered in time.
func TestQueuesThatAreTooLongAreUseless(t *testing.T) {
	for name, m := range models() {
		if r := sim.RunSteady(m, 2, gated(t, m.Knee()), 1, 0); r.Goodput > 0.3 || r.Waste < 0.6 {
			t.Errorf("%s: the goodput is %.2f and the waste %.2f without a bound on the queue, want little and much", name, r.Goodput, r.Waste)
		}
		if r := sim.RunSteady(m, 0.5, gated(t, m.Knee()), 1, 0); r.Goodput < 0.999 || r.Shed > 0 {
			t.Errorf("%s: the goodput is %.4f at half the capacity, want all", name, r.Goodput)
		}
	}
}

// A scripted policy refuses everyone, and says when to come again.
type refusing struct {
	desk  sim.Desk
	after time.Duration
	came  *[]time.Duration
}

func (p refusing) Arrive(now time.Duration, r *sim.Request) {
	*p.came = append(*p.came, now)
	p.desk.Refuse(r, p.after)
}
func (refusing) Leave(time.Duration, *sim.Request)         {}
func (refusing) Done(time.Duration, *sim.Request, sim.End) {}

func TestClientsComeAgain(t *testing.T) {
	var came []time.Duration
	maker := sim.Maker{New: func(desk sim.Desk, _ sim.Model) sim.Policy { return refusing{desk, 3 * time.Second, &came} }}
	r := sim.RunTransient(sim.Transient{
		Model: models()["pool"], Retries: 2,
		Phases: []sim.Phase{{For: time.Second, Load: 1e-9}, {For: 10 * time.Second, Load: 1e-9, Herd: 2}},
	}, maker, 1)
	if len(came) < 6 || came[0] != time.Second || came[2] != 4*time.Second || came[4] != 7*time.Second {
		t.Errorf("a herd of 2 came at %v, want it after 1s, 4s, 7s and so on", came)
	}
	if r.HerdServed != 0 || r.Goodput != 1 {
		t.Errorf("got %v and %v, want that the herd was not served, and that nobody else came", r.HerdServed, r.Goodput)
	}
	if s := sim.Sum(r.Series, 0, 5*time.Second); s.Attempts != 4 || s.Refused != 4 || s.Offered != 0 {
		t.Errorf("got %+v, want 4 attempts, all refused", s)
	}
}

func TestAPolicyThatDecidesTwicePanics(t *testing.T) {
	for name, decide := range map[string]func(sim.Desk, *sim.Request){
		"start and refuse": func(d sim.Desk, r *sim.Request) { d.Start(r); d.Refuse(r, 0) },
		"start twice":      func(d sim.Desk, r *sim.Request) { d.Start(r); d.Start(r) },
		"refuse and start": func(d sim.Desk, r *sim.Request) { d.Refuse(r, 0); d.Start(r) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			sim.RunSteady(models()["pool"], 1, sim.Maker{New: func(desk sim.Desk, _ sim.Model) sim.Policy {
				return deciding{desk, decide}
			}}, 1, time.Second)
		}()
	}
}

type deciding struct {
	desk   sim.Desk
	decide func(sim.Desk, *sim.Request)
}

func (p deciding) Arrive(_ time.Duration, r *sim.Request)  { p.decide(p.desk, r) }
func (deciding) Leave(time.Duration, *sim.Request)         {}
func (deciding) Done(time.Duration, *sim.Request, sim.End) {}
