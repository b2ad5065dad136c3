package sim

import (
	"math/rand/v2"
	"time"
)

const (
	topShare = 0.15 // of the traffic that is of class 0

	warmUp      = 10 * time.Second
	warmUpCalls = 100   // in latencies of the model
	enough      = 25000 // requests at the capacity: chance is then less than a percent
	leastLength = 20 * time.Second

	comesBack = 2 * time.Minute // until when clients that came in the run are counted if they come again
)

// Length returns how long RunSteady measures by default: so long that chance is less
// than a percent of the goodput.
func (m Model) Length() time.Duration {
	return max(leastLength, time.Duration(enough/m.Capacity()*float64(time.Second))).Round(Step)
}

// RunSteady measures a Policy under a load, in multiples of the capacity, that does not
// change: for length after a time to get used to it, or, if that is 0, as long as
// [Model.Length] says.
func RunSteady(m Model, load float64, maker Maker, seed uint64, length time.Duration) Result {
	if length == 0 {
		length = m.Length()
	}
	warm := max(warmUp, time.Duration(warmUpCalls*m.Mean*float64(time.Second))).Round(Step)
	w := newWorld(m, maker, seed, []Phase{{For: warm + length + m.Patience, Load: load}}, 0)
	w.run()
	return w.result(warm, warm+length)
}

// RunTransient measures a Policy in a disturbance.
func RunTransient(t Transient, maker Maker, seed uint64) Result {
	last := len(t.Phases) - 1
	phases := append([]Phase(nil), t.Phases...)
	phases[last].For += t.Model.Patience
	if t.Retries > 0 {
		phases[last].For += comesBack
	}
	w := newWorld(t.Model, maker, seed, phases, t.Retries)
	w.run()
	result := w.result(0, t.Length())
	result.Recovery, result.Recovered = recovery(result.Series, t.To(), t.Length())
	return result
}

// recovery returns how long after the end of the disturbance the goodput had come back
// for good, and whether it has.
func recovery(series []Point, end, length time.Duration) (time.Duration, bool) {
	const about = 3 * time.Second // one has so few requests that chance would decide
	from := length - about + Step
	for from > end && Sum(series, from-Step, from-Step+about).Share() >= 0.9 {
		from -= Step
	}
	return from - end, length-from >= 10*time.Second && Sum(series, from, length).Share() >= 0.95
}

// world is a run: a server, a Policy before it, and clients.
type world struct {
	model   Model
	policy  Policy
	server  server
	events  events
	traffic *rand.Rand // what the clients do, whatever the Policy does
	habits  *rand.Rand // when clients come again
	chance  *rand.Rand // for the Policy
	retries int

	now     time.Duration
	end     time.Duration
	phases  []Phase
	rate    float64       // arrivals per second
	arrival time.Duration // the next one
	ideal   float64       // requests per second that the server can do

	series   []Point
	done     int // requests that the server has worked on
	wasted   int
	clients  int
	attempts int
	herd     herd
}

// herd is how the clients fared that came at once.
type herd struct {
	clients, attempts, served int
	last                      time.Duration // how long the last one had to try
}

func newWorld(m Model, maker Maker, seed uint64, phases []Phase, retries int) *world {
	w := &world{
		model: m, server: server{model: m}, phases: phases, retries: retries,
		traffic: rand.New(rand.NewPCG(seed, 1)), habits: rand.New(rand.NewPCG(seed, 2)), chance: rand.New(rand.NewPCG(seed, 3)),
	}
	for _, p := range phases {
		w.end += p.For
	}
	w.series = make([]Point, int((w.end+Step-1)/Step))
	for i := range w.series {
		w.series[i].At = time.Duration(i) * Step
	}
	w.policy = maker.New(w, m)
	return w
}

func (w *world) run() {
	at := time.Duration(0)
	for _, p := range w.phases {
		w.events.add(event{at: at, kind: calling, call: func(time.Duration) { w.begin(p) }})
		at += p.For
	}
	w.arrival = idle
	for i := range w.series {
		w.events.add(event{at: w.series[i].At + Step - 1, kind: calling, call: func(time.Duration) { w.observe(&w.series[i]) }})
	}
	done := w.server.next()
	for {
		next := w.events.next()
		w.now = min(next, w.arrival, done)
		if w.now >= w.end {
			break
		}
		switch w.now {
		case done:
			if r := w.server.finish(w.now); r != nil {
				w.finished(r)
			}
		case w.arrival:
			w.arrive()
		default:
			w.happen(w.events.pop())
		}
		done = w.server.next()
	}
}

// begin begins a phase.
func (w *world) begin(p Phase) {
	w.rate = p.Load * w.model.Capacity()
	w.server.advance(w.now)
	w.server.slower = p.Slower
	if p.Slower == 0 {
		w.server.slower = 1
	}
	m := w.model
	if p.Workers > 0 {
		m.Workers = p.Workers
	}
	w.server.workers = m.Workers
	w.server.resume()
	w.ideal = m.Capacity() / w.server.slower
	w.schedule()
	for range p.Herd {
		r := w.client()
		r.retries, r.herd = never, true
		w.herd.clients++
		w.come(r)
	}
}

const never = 1 << 30

// schedule draws the time of the next arrival.
func (w *world) schedule() {
	gap := w.traffic.ExpFloat64() / w.rate
	w.arrival = w.now + time.Duration(gap*float64(time.Second)) + 1
}

// client returns the first attempt of a new client.
func (w *world) client() *Request {
	r := &Request{born: w.now, retries: w.retries, work: w.model.Work(w.traffic)}
	switch u := w.traffic.Float64(); {
	case u < topShare:
	case u < 0.55:
		r.Class = 1
	case u < 0.8:
		r.Class = 2
	default:
		r.Class = 3
	}
	return r
}

func (w *world) at(t time.Duration) *Point { return &w.series[min(int(t/Step), len(w.series)-1)] }

func (w *world) arrive() {
	r := w.client()
	w.schedule()
	p := w.at(w.now)
	p.Offered++
	if r.Class == 0 {
		p.Top++
	}
	w.clients++
	w.come(r)
}

// come makes an attempt.
func (w *world) come(r *Request) {
	r.Arrival, r.Deadline = w.now, w.now+w.model.Patience
	if r.herd {
		w.herd.attempts++
	} else {
		w.attempts++
	}
	w.at(w.now).Attempts++
	w.policy.Arrive(w.now, r)
	if r.state != decided {
		w.events.add(event{at: r.Deadline, kind: leaving, r: r})
	}
}

func (w *world) happen(ev event) {
	switch ev.kind {
	case calling:
		ev.call(w.now)
	case coming:
		w.come(ev.r)
	case leaving:
		r := ev.r
		if r.state == decided {
			return
		}
		r.left = true
		if r.state == undecided {
			r.state = decided
			w.policy.Leave(w.now, r)
		}
		w.again(r, 0)
	}
}

// again has the client of r come again, if it does.
func (w *world) again(r *Request, after time.Duration) {
	if r.retries == 0 {
		return
	}
	if after == 0 {
		after = time.Second/2 + time.Duration(w.habits.Int64N(int64(time.Second/2)))
	}
	next := &Request{Class: r.Class, born: r.born, retries: r.retries - 1, work: r.work, herd: r.herd}
	w.events.add(event{at: w.now + after, kind: coming, r: next})
}

func (w *world) finished(r *Request) {
	r.state = decided
	w.done++
	switch {
	case r.left:
		w.wasted++
	case r.herd:
		w.herd.served++
		w.herd.last = w.now - r.born
	default:
		p := w.at(r.born)
		p.Good++
		if r.Class == 0 {
			p.TopGood++
		}
	}
	w.policy.Done(w.now, r, End{Latency: w.now - r.start, Canceled: r.left})
}

func (w *world) observe(p *Point) {
	p.Capacity = w.ideal * Step.Seconds()
	p.InFlight = w.server.inFlight()
	if l, ok := w.policy.(Limiting); ok {
		p.Limit = l.Limit()
	}
}

// result sums up what happened from one time to another.
func (w *world) result(from, to time.Duration) Result {
	var good, top, ideal, topIdeal float64
	for at := from; at < to; at += time.Second { // no load or capacity changes within a second
		s := Sum(w.series, at, min(at+time.Second, to))
		good += float64(s.Good)
		top += float64(s.TopGood)
		ideal += s.Ideal()
		topIdeal += min(float64(s.Top), s.Capacity)
	}
	s := Sum(w.series, from, to)
	if len(w.phases) == 1 {
		// Where nothing changes, what one second offers too much is not lost.
		ideal, topIdeal = s.Ideal(), min(float64(s.Top), s.Capacity)
	}
	r := Result{
		Goodput: share(good, ideal), TopClass: share(top, topIdeal),
		Shed: share(float64(s.Refused), float64(s.Attempts)), Waste: share(float64(w.wasted), float64(w.done)),
		Attempts: share(float64(w.attempts), float64(w.clients)),
		Series:   w.series[:to/Step],
	}
	if w.herd.clients > 0 {
		r.Attempts = share(float64(w.herd.attempts), float64(w.herd.clients))
		if w.herd.served == w.herd.clients {
			r.HerdServed = w.herd.last
		}
	}
	return r
}

// Start implements [Desk].
func (w *world) Start(r *Request) {
	if r.state != undecided {
		panic("sim: a request is started that was decided on already")
	}
	r.state, r.start = started, w.now
	w.server.take(w.now, r)
}

// Refuse implements [Desk].
func (w *world) Refuse(r *Request, after time.Duration) {
	if r.state != undecided {
		panic("sim: a request is refused that was decided on already")
	}
	r.state = decided
	w.at(w.now).Refused++
	w.again(r, after)
}

// At implements [Desk].
func (w *world) At(t time.Duration, f func(now time.Duration)) {
	w.events.add(event{at: max(t, w.now), kind: calling, call: f})
}

// InFlight implements [Desk].
func (w *world) InFlight() int { return w.server.inFlight() }

// Rand implements [Desk].
func (w *world) Rand() *rand.Rand { return w.chance }
