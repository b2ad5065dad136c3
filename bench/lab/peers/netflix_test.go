package peers

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A step is what one sample does to a limit.
type step struct {
	latency  time.Duration
	inFlight int
	dropped  bool
	want     int
}

func run(t *testing.T, name string, l netflixLimit, steps []step) {
	t.Helper()
	for i, s := range steps {
		l.add(0, sample{s.latency, s.inFlight, s.dropped})
		if got := l.current(); got != s.want {
			t.Errorf("%s, sample %d: got %d, want %d", name, i, got, s.want)
		}
	}
}

const ms = time.Millisecond

func TestGradient2(t *testing.T) {
	run(t, "idle", newGradient2(20, 200), []step{
		{10 * ms, 9, false, 20}, // less than half of the limit
		{10 * ms, 10, false, 20},
		{10 * ms, 20, false, 21}, // 20.8 + 0.2·4
	})
	run(t, "slower", newGradient2(1, 200), []step{
		{10 * ms, 20, false, 20}, // 20.8
		{30 * ms, 20, false, 20}, // a baseline of 20ms: 20.8·(0.8 + 0.2·2/3) + 0.8
		{90 * ms, 20, false, 18}, // the gradient is at least a half: 20.21·0.9 + 0.8
	})
	run(t, "at least", newGradient2(20, 200), []step{
		{10 * ms, 20, false, 20}, {90 * ms, 20, false, 20}, {90 * ms, 20, false, 20},
	})
	run(t, "at most", newGradient2(1, 21), []step{
		{10 * ms, 20, false, 20}, {10 * ms, 20, false, 21}, {10 * ms, 20, false, 21},
	})
}

func TestGradient2LowersABaselineThatIsTooHigh(t *testing.T) {
	g := newGradient2(1, 200)
	g.add(0, sample{latency: 90 * ms})
	g.add(0, sample{latency: 10 * ms})
	if got, want := g.baseline.value, 0.9*float64(50*ms); math.Abs(got-want) > 1 {
		t.Errorf("got %v, want %v: more than twice the latency", time.Duration(got), time.Duration(want))
	}
}

func TestVegas(t *testing.T) {
	run(t, "moves", newVegas(1000, rand.New(rand.NewPCG(1, 2))), []step{
		{10 * ms, 20, false, 20},    // the lowest so far
		{10 * ms, 9, false, 20},     // less than half of the limit in flight
		{10 * ms, 20, false, 26},    // nothing queues: faster
		{10400 * us, 13, false, 32}, // one of 26 queues
		{10600 * us, 20, false, 33}, // two of 32
		{11500 * us, 20, false, 33}, // 5 of 33: within 3 and 6
		{15 * ms, 20, false, 32},    // 11 of 33
		{10500 * us, 1, true, 31},   // dropped
		{9 * ms, 20, true, 31},      // a new lowest, first of all
	})
	run(t, "at most", newVegas(22, rand.New(rand.NewPCG(1, 2))), []step{
		{10 * ms, 20, false, 20}, {10 * ms, 20, false, 22},
	})
}

const us = time.Microsecond

func TestVegasProbes(t *testing.T) {
	v := newVegas(1000, rand.New(rand.NewPCG(1, 2)))
	v.add(0, sample{latency: 10 * ms})
	first := 0
	for i := 1; i < 700 && first == 0; i++ {
		if v.add(0, sample{latency: 15 * ms}); v.lowest == 15*ms {
			first = i
		}
	}
	if first < 299 || first > 600 { // of 15 to 30 times a limit of 20
		t.Errorf("got a probe after %d answers, want 299 to 600", first)
	}
}

// collector remembers the samples.
type collector []sample

func (c *collector) current() int                  { return 0 }
func (c *collector) add(_ time.Duration, s sample) { *c = append(*c, s) }

func TestWindowed(t *testing.T) {
	var c collector
	w := &windowed{netflixLimit: &c}
	at := func(now time.Duration, n int, s sample) {
		for range n {
			w.add(now, s)
		}
	}
	at(1*ms, 1, sample{latency: ms})                        // ends the first window, too small
	at(500*ms, 9, sample{latency: 10 * ms, inFlight: 3})    // within the second, until 1001ms
	at(600*ms, 9, sample{latency: 90 * us})                 // too fast to count
	at(1001*ms, 1, sample{latency: 10 * ms, dropped: true}) // still within
	at(1002*ms, 1, sample{latency: 21 * ms, inFlight: 7})   // ends it
	at(1500*ms, 8, sample{latency: 10 * ms})                // the third
	at(3000*ms, 1, sample{latency: 10 * ms})                // ends it with 9, too few
	at(3500*ms, 9, sample{latency: 10 * ms})                // the fourth knows nothing of the third
	at(4001*ms, 1, sample{latency: 20 * ms, inFlight: 1})   // ends it
	want := collector{{latency: 11 * ms, inFlight: 7, dropped: true}, {latency: 11 * ms, inFlight: 1}}
	if len(c) != len(want) || c[0] != want[0] || c[1] != want[1] {
		t.Errorf("got %v, want %v", c, want)
	}
}

func TestPartitions(t *testing.T) {
	limit := collector{}
	d := newDesk(100)
	d.policy = newPartitioned(d, &constantLimit{collector: &limit, limit: 10})
	for range 10 {
		d.arrive(0, 2, 10*ms) // free places are for any
	}
	for range 12 {
		d.arrive(1, 0, 20*ms) // of the limit of 10, nine are the top class's own
	}
	d.arrive(2, 3, ms)     // over the limit, and over the one of its own
	d.arrive(11*ms, 3, ms) // nine at work
	d.arrive(11*ms, 1, ms) // ten, one of them of a lower class: that is its own share
	d.run(patience)
	if diff := cmp.Diff(map[string]int{"done": 10 + 9 + 1, "refused": 3 + 1 + 1}, d.count()); diff != "" {
		t.Error(diff)
	}
	if len(limit) != 20 || limit[9].inFlight != 10 || limit[9].latency != 10*ms {
		t.Errorf("got %d samples, %v the tenth of them, want 20, with 10 in flight at its start", len(limit), limit[9])
	}
}

// constantLimit collects samples and learns nothing.
type constantLimit struct {
	*collector

	limit int
}

func (c *constantLimit) current() int { return c.limit }

func TestCallersWhoLeftAreNoSamples(t *testing.T) {
	limit := collector{}
	d := newDesk(1)
	d.policy = newPartitioned(d, &constantLimit{collector: &limit, limit: 10})
	d.arrive(0, 0, patience+ms)
	d.run(3 * patience)
	if len(limit) != 0 || d.count()["done"] != 1 {
		t.Errorf("got samples %v and %v, want none of a request that is done", limit, d.count())
	}
}
