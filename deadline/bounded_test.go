package deadline_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-go/firebreak/deadline"
)

// path calls f through as many different stacks as there are numbers of that many bits.
func path(number, bits int, f func()) {
	switch {
	case bits == 0:
		f()
	case number&1 == 0:
		path(number>>1, bits-1, f)
	default:
		path(number>>1, bits-1, f) // another line, and so another site
	}
}

// Sites, targets and operations without end take no more memory than there is for
// them, and no call is lost: a hundred thousand of each, of which 256 stacks differ in
// the eight frames that count.
func TestHostileMemory(t *testing.T) {
	const calls, maxSites = 100_000, 64
	a := deadline.New(deadline.Config{MaxSites: maxSites})
	before := heap()
	names := make([]byte, 0, 300)
	for i := range calls {
		path(i&0xff, 8, func() {
			names = fmt.Appendf(names[:0], "%d.%0200d", i, i)
			_, op, _ := a.Begin(background, "cache.load", string(names[:8+i%200]))
			op.End()
			_ = a.Check(background, string(names[:6]))
		})
	}
	r := a.Report()
	if n := len(r.Sites); n > 3*maxSites {
		t.Errorf("got %d sites, want at most %d, and one for each operation", n, maxSites)
	}
	if r.EvictedSites > maxSites/4 {
		t.Errorf("got %d sites that were given up within a minute, want at most %d", r.EvictedSites, maxSites/4)
	}
	if n := len(r.Operations); n > 80 {
		t.Errorf("got %d operations, want at most 64 named ones", n)
	}
	var sum, rest int64
	for _, s := range r.Sites {
		sum += s.Calls
		if s.Rest {
			rest += s.Calls
		}
		targets := s.OtherTargets
		for _, target := range s.Targets {
			targets += target.Calls
		}
		if len(s.Targets) > 8 || s.Op == "cache.load" && targets != s.Calls {
			t.Errorf("got %d targets with %d calls, want at most 8 with all %d", len(s.Targets), targets, s.Calls)
		}
	}
	if sum != 2*calls || rest == 0 {
		t.Errorf("got %d calls, %d of them of no site of their own, want %d, some", sum, rest, 2*calls)
	}
	if grown := heap() - before; grown > 1<<20 {
		t.Errorf("got %d KiB more, want under 1 MiB", grown>>10)
	}
	runtime.KeepAlive(a)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// When there is no room, what is called often gets the place of what is not, and
// nothing that was counted is lost.
func TestMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := deadline.New(deadline.Config{MaxSites: 16, StuckAfter: time.Minute})
		sum := int64(0)
		call := func(number, times int) {
			for range times {
				path(number, 5, func() { _ = load(a, background) })
			}
			sum += int64(times)
		}
		for i := range 32 {
			call(i, 1+i%3) // of the first 16, some are small
		}
		time.Sleep(2 * time.Minute)
		call(31, 1000)
		r := a.Report()
		if r.EvictedSites == 0 || r.Sites[0].Calls < 800 || r.Sites[0].Rest {
			t.Errorf("got %d sites given up, %d calls of the first, want some, most of 1,000", r.EvictedSites, r.Sites[0].Calls)
		}
		counted := int64(0)
		for _, s := range r.Sites {
			counted += s.Calls
		}
		if counted != sum || len(r.Sites) > 17 {
			t.Errorf("got %d calls of %d sites, want %d of 17 at most", counted, len(r.Sites), sum)
		}
	})
}

// What has a call in flight, or had one that was stuck, is never given up, and of what
// is there by design neither.
func TestKeepsWhatMatters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := deadline.New(deadline.Config{MaxSites: 16, StuckAfter: time.Minute})
		_, stuck, _ := a.Begin(background, "was stuck", "")
		_, flying, _ := a.Begin(background, "in flight", "")
		_ = load(a, deadline.Unbounded(background, "a test"))
		time.Sleep(time.Minute)
		stuck.End()
		for range 20 {
			for i := range 256 {
				path(i, 8, func() { _ = load(a, background) })
			}
			time.Sleep(time.Minute)
		}
		found := make(map[string]bool)
		r := a.Report()
		for _, s := range r.Sites {
			if !s.Rest {
				found[s.Op+s.Reason] = true
			}
		}
		if !found["was stuck"] || !found["in flight"] || !found["cache.loada test"] || r.EvictedSites < 16 {
			t.Errorf("got %v after %d were given up, want all three", found, r.EvictedSites)
		}
		flying.End()
	})
}

// More calls in flight than anyone can have meant are not watched, but they count.
func TestHostileFlights(t *testing.T) {
	const calls = 100_000
	a := deadline.New(deadline.Config{})
	ops := make([]deadline.Op, calls)
	for i := range ops {
		_, ops[i], _ = a.Begin(background, "cache.load", "")
	}
	s := only(t, a)
	if s.Calls != calls || s.InFlight > 1<<16 || s.InFlight < 1<<15 {
		t.Errorf("got %d calls, %d in flight, want %d, at most %d", s.Calls, s.InFlight, calls, 1<<16)
	}
	rand.Shuffle(calls, func(i, j int) { ops[i], ops[j] = ops[j], ops[i] })
	for _, op := range ops {
		op.End()
		op.End()
	}
	if s := only(t, a); s.InFlight != 0 {
		t.Errorf("got %d in flight after the end, want 0", s.InFlight)
	}
}

// An Op that has ended does not end the call that took its place.
func TestStaleOp(t *testing.T) {
	a := deadline.New(deadline.Config{})
	var old []deadline.Op
	for range 1000 {
		_, op, _ := a.Begin(background, "cache.load", "")
		op.End()
		old = append(old, op)
	}
	_, op, _ := a.Begin(background, "cache.load", "")
	for _, o := range old {
		o.End()
	}
	if got := inFlight(a); got != 1 {
		t.Errorf("got %d in flight, want 1", got)
	}
	op.End()
	if got := inFlight(a); got != 0 {
		t.Errorf("got %d in flight after End, want 0", got)
	}
}

func inFlight(a *deadline.Auditor) (n int64) {
	for _, s := range a.Report().Sites {
		n += s.InFlight
	}
	return n
}

// All at once: begin, end, look, make room. The race detector looks on.
func TestConcurrent(t *testing.T) {
	a := deadline.New(deadline.Config{MaxSites: 16, StuckAfter: time.Nanosecond, Level: deadline.Warn, Logger: discard})
	const workers, calls = 8, 300
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range calls {
				path(i*w, 6, func() {
					_, op, _ := a.Begin(background, "op"+strings.Repeat("x", i%80), fmt.Sprint(i%20))
					if i%7 == 0 {
						a.Report()
					}
					op.End()
				})
			}
		})
	}
	wg.Wait()
	var sum int64
	for _, s := range a.Report().Sites {
		sum += s.Calls
	}
	if lost := workers*calls - sum; inFlight(a) != 0 || lost < 0 || lost > workers {
		t.Errorf("got %d in flight, %d calls, want 0, %d but for those of a site just given up", inFlight(a), sum, workers*calls)
	}
}
