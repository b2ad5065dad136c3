package main

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/firebreak-go/firebreak/examples/grpc/shoppb"
)

// newVirtualSide returns a side without sockets, so that its time is virtual. It must be
// called in a bubble.
func newVirtualSide(t *testing.T, name string, phases int, server []grpc.ServerOption, client []grpc.DialOption) *side {
	t.Helper()
	s := &side{name: name, service: newService(phases), tally: newTally(phases)}
	on := bufconn.Listen(1 << 20)
	s.on = &listener{server: grpc.NewServer(server...), served: make(chan error, 1)}
	shoppb.RegisterShopServer(s.on.server, s.service)
	go func() { s.on.served <- s.on.server.Serve(on) }()
	dial := grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return on.DialContext(ctx) })
	if err := s.connect("passthrough:///shop", append(client, dial)); err != nil {
		t.Fatal(err)
	}
	return s
}

// testDuration is long enough for a server to find its limit in the overload.
const testDuration = 22 * time.Second

func everyone(context.Context, string) bool { return true }

// virtualRun drives both sides through the phases in virtual time, as compare does on
// sockets.
func virtualRun(t *testing.T, phases []phase, throttled bool) []result {
	t.Helper()
	var all []result
	synctest.Test(t, func(t *testing.T) {
		sides := []*side{
			plain:     newVirtualSide(t, "plain", len(phases), nil, plainOptions(throttled)),
			protected: newVirtualSide(t, "firebreak", len(phases), serverOptions(everyone), clientOptions(newStack())),
		}
		printHead(t.Output())
		d := drive{
			phases: phases, schedule: newSchedule(1, phases), sides: sides, tick: func(int) {},
			done: func(n int) { printPhase(t.Output(), n, phases[n], sides) },
		}
		begin := time.Now()
		d.run(t.Context())
		if took, total := time.Since(begin), phases[len(phases)-1].end; took < total || took > total+patience {
			t.Errorf("got a run of %v, want one of %v, and the patience of the last callers", took, total)
		}
		all = results(phases, d.finished, sides)
		for _, s := range sides {
			wantBalance(t, s, d.schedule)
			if err := s.close(t.Context()); err != nil {
				t.Errorf("%s: close: got %v", s.name, err)
			}
		}
	})
	return all
}

// wantBalance holds that each caller who came got something, and one thing only.
func wantBalance(t *testing.T, s *side, schedule []arrival) {
	t.Helper()
	came := 0
	for n := range s.tally.cells {
		for m := range methods {
			r := s.tally.row(n, m)
			sum := 0
			for _, count := range r.counts {
				sum += count
			}
			if sum != r.came {
				t.Errorf("%s, phase %d, %s: %d came, want as many as good, refused, late and failed %v", s.name, n, m, r.came, r.counts)
			}
			came += r.came
		}
	}
	if came != len(schedule) {
		t.Errorf("%s: got %d callers, want the %d of the schedule", s.name, came, len(schedule))
	}
}

// share returns which share of the calls of the methods was good.
func (r result) share(side int, of ...method) float64 {
	got := r.rows[side](of...)
	return float64(got.counts[good]) / float64(got.came)
}

// total returns how many attempts came to a handler.
func (c counts) total() (n int) {
	for _, runs := range c.runs {
		n += runs
	}
	return n
}

// What the program is to show, phase by phase: also where firebreak does not win.
func TestWhatFirebreakWinsAndWhatNot(t *testing.T) {
	all := virtualRun(t, script(testDuration), false)
	if len(all) != 6 {
		t.Fatalf("got %d phases, want 6", len(all))
	}
	for _, r := range all {
		a, b := r.rows[plain](every...), r.rows[protected](every...)
		runs := [2]int{r.count[plain].total(), r.count[protected].total()}
		ok := true
		switch r.phase.name {
		case "healthy":
			ok = a.counts[good] == a.came && b.counts[good] == b.came && runs[protected] == b.came
		case "slow":
			ok = r.share(plain, getItem, listItems) < 0.9 && r.share(protected, getItem, listItems) > 0.95 &&
				r.share(protected, placeOrder) == r.share(plain, placeOrder) && r.share(protected, quotePrices) == r.share(plain, quotePrices) &&
				r.count[protected].runs[placeOrder] == r.rows[protected](placeOrder).came
		case "failing":
			ok = r.count[plain].again > 0 && r.count[protected].again == 0 &&
				r.share(plain, placeOrder) > r.share(protected, placeOrder) && r.share(plain, quotePrices) > r.share(protected, quotePrices) &&
				r.share(protected, getItem, listItems) > 0.95 && r.share(plain, getItem, listItems) > 0.95 &&
				r.count[plain].repeats > 0 && r.count[plain].early == 0 && r.count[protected].repeats > 0 && r.count[protected].early == 0
		case "down":
			ok = runs[plain] > 2*a.came && runs[protected] < b.came/2 && b.p50 < a.p50/10
		case "well again":
			ok = a.counts[good] == a.came && b.counts[good] > b.came*17/20
		case "overloaded":
			seconds := (r.phase.end - r.phase.begin).Seconds()
			ok = r.share(plain, placeOrder) < 0.2 && r.share(protected, placeOrder) > 0.85 &&
				float64(b.counts[good])/seconds > 0.9*160 && b.counts[good] > 3*a.counts[good] && b.counts[refused] > b.came/2 && a.counts[refused] == 0
		}
		if !ok {
			t.Errorf("%s: got %+v and %d runs without firebreak, %+v and %d with it", r.phase.name, a, runs[plain], b, runs[protected])
		}
	}
	for _, text := range findings(all) {
		t.Log(text)
	}
}

// With retryThrottling grpc-go soon makes nothing again.
func TestThrottling(t *testing.T) {
	for _, r := range virtualRun(t, script(testDuration)[:4], true) {
		a := r.rows[plain](every...)
		switch r.phase.name {
		case "failing":
			if got := r.share(plain, getItem); got > 0.9 {
				t.Errorf("failing: got %.2f good reads, want retries that are throttled", got)
			}
		case "down":
			if n := r.count[plain].total(); n > a.came*3/2 {
				t.Errorf("down: got %d attempts of %d calls, want retries that are throttled", n, a.came)
			}
		}
	}
}

// The load is open: callers come at their time, whatever becomes of those before.
func TestLoadIsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		phases := script(6600 * time.Millisecond)
		schedule := newSchedule(1, phases)
		s := &side{name: "stuck", service: newService(len(phases)), tally: newTally(len(phases))}
		begin := time.Now()
		var came atomic.Int64
		s.call = func(ctx context.Context, m method, n uint64) error {
			came.Add(1)
			if at := time.Since(begin); at != schedule[n].at || m != schedule[n].method {
				t.Errorf("call %d: got %s after %v, want %s after %v", n, m, at, schedule[n].method, schedule[n].at)
			}
			if deadline, _ := ctx.Deadline(); time.Until(deadline) != patience {
				t.Errorf("a caller waits %v, want %v", time.Until(deadline), patience)
			}
			<-ctx.Done()
			return status.FromContextError(ctx.Err()).Err()
		}
		var done []int
		ticks := 0
		d := drive{
			phases: phases, schedule: schedule, sides: []*side{s}, tick: func(int) { ticks++ },
			done: func(n int) {
				done = append(done, n)
				if r := s.tally.row(n, every...); r.counts[late] != r.came || r.p50 != patience || r.p99 != patience {
					t.Errorf("phase %d: got %+v, want all late after %v", n, r, patience)
				}
				if time.Since(begin) < phases[n].end {
					t.Errorf("phase %d was done after %v, want that not before its end", n, time.Since(begin))
				}
			},
		}
		d.run(t.Context())
		wantBalance(t, s, schedule)
		last := schedule[len(schedule)-1].at + patience
		if took := time.Since(begin); took != last || int(came.Load()) != len(schedule) || len(done) != len(phases) || ticks == 0 {
			t.Errorf("got %v, %d callers, phases %v done and %d ticks, want %v, %d, all, and some", took, came.Load(), done, ticks, last, len(schedule))
		}
		if capped, lag := s.tally.trouble(); capped != 0 || lag != 0 || s.tally.waiting() != 0 {
			t.Errorf("got %d turned away, %v late, %d who wait, want none", capped, lag, s.tally.waiting())
		}
	})
}

func TestCallersInFlightAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		phases := []phase{{name: "crowd", load: 10, end: time.Second}}
		s := &side{name: "stuck", service: newService(1), tally: newTally(1)}
		s.call = func(ctx context.Context, _ method, _ uint64) error {
			<-ctx.Done()
			return status.Error(codes.DeadlineExceeded, "")
		}
		most := 0
		d := drive{
			phases: phases, schedule: newSchedule(1, phases), sides: []*side{s}, done: func(int) {},
			tick: func(int) { most = max(most, s.tally.waiting()) },
		}
		d.run(t.Context())
		wantBalance(t, s, d.schedule)
		r := s.tally.row(0, every...)
		if capped, _ := s.tally.trouble(); most != maxInFlight || capped == 0 || r.counts[failed] != capped || r.counts[late] != maxInFlight {
			t.Errorf("got %d at once, %d turned away, outcomes %v, want %d at once and the others turned away", most, capped, r.counts, maxInFlight)
		}
		if len(remarks([]*side{s})) != 1 {
			t.Errorf("got remarks %q, want one", remarks([]*side{s}))
		}
	})
}

func TestLoadEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const after = 12345 * time.Millisecond
		ctx, cancel := context.WithTimeout(t.Context(), after)
		defer cancel()
		phases := script(defaultDuration)
		s := &side{name: "stuck", service: newService(len(phases)), tally: newTally(len(phases))}
		s.call = func(ctx context.Context, _ method, _ uint64) error {
			<-ctx.Done()
			return ctx.Err()
		}
		begin := time.Now()
		finished := 0
		d := drive{
			phases: phases, schedule: newSchedule(1, phases), sides: []*side{s}, tick: func(int) {},
			done: func(int) { finished++ },
		}
		d.run(ctx)
		if took := time.Since(begin); took != after || finished != 2 {
			t.Errorf("got an end after %v and %d phases, want %v and 2", took, finished, after)
		}
	})
}
