package main

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// virtualRun drives both sides for total in virtual time, as runBuiltIn does on
// sockets. It must be called in a bubble.
func virtualRun(ctx context.Context, rps int, total time.Duration) (phases []phase, plain, guarded *side) {
	phases = script(total)
	plain = &side{name: "plain", workers: scaled(30, rps), tally: newTally(len(phases))}
	guarded = &side{name: "firebreak", workers: plain.workers, tally: newTally(len(phases))}
	p, q := newThirdParty(rps, plain.tally.attempted), newThirdParty(rps, guarded.tally.attempted)
	plain.get = plainGetter(inMemory{p}, "http://a/")
	guarded.get = firebreakGetter(inMemory{q}, newStack(rps, nil, nil), "http://a/")
	l := load{
		rps: rps, patience: patience, phases: phases, sides: []*side{plain, guarded},
		entered: func(n int) {
			p.become(phases[n].mode)
			q.become(phases[n].mode)
		},
		tick: func(int) {}, left: func(int) {},
	}
	l.run(ctx)
	p.close()
	q.close()
	return phases, plain, guarded
}

// Firebreak's side does no worse while the third party is well, and better in each
// trouble.
func TestFirebreakIsBetterInEveryPhase(t *testing.T) {
	for _, rps := range []int{20, 60, 200} {
		synctest.Test(t, func(t *testing.T) {
			phases, plain, guarded := virtualRun(t.Context(), rps, defaultDuration)
			for n, p := range phases {
				a, b := plain.tally.row(n), guarded.tally.row(n)
				t.Logf("%d rps: %-10s plain %+v, firebreak %+v, recovery %s %s", rps, p.name, a, b,
					recovery(phases, n, plain.tally), recovery(phases, n, guarded.tally))
				better := true
				switch {
				case p.again:
					continue
				case p.mode == well:
					better = b.good == b.calls && b.attempts == b.calls
				case p.mode == slow, p.mode == overloaded:
					better = 4*b.good > 5*a.good && b.attempts < a.attempts
				case p.mode == hanging:
					before, ok := guarded.tally.recovery(n+1, phases[n+1].begin)
					after, recovered := plain.tally.recovery(n+1, phases[n+1].begin)
					better = a.good == 0 && 2*b.slots < a.slots && b.p50 < patience/100 && a.p50 == patience &&
						ok && (!recovered || before < after)
				case p.mode == failing, p.mode == resetting:
					better = 100*b.good >= 95*b.calls && 10*a.good < 9*a.calls && 2*b.attempts < 3*b.calls
				}
				if !better {
					t.Errorf("%d rps, %s: firebreak's side is not better", rps, p.name)
				}
			}
			if a, b := plain.tally.total(), guarded.tally.total(); 10*b.good <= 11*a.good || b.attempts >= a.attempts {
				t.Errorf("%d rps: in all: got %+v with firebreak, %+v without, want a tenth more good calls from fewer attempts", rps, b, a)
			}
		})
	}
}

// The load is open: callers come at their rate, whatever becomes of them, and all
// have left at the end.
func TestLoadIsOpenAndBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gets atomic.Int64
		s := &side{name: "stuck", workers: 3, tally: newTally(1), get: func(ctx context.Context, _ time.Time) error {
			gets.Add(1)
			<-ctx.Done()
			return ctx.Err()
		}}
		entered, left := 0, 0
		l := load{
			rps: 10, patience: 2 * time.Second, sides: []*side{s},
			phases:  []phase{{name: "only", end: 5 * time.Second}},
			entered: func(int) { entered++ }, tick: func(int) {}, left: func(int) { left++ },
		}
		begin := time.Now()
		l.run(t.Context())
		if took := time.Since(begin); took != 7*time.Second {
			t.Errorf("run: got %v, want the 5s of its phase and 2s for the last callers", took)
		}
		r := s.tally.row(0)
		want := row{came: 50, calls: 50, p50: 2 * time.Second, p99: 2 * time.Second, slots: 3}
		if r != want || gets.Load() != 3 || entered != 1 || left != 1 {
			t.Errorf("10 callers a second for 5s to 3 workers that hang: got %+v, %d gets, %d and %d changes of phase, want %+v, 3 gets, 1 and 1",
				r, gets.Load(), entered, left, want)
		}
	})
}

func TestLoadEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2995*time.Millisecond)
		defer cancel()
		begin := time.Now()
		_, plain, guarded := virtualRun(ctx, 60, defaultDuration)
		if took := time.Since(begin); took != 2995*time.Millisecond {
			t.Errorf("run: got %v, want the 2.995s of its context", took)
		}
		a, b := plain.tally.total(), guarded.tally.total()
		time.Sleep(2 * patience)
		if a.came != 180 || b.came != 180 || a != plain.tally.total() || b != guarded.tally.total() {
			t.Errorf("calls of 2.995s at 60 a second: got %+v and %+v, want 180 each, and none that ends later", a, b)
		}
	})
}

func TestPlainGetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var attempts atomic.Int64
		p := newThirdParty(60, func() { attempts.Add(1) })
		plain := plainGetter(inMemory{p}, "http://a/")
		p.script(failing)
		if err := plain(t.Context(), time.Now()); err == nil || attempts.Load() != 1 {
			t.Errorf("failing: got %v after %d attempts, want an error after one", err, attempts.Load())
		}
		p.become(hanging)
		begin := time.Now()
		if err := plain(t.Context(), time.Now()); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != plainTimeout {
			t.Errorf("hanging: got %v after %v, want a timeout after %v", err, time.Since(begin), plainTimeout)
		}
	})
}

func TestScriptFillsTheTime(t *testing.T) {
	for name, phases := range map[string][]phase{"script": script(24 * time.Second), "quarters": quarters(24 * time.Second)} {
		at := time.Duration(0)
		var names []string
		for _, p := range phases {
			if p.begin != at || p.end <= p.begin {
				t.Errorf("%s: %s is from %v to %v, want it to begin at %v", name, p.name, p.begin, p.end, at)
			}
			at = p.end
			if !p.again {
				names = append(names, p.name)
			}
		}
		if at != 24*time.Second {
			t.Errorf("%s: ends at %v, want 24s", name, at)
		}
		if got := strings.Join(names, " "); name == "script" && got != "well slow hanging failing overloaded resetting" {
			t.Errorf("script: got phases %s", got)
		}
	}
}
