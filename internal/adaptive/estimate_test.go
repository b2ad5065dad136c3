package adaptive

import (
	"math"
	"testing"
	"time"
)

// A row of a script is one window, and what is to come of it.
type row struct {
	ms       float64 // mean latency
	x        float64 // completions per second
	used     float64 // share of the arrivals that found the limit reached
	lost     float64 // share of the arrivals that were refused
	slow     float64 // share of the calls that came to nothing
	peak     int
	wantL    float64 // within 1 %; 0 if it does not matter
	wantBase float64 // milliseconds, within 1 %; 0 if it does not matter
	wantMode mode
}

func TestEstimate(t *testing.T) {
	settled := estimate{limit: 24, base: 0.010, latency: 0.015, rate: 1600, rarely: 1, solid: 1, next: time.Hour}
	toProbe := settled
	toProbe.solid, toProbe.next = probeAfter, 0
	toProbe.recent, toProbe.windows = reference{24, 0.015, 1600}, 5
	rarely := toProbe
	rarely.rarely = probeRarely
	idle := settled
	idle.limit, idle.solid = 96, 0
	for _, test := range []struct {
		name  string
		start estimate
		rows  []row
	}{
		{"the first window is the baseline, and the limit grows while latency does not", newEstimate(false), []row{
			{ms: 10, x: 3200, used: 1, wantL: 64, wantBase: 10},
			{ms: 10.5, x: 6000, used: 1, wantL: 128, wantBase: 10},
		}},
		{"a limit that is steered well stays", settled, []row{
			{ms: 15, x: 1600, used: 1, wantL: 24, wantBase: 10},
			{ms: 15, x: 1600, used: 0.9, wantL: 24, wantBase: 10},
		}},
		{"a little too slow: by the root of the gradient", settled, []row{
			{ms: 20, x: 1600, used: 1, wantL: 24 * math.Sqrt(0.75), wantBase: 10},
		}},
		{"chance in one window counts for a part", settled, []row{
			{ms: 15, x: 1600, used: 1, wantL: 24},
			{ms: 15, x: 1600, used: 1, wantL: 24},
			{ms: 24, x: 1600, used: 1, wantL: 24 * math.Sqrt(15./18)},
		}},
		{"much too slow, and less in flight do as much: it was a queue", settled, []row{
			{ms: 40, x: 1600, used: 1, wantL: 24}, // it may have happened in the midst of this window
			{ms: 40, x: 1600, used: 1, wantL: 9, wantMode: trying},
			{ms: 15, x: 1580, used: 1, wantL: 9, wantBase: 10},
		}},
		{"much too slow, and less in flight do less: the work has become slower", settled, []row{
			{ms: 30, x: 800, used: 1, wantL: 24},
			{ms: 50, x: 480, used: 1, wantL: 9, wantMode: trying},
			{ms: 50, x: 180, used: 1, wantL: 24, wantBase: 50},
			{ms: 50, x: 480, used: 1, wantL: 48},
		}},
		{"most comes to nothing: too slow, whatever the baseline", settled, []row{
			{ms: 15, x: 0, slow: 0.9, used: 1, wantL: 24},
			{ms: 15, x: 0, slow: 0.9, used: 1, wantL: 12, wantMode: trying},
			{ms: 15, x: 800, slow: 0.4, used: 1, wantL: 12, wantBase: 7.5},
		}},
		{"a probe without loss: the knee is lower", toProbe, []row{
			{ms: 15, x: 1600, used: 1, wantL: 12, wantMode: probing},
			// knee 12, which was had at 7.5ms: 0.7 of the way there
			{ms: 7.5, x: 1600, used: 1, wantL: 24 * math.Sqrt(1.5*8.25/15), wantBase: 8.25},
		}},
		{"a probe with half the throughput: all was work", toProbe, []row{
			{ms: 15, x: 1600, used: 1, wantL: 12, wantMode: probing},
			{ms: 15, x: 800, used: 1, wantL: 24 * math.Sqrt(1.5*13.5/15), wantBase: 13.5},
		}},
		{"a probe at the knee: nothing changes", toProbe, []row{
			{ms: 15, x: 1600, used: 1, wantL: 12, wantMode: probing},
			{ms: 10, x: 1200, used: 1, wantL: 24, wantBase: 10},
		}},
		{"where nothing changes for long a probe is shallow", rarely, []row{
			{ms: 15, x: 1600, used: 1, wantL: 15, wantMode: probing},
			{ms: 10, x: 1500, used: 1, wantL: 24, wantBase: 10},
		}},
		{"a trial that finds the knee", settled, []row{
			{ms: 40, x: 1600, used: 1, wantL: 24},
			{ms: 40, x: 1600, used: 1, wantL: 9, wantMode: trying},
			// knee 12 at 20ms: 0.7 of the way there
			{ms: 20, x: 1200, used: 1, wantL: 18, wantBase: 17},
		}},
		{"a limit that is raised in vain: the baseline was too high", estimate{limit: 20, base: 0.040, latency: 0.040, rate: 1600, rarely: 1, next: time.Hour}, []row{
			{ms: 12.5, x: 1600, used: 1, wantL: 40, wantBase: 40},
			{ms: 25, x: 1600, used: 1, wantBase: 12.5},
		}},
		{"many are refused: the limit is in use, though not always reached", settled, []row{
			{ms: 20, x: 1600, used: 0.5, lost: 0.2, wantL: 24 * math.Sqrt(0.75), wantBase: 10},
		}},
		{"a probe is given up when the load is gone", toProbe, []row{
			{ms: 15, x: 1600, used: 1, wantL: 12, wantMode: probing},
			{ms: 10, x: 300, used: 0.1, peak: 12, wantL: 36},
		}},
		{"idle: room for a burst, lost slowly", idle, []row{
			{ms: 10, x: 100, peak: 2, wantL: 96 - 64*0.095, wantBase: 10},
		}},
		{"idle: room for a burst, had soon", settled, []row{
			{ms: 10, x: 100, peak: 20, wantL: 48, wantBase: 10},
			{ms: 10, x: 100, peak: 20, wantL: 60, wantBase: 10},
		}},
		{"idle and slow: no more room", settled, []row{
			{ms: 30, x: 100, peak: 20, wantL: 24},
		}},
		{"idle and faster: the baseline follows", idle, []row{
			{ms: 5, x: 100, peak: 2, wantBase: 10 - 5*0.632},
		}},
		{"idle and slower: the baseline follows late", idle, []row{
			{ms: 20, x: 100, peak: 2, wantBase: 10 + 10*(1-math.Exp(-1./60))},
		}},
		{"touched: up, not down", settled, []row{
			{ms: 12, x: 1500, used: 0.1, wantL: 30},
			{ms: 25, x: 1500, used: 0.1, wantL: 30},
		}},
		{"alone, after a raise in vain: nothing to be probed", estimate{limit: 1.9, base: 0.010, latency: 0.010, rate: 100, rarely: 1, solid: 9, vain: true}, []row{
			{ms: 10, x: 100, used: 1, wantL: 3.8, wantBase: 10},
		}},
		{"alone: that is the baseline", estimate{limit: 1.2, base: 0.001, latency: 0.001, rate: 100, rarely: 1}, []row{
			{ms: 10, x: 100, used: 1, wantL: 2.4, wantBase: 10},
		}},
		{"touched, and a third comes to nothing: down", idle, []row{
			{ms: 60, x: 1000, used: 0.1, slow: 0.34, wantL: 96 * math.Sqrt(shallow)},
		}},
	} {
		e := test.start
		for i, r := range test.rows {
			e.add(r.sample(time.Duration(i+1) * time.Second))
			if r.wantL > 0 && math.Abs(e.limit/r.wantL-1) > 0.01 {
				t.Errorf("%s: window %d: the limit is %.2f, want %.2f", test.name, i, e.limit, r.wantL)
			}
			if r.wantBase > 0 && math.Abs(e.base*1000/r.wantBase-1) > 0.01 {
				t.Errorf("%s: window %d: the baseline is %.2fms, want %.2fms", test.name, i, e.base*1000, r.wantBase)
			}
			if e.mode != r.wantMode {
				t.Errorf("%s: window %d: the mode is %d, want %d", test.name, i, e.mode, r.wantMode)
			}
		}
	}
}

// sample is a window of one second.
func (r row) sample(now time.Duration) sample {
	s := sample{now: now, length: time.Second, answered: int(r.x), latency: r.ms / 1000, peak: r.peak}
	if s.slow = int(r.x * r.slow / (1 - r.slow)); r.x == 0 && r.slow > 0 {
		s.slow = 1000
	}
	ended := s.answered + s.slow
	s.rejected = int(float64(ended) * r.lost / (1 - r.lost))
	s.blocked = int(math.Round(r.used * float64(ended+s.rejected)))
	return s
}

// Without a hold on latency the limit is what would give the throughput at the latency
// that is steered for: it neither falls to nothing nor grows for ever.
func TestEstimateInShadow(t *testing.T) {
	e := newEstimate(true)
	for i := range 100 {
		r := row{ms: 10, x: 3200, peak: 40}
		if i >= 50 {
			r = row{ms: 900, x: 3200, peak: 3000, used: 1}
		}
		e.add(r.sample(time.Duration(i+1) * time.Second / 10))
		if i == 49 && math.Abs(e.limit-120) > 1 {
			t.Errorf("the limit is %.1f when nothing is wrong, want three times the peak of 40", e.limit)
		}
		if i > 52 && (e.limit < 40 || e.limit > 200) {
			t.Errorf("window %d of the overload: the limit is %.1f, want around 48, which rises with the baseline", i-50, e.limit)
		}
	}
}

// A settled limit finds back to the knee from any baseline, on a server where n calls
// in flight take max(10ms, n/1600) each.
func TestEstimateFindsTheKnee(t *testing.T) {
	for _, base := range []float64{0.001, 0.005, 0.010, 0.030, 0.100, 1} {
		for _, limit := range []float64{1, 10, 32, 1000} {
			e := estimate{limit: limit, base: base, latency: base, rate: 1, rarely: 1}
			for i := range 400 {
				n := float64(e.current())
				r := max(0.010, n/1600)
				e.add(row{ms: r * 1000, x: n / r, used: 1}.sample(time.Duration(i+1) * time.Second))
			}
			if e.limit < 15 || e.limit > 40 {
				t.Errorf("from a limit of %v and a baseline of %vs: the limit is %.1f at last, want it near 24 (the knee is 16)", limit, base, e.limit)
			}
		}
	}
}

func FuzzEstimate(f *testing.F) {
	f.Add(uint16(10), uint16(10), uint16(5), uint16(5), uint32(1000), uint32(100), false)
	f.Add(uint16(0), uint16(0), uint16(0), uint16(0), uint32(0), uint32(0), true)
	f.Add(uint16(65535), uint16(0), uint16(65535), uint16(65535), uint32(1), uint32(1<<31), false)
	f.Fuzz(func(t *testing.T, answered, slow, blocked, rejected uint16, latency, length uint32, shadow bool) {
		e := newEstimate(shadow)
		s := sample{}
		for i := range 30 {
			s.length = time.Duration(length)*time.Microsecond + 1
			s.now += s.length
			s.answered, s.slow, s.blocked, s.rejected = int(answered), int(slow), int(blocked), int(rejected)
			s.latency, s.peak = float64(latency)*1e-6, int(answered)
			if i%3 == 2 { // something else now and then
				s.answered, s.slow, s.blocked, s.latency = int(slow), int(answered), int(rejected), float64(length)*1e-6
			}
			e.add(s)
			for _, v := range []float64{e.limit, e.base, e.latency, e.rate, e.usual, e.spare()} {
				if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
					t.Fatalf("window %d: %+v is not finite", i, e)
				}
			}
			if e.limit < 1 || e.limit > maxLimit {
				t.Fatalf("window %d: the limit is %v", i, e.limit)
			}
		}
	})
}

// Where the limit was lowered, the queue in the server is to become shorter, but no call
// faster than when it is alone.
func TestExpected(t *testing.T) {
	for _, test := range []struct {
		limit, at, base, latency float64
		want                     float64
	}{
		{limit: 30, at: 30, base: 0.05, latency: 0.3, want: 0.3},
		{limit: 10, at: 30, base: 0.05, latency: 0.3, want: 0.1},
		{limit: 60, at: 30, base: 0.05, latency: 0.3, want: 0.3},
		{limit: 3, at: 30, base: 0.05, latency: 0.3, want: 0.05},
		{limit: 30, at: 30, base: 0.05, latency: 0.04, want: 0.04},
		{limit: 3, at: 30, base: 0.05, latency: 0.04, want: 0.04},
		{limit: 32, want: 0}, // nothing was measured
	} {
		e := estimate{limit: test.limit, at: test.at, base: test.base, latency: test.latency}
		if got := e.expected(); math.Abs(got-test.want) > 1e-9 {
			t.Errorf("%+v: got %.3fs, want %.3fs", e, got, test.want)
		}
	}
}
