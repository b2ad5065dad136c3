package adaptive

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// A caller is a call in a test.
type caller struct {
	name    string
	waiter  Waiter
	verdict Verdict
}

// A counter is where callers arrive. It notes whom it wakes.
type counter struct {
	*Limiter

	t     *testing.T
	woken []string
}

func newCounter(t *testing.T, cfg Config) *counter {
	t.Helper()
	return &counter{Limiter: New(0, cfg), t: t}
}

func (c *counter) arrive(now time.Duration, name string, class Class, deadline time.Duration) *caller {
	a := &caller{name: name}
	a.waiter.Wake = func() {
		a.verdict = a.waiter.Verdict()
		c.woken = append(c.woken, fmt.Sprintf("%s %v", name, a.verdict))
	}
	if c.TryAdmit(now) {
		a.verdict = Admitted
	} else {
		a.verdict = c.Arrive(now, class, deadline, &a.waiter)
	}
	return a
}

func (c *counter) want(a *caller, want Verdict) {
	c.t.Helper()
	if a.verdict != want {
		c.t.Errorf("%s is %v, want %v", a.name, a.verdict, want)
	}
}

func (c *counter) wantWoken(want ...string) {
	c.t.Helper()
	if got := fmt.Sprint(c.woken); got != fmt.Sprint(want) {
		c.t.Errorf("woken are %v, want %v", got, want)
	}
	c.woken = nil
}

func (c *counter) wantState(inFlight, waiting int) {
	c.t.Helper()
	s := c.Snapshot()
	sum := 0
	for _, n := range s.Waiting {
		sum += n
	}
	if s.InFlight != inFlight || sum != waiting {
		c.t.Errorf("%d are in flight and %d wait, want %d and %d", s.InFlight, sum, inFlight, waiting)
	}
}

// occupy takes all slots.
func (c *counter) occupy(now time.Duration) {
	for c.TryAdmit(now) {
	}
	c.wantState(initialLimit, 0)
}

func TestTheMoreImportantGoFirst(t *testing.T) {
	c := newCounter(t, Config{})
	c.occupy(0)
	for _, a := range []struct {
		name  string
		class Class
	}{{"a", Default}, {"b", BestEffort}, {"c", Critical}, {"d", Default}, {"e", Degraded}, {"f", Critical}, {"g", -7}, {"h", 99}} {
		c.want(c.arrive(0, a.name, a.class, 0), Queued)
	}
	c.wantState(initialLimit, 8)
	for range 9 {
		c.Release(time.Millisecond, time.Millisecond, Completed)
	}
	c.wantWoken("c admitted", "f admitted", "g admitted", "a admitted", "d admitted", "e admitted", "b admitted", "h admitted")
	c.wantState(initialLimit-1, 0)
}

func TestRooms(t *testing.T) {
	c := newCounter(t, Config{})
	c.occupy(0)
	for i := range burstMin {
		c.want(c.arrive(0, fmt.Sprint(i), BestEffort, 0), Queued)
	}
	c.want(c.arrive(0, "one more", BestEffort, 0), Full)
	c.wantWoken()

	// Everything more important is counted ahead, nothing less important.
	c.want(c.arrive(0, "better", Degraded, 0), Queued)
	c.wantWoken("0 displaced") // the oldest: it has the least time left
	c.want(c.arrive(0, "best", Critical, 0), Queued)
	c.wantWoken("1 displaced")
	c.wantState(initialLimit, burstMin)

	// A queue that stands is no burst.
	later := graceFor + 1
	for range burstMin - initialLimit/2 {
		c.Release(later, time.Millisecond, Ignored)
	}
	c.woken = nil
	c.wantState(initialLimit, initialLimit/2)
	c.want(c.arrive(later, "full", BestEffort, 0), Full)
	c.Release(later, time.Millisecond, Ignored)
	c.want(c.arrive(later, "fits", BestEffort, 0), Queued)
	c.want(c.arrive(later, "full again", BestEffort, 0), Full)
	c.woken = nil

	// Nobody more important waits: to them the queue is empty.
	for i := range burstMin {
		c.want(c.arrive(later, fmt.Sprint(i), Default, 0), Queued)
	}
	c.want(c.arrive(later, "full", Default, 0), Full)
	c.wantState(initialLimit, burstMin+0)
	if n := len(c.woken); n != initialLimit/2 {
		t.Errorf("%d were displaced, want all %d who are less important", n, initialLimit/2)
	}
}

func TestWithoutAWaiterNobodyIsQueued(t *testing.T) {
	l := New(0, Config{})
	if got := l.Arrive(0, Default, 0, nil); got != Admitted {
		t.Errorf("got %v with free slots, want admitted", got)
	}
	for l.TryAdmit(0) {
	}
	if got := l.Arrive(0, Critical, 0, nil); got != Full {
		t.Errorf("got %v, want full", got)
	}
}

func TestLeave(t *testing.T) {
	c := newCounter(t, Config{})
	c.occupy(0)
	a, b, d := c.arrive(0, "a", Default, 0), c.arrive(0, "b", Default, 0), c.arrive(0, "d", Default, 0)
	if !c.Leave(0, &b.waiter) || c.Leave(0, &b.waiter) {
		t.Error("b could not leave, or twice")
	}
	c.wantState(initialLimit, 2)
	c.Release(0, 0, Ignored)
	if c.wantWoken("a admitted"); c.Leave(0, &a.waiter) || a.waiter.Verdict() != Admitted {
		t.Error("a left, though it has a slot")
	}
	c.Release(0, 0, Ignored) // the slot of a
	c.wantWoken("d admitted")
	c.want(d, Admitted)
	c.Release(0, 0, Ignored)
	c.wantState(initialLimit-1, 0)
}

// Who had to wait and cannot finish any more is not begun. A free slot always begins
// work, whatever the deadline.
func TestHopeless(t *testing.T) {
	c := newCounter(t, Config{})
	now := time.Duration(0)
	for range windowCalls {
		now += 10 * time.Millisecond
		c.TryAdmit(now)
		c.Release(now, 100*time.Millisecond, Completed)
	}
	if got := c.Snapshot().Latency; got != 100*time.Millisecond {
		t.Fatalf("the typical latency is %v, want 100ms", got)
	}
	for c.TryAdmit(now) {
	}
	c.arrive(now, "much too late", Critical, now-time.Hour)
	c.arrive(now, "too late", Default, now+150*time.Millisecond-1)
	c.arrive(now, "in time", Default, now+150*time.Millisecond)
	c.arrive(now, "whenever", Default, 0)
	c.Release(now, 100*time.Millisecond, Ignored)
	c.wantWoken("much too late hopeless", "too late hopeless", "in time admitted")
	c.Release(now, 100*time.Millisecond, Ignored)
	c.wantWoken("whenever admitted")
	c.Release(now, 100*time.Millisecond, Ignored)
	if a := c.arrive(now, "who need not wait", Default, now-time.Hour); a.verdict != Admitted {
		t.Errorf("%s is %v, want admitted", a.name, a.verdict)
	}
}

// What calls took in the overload says little once the limit was lowered: whoever waits
// now is not dropped for it.
func TestNobodyIsHopelessForWhatIsOver(t *testing.T) {
	c := newCounter(t, Config{})
	now := time.Second
	// Each call takes 20ms while few are in flight.
	for range windowCalls {
		now += 20 * time.Millisecond
		c.TryAdmit(now)
		c.Release(now, 20*time.Millisecond, Completed)
	}
	// Then all slots are taken, others want them, and each takes 320ms.
	for c.TryAdmit(now) {
	}
	before := c.Snapshot().Limit
	for range 10 * windowCalls {
		now += 10 * time.Millisecond
		if c.TryAdmit(now); c.Snapshot().Limit < before {
			break
		}
		c.Refuse(now, BestEffort)
		c.arrive(now, "a", BestEffort, 0)
		c.Release(now, 320*time.Millisecond, Completed)
	}
	after := c.Snapshot()
	if after.Limit >= before || after.Latency != 320*time.Millisecond {
		t.Fatalf("got %+v, want a limit under %d and a latency of 320ms", after, before)
	}
	const patience = 400 * time.Millisecond // less than 1.5 times 320ms
	c.arrive(now, "critical", Critical, now+patience)
	c.woken = nil
	for c.Snapshot().InFlight >= after.Limit && len(c.woken) == 0 {
		now += time.Millisecond
		c.Release(now, 320*time.Millisecond, Completed)
	}
	c.wantWoken("critical admitted")
}

func TestClose(t *testing.T) {
	c := newCounter(t, Config{})
	c.occupy(0)
	a := c.arrive(0, "a", Default, 0)
	c.Close(0)
	c.want(c.arrive(0, "b", Critical, 0), Closed)
	c.Release(0, 0, Completed)
	c.want(a, Admitted)
	for range initialLimit {
		c.Release(0, 0, Completed)
	}
	c.wantState(0, 0)
	c.want(c.arrive(0, "c", Critical, 0), Closed)
}

// In shadow everyone is admitted, and told what would have been.
func TestShadow(t *testing.T) {
	c := newCounter(t, Config{Shadow: true})
	for range initialLimit + burstMin {
		c.want(c.arrive(0, "fits", Default, 0), Admitted)
	}
	c.want(c.arrive(0, "too many", Default, 0), Full)
	c.want(c.arrive(graceFor+1, "too many, still", Critical, 0), Full)
	c.wantState(initialLimit+burstMin+2, 0)
	for range initialLimit + burstMin + 2 {
		c.Release(time.Second, time.Millisecond, Completed)
	}
	c.wantState(0, 0)
	c.want(c.arrive(time.Second, "alone", Default, 0), Admitted)
}

// What ends without an answer counts only if it was slow: failing fast is not being
// fast.
func TestWhatCounts(t *testing.T) {
	run := func(end End, latency time.Duration) Snapshot {
		l := New(0, Config{})
		now := time.Duration(0)
		for i := range 4 * windowCalls {
			now += 10 * time.Millisecond
			l.TryAdmit(now)
			if i < 2*windowCalls || i%2 == 0 {
				l.Release(now, 100*time.Millisecond, Completed)
			} else {
				l.Release(now, latency, end)
			}
		}
		return l.Snapshot()
	}
	for _, test := range []struct {
		end     End
		latency time.Duration
		counts  bool
	}{
		{Completed, 50 * time.Millisecond, true},
		{Completed, 300 * time.Millisecond, true},
		{Failed, 50 * time.Millisecond, false},
		{Failed, 300 * time.Millisecond, true},
		{Ignored, 50 * time.Millisecond, false},
		{Ignored, 300 * time.Millisecond, true},
	} {
		want := 100 * time.Millisecond
		if test.counts {
			want = (want + test.latency) / 2
		}
		if got := run(test.end, test.latency).Latency; got != want {
			t.Errorf("end %d after %v: the latency is %v, want %v", test.end, test.latency, got, want)
		}
	}
}

// serve has l serve n calls one after the other.
func serve(l *Limiter, now *time.Duration, n int, latency time.Duration) {
	for range n {
		*now += latency
		l.TryAdmit(*now)
		l.Release(*now, latency, Completed)
	}
}

func TestHarmless(t *testing.T) {
	t.Run("a year without calls", func(t *testing.T) {
		l := New(0, Config{})
		now := time.Duration(0)
		serve(l, &now, 1005, 10*time.Millisecond)
		now += 365 * 24 * time.Hour
		serve(l, &now, 1005, 10*time.Millisecond)
		if s := l.Snapshot(); s.Limit < idleLimit || s.Limit > 100 || s.Baseline != 10*time.Millisecond || s.Throughput < 50 {
			t.Errorf("got %+v, want it to be as before", s)
		}
	})
	t.Run("an hour with few calls, then too many", func(t *testing.T) {
		c := newCounter(t, Config{})
		now := time.Duration(0)
		serve(c.Limiter, &now, 1005, 10*time.Millisecond)
		for range 15 { // do not fill a window
			now += 4 * time.Minute
			serve(c.Limiter, &now, 1, 10*time.Millisecond)
		}
		begin := now
		for now < 2*time.Hour && c.Snapshot().Throughput < 150 { // 16 per 10ms come, 2 are served
			now += 10 * time.Millisecond
			for range 16 {
				c.arrive(now, "x", Default, 0)
			}
			c.Release(now, 10*time.Millisecond, Completed)
			c.Release(now, 10*time.Millisecond, Completed)
		}
		if took := now - begin; took > 2*time.Second {
			t.Errorf("after %v the throughput is still that of the hour: %+v", took, c.Snapshot())
		}
	})
	t.Run("a clock that stands still, and calls that take no time", func(t *testing.T) {
		l := New(0, Config{})
		now := time.Duration(0)
		serve(l, &now, 100000, 0)
		if s := l.Snapshot(); s.Limit != initialLimit {
			t.Errorf("got %+v, want the initial limit", s)
		}
	})
	t.Run("calls that take no time", func(t *testing.T) {
		l := New(0, Config{})
		for i := range 100000 {
			now := time.Duration(i) * time.Millisecond
			l.TryAdmit(now)
			l.Release(now, 0, Completed)
		}
		if s := l.Snapshot(); s.Limit < 1 || s.Limit > 1000 || s.Throughput < 900 {
			t.Errorf("got %+v, want a limit that is finite", s)
		}
	})
	t.Run("a clock that goes back", func(t *testing.T) {
		l := New(time.Hour, Config{})
		now := time.Hour
		serve(l, &now, 1000, 10*time.Millisecond)
		now = 0
		serve(l, &now, 1000, 10*time.Millisecond)
		now = 2 * time.Hour
		serve(l, &now, 1000, 20*time.Millisecond)
		if s := l.Snapshot(); s.Latency != 20*time.Millisecond || s.Limit < 1 {
			t.Errorf("got %+v, want it to go on", s)
		}
	})
	t.Run("10^5 arrivals at once", func(t *testing.T) {
		c := newCounter(t, Config{})
		full := 0
		for range 100000 {
			if c.arrive(0, "x", Default, time.Second).verdict == Full {
				full++
			}
		}
		c.wantState(initialLimit, burstMin)
		if want := 100000 - initialLimit - burstMin; full != want {
			t.Errorf("%d were refused, want %d", full, want)
		}
	})
}

// Calls that do not end hold their slots, but others get some by and by.
func TestCallsThatDoNotEnd(t *testing.T) {
	c := newCounter(t, Config{})
	c.occupy(0)
	admitted := 0
	for i := range 1000 {
		now := time.Duration(i) * 10 * time.Millisecond
		if c.TryAdmit(now) || c.Arrive(now, Default, 0, nil) == Admitted {
			admitted++
		}
	}
	if admitted < 3 || admitted > 4 {
		t.Errorf("%d were admitted in 10s in which nothing ended, want one after 1s, 2s and 4s", admitted)
	}
}

// An experiment does not wait for calls that do not end: those that do get their slots
// back.
func TestExperimentsEndThoughCallsDoNot(t *testing.T) {
	l := New(0, Config{})
	for range 20 {
		l.TryAdmit(0) // for ever
	}
	var held []time.Duration // when calls that end began
	served, latest := 0, time.Duration(0)
	const step = time.Millisecond
	for now := time.Duration(0); now < time.Minute; now += step {
		for len(held) > 0 && now-held[0] >= 10*step {
			held = held[1:]
			l.Release(now, 10*step, Completed)
			served++
		}
		for range 3 {
			if l.TryAdmit(now) || l.Arrive(now, Default, 0, nil) == Admitted {
				held = append(held, now)
				latest = now
			}
		}
	}
	if served < 60000 || time.Minute-latest > 2*time.Second {
		t.Errorf("%d were served, the last one began at %v: %+v", served, latest, l.Snapshot())
	}
}

func TestNothingAllocates(t *testing.T) {
	l := New(0, Config{})
	now := time.Duration(0)
	if got := testing.AllocsPerRun(10000, func() { serve(l, &now, 1, time.Millisecond) }); got > 0 {
		t.Errorf("%v allocations for a call that is admitted, want 0", got)
	}
	l = New(0, Config{})
	fillUp(t, l)
	w := &Waiter{Wake: func() {}}
	if got := testing.AllocsPerRun(1000, func() { l.Arrive(0, Default, 0, w); l.RetryAfter(0, Default) }); got > 0 {
		t.Errorf("%v allocations for a refusal, want 0", got)
	}
}

// A Limiter is like one that decides with a slice and a lock, whatever happens.
func FuzzLimiter(f *testing.F) {
	f.Add(uint64(1), uint16(2000))
	f.Add(uint64(7), uint16(9999))
	f.Fuzz(func(t *testing.T, seed uint64, steps uint16) {
		r := rand.New(rand.NewPCG(seed, 0))
		l := New(0, Config{})
		now := time.Duration(0)
		pace := time.Duration(r.IntN(int(50 * time.Millisecond)))
		inFlight, queued := 0, map[*Waiter]bool{}
		highest, rooms := l.Snapshot().Limit, int64(burstMin)
		for range steps {
			now += time.Duration(r.Int64N(int64(pace) + 1))
			switch r.IntN(4) {
			case 0, 1:
				if l.TryAdmit(now) {
					inFlight++
					break
				}
				w := &Waiter{}
				w.Wake = func() {
					if !queued[w] {
						t.Fatal("somebody was woken who does not wait")
					}
					delete(queued, w)
					if w.Verdict() == Admitted {
						inFlight++
					}
				}
				queued[w] = true
				switch v := l.Arrive(now, Class(r.IntN(6)-1), now+time.Duration(r.Int64N(int64(time.Second))), w); v {
				case Queued:
				case Admitted:
					inFlight++
					delete(queued, w)
				default:
					delete(queued, w)
				}
			case 2:
				if inFlight > 0 {
					inFlight--
					l.Release(now, time.Duration(r.Int64N(int64(time.Second))), End(r.IntN(3)))
				}
			case 3:
				for w := range queued {
					if r.IntN(10) == 0 {
						if !l.Leave(now, w) {
							t.Fatal("a waiter could not leave")
						}
						delete(queued, w)
					}
					break
				}
			}
			s := l.Snapshot()
			waiting := 0
			for _, n := range s.Waiting {
				waiting += n
			}
			rooms, highest = max(rooms, l.rooms.burst.Load()), max(highest, s.Limit)
			if s.InFlight != inFlight || waiting != len(queued) {
				t.Fatalf("%d in flight and %d wait, want %d and %d", s.InFlight, waiting, inFlight, len(queued))
			}
			if s.InFlight > highest || int64(waiting) > rooms || waiting > 0 && s.InFlight < s.Limit {
				t.Fatalf("%+v: more than allowed, or a slot is free though somebody waits", s)
			}
			if s.Limit < 1 || s.Limit > maxLimit {
				t.Fatalf("the limit is %d", s.Limit)
			}
		}
	})
}

// What passes between two overloads is no part of the window in which both fall; where the
// limit was not reached it is.
func TestPauseInAWindow(t *testing.T) {
	for _, test := range []struct {
		over bool
		want time.Duration
	}{{true, 2 * time.Second}, {false, 6 * time.Second}} {
		l := New(0, Config{})
		limit := l.Snapshot().Limit
		fill := func(now time.Duration) {
			for range limit {
				if !l.TryAdmit(now) {
					t.Fatal("not admitted under the limit")
				}
			}
		}
		fill(0)
		if test.over && l.Arrive(time.Millisecond, Default, 0, nil) != Full {
			t.Fatal("admitted over the limit")
		}
		for range limit {
			l.Release(time.Second, time.Second, Ignored)
		}
		fill(5 * time.Second)
		if got := l.window.lasted(6 * time.Second); got != test.want {
			t.Errorf("the limit was reached: %t: the window lasted %v, want %v", test.over, got, test.want)
		}
	}
}
