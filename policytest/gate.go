package policytest

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-go/firebreak"
)

// gateRules are those of a Gate. Each check runs in a bubble.
var gateRules = []struct {
	name  string
	check func(t *testing.T, fresh func() firebreak.Gate)
}{
	{"DoneIffAdmitted", checkDoneIffAdmitted},
	{"DoneReleases", checkDoneReleases},
	{"DoneTakesEffectOnce", checkDoneOnce},
	{"DoneWhileAllowing", checkDoneWhileAllowing},
}

func runGate(t *testing.T, fresh func() firebreak.Gate) {
	t.Run("Gate", func(t *testing.T) {
		for _, r := range gateRules {
			t.Run(r.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { r.check(t, fresh) })
			})
		}
	})
}

// Outcomes that attempts are told to have had.
var (
	succeeded = firebreak.Outcome{Class: firebreak.Success}
	failed    = firebreak.Outcome{Class: firebreak.Failure, Err: errFailure}
	ignored   = firebreak.Outcome{Class: firebreak.Ignored, Err: context.Canceled}
)

func checkDoneIffAdmitted(t *testing.T, fresh func() firebreak.Gate) {
	check := func(done func(firebreak.Outcome), err error) bool {
		if (done == nil) == (err == nil) {
			t.Errorf("Allow returned done == nil: %t, err = %v, want a done exactly if err is nil", done == nil, err)
		}
		return done != nil
	}
	g := fresh()
	done, err := g.Allow(t.Context(), newCall())
	if !check(done, err) {
		t.Fatalf("a new gate rejected a call (%v): newPolicy must return a policy that admits calls", err)
	}
	done(ignored)

	// Full, if it can be, and for callers who are gone.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range many {
		if done, err := g.Allow(ctx, newCall()); check(done, err) {
			defer done(ignored)
		}
	}
}

func checkDoneReleases(t *testing.T, fresh func() firebreak.Gate) {
	g := fresh()
	for i := range many {
		done, err := g.Allow(t.Context(), newCall())
		if done == nil {
			t.Fatalf("attempt %d was rejected (%v) after done of all before it: done releases what Allow took, also as %v", i+1, err, ignored.Class)
		}
		<-finished(func() { done(ignored) }) // from another goroutine
	}
}

func checkDoneOnce(t *testing.T, fresh func() firebreak.Gate) {
	before := gateAdmitsAtOnce(t, fresh(), nil)
	g := fresh()
	if done, _ := g.Allow(t.Context(), newCall()); done != nil {
		// The second call comes when somebody else has the place.
		done(ignored)
		if after := gateAdmitsAtOnce(t, g, func() { done(ignored) }); after != before {
			t.Errorf("%d attempts at once are admitted at first, %d after done was called twice: let the second call have no effect", before, after)
		}
	}
	if once, twice := failuresUntilRejected(t, fresh(), 1), failuresUntilRejected(t, fresh(), 2); once != twice {
		t.Errorf("the gate rejects after %d failures if done is called once, after %d if twice: count each attempt once", once, twice)
	}
}

func checkDoneWhileAllowing(t *testing.T, fresh func() firebreak.Gate) {
	g := fresh()
	var attempts sync.WaitGroup
	for n := range 64 {
		attempts.Go(func() {
			for i := range 20 {
				if done, _ := g.Allow(t.Context(), newCall()); done != nil {
					go done([]firebreak.Outcome{succeeded, failed, ignored}[(n+i)%3])
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
	attempts.Wait()
	synctest.Wait()
	before := gateAdmitsAtOnce(t, fresh(), nil)
	time.Sleep(rest)
	if after := gateAdmitsAtOnce(t, g, nil); after == 0 || after > before {
		t.Errorf("%d attempts at once are admitted at first, %d after 64 goroutines had used the gate: guard its state", before, after)
	}
}

// gateAdmitsAtOnce returns how many of many attempts at once are admitted. If
// meanwhile is not nil, it is called after the first.
func gateAdmitsAtOnce(t *testing.T, g firebreak.Gate, meanwhile func()) int {
	ctx, cancel := context.WithCancel(t.Context())
	dones := make(chan func(firebreak.Outcome), many)
	var attempts sync.WaitGroup
	for i := range many {
		attempts.Go(func() {
			if done, _ := g.Allow(ctx, newCall()); done != nil {
				dones <- done
			}
		})
		if i == 0 && meanwhile != nil {
			synctest.Wait()
			meanwhile()
		}
	}
	synctest.Wait()
	n := len(dones)
	cancel()
	attempts.Wait()
	close(dones)
	for done := range dones {
		done(ignored)
	}
	return n
}

// failuresUntilRejected returns how many attempts fail before g rejects one, many
// if it does not. done is called times times for each.
func failuresUntilRejected(t *testing.T, g firebreak.Gate, times int) int {
	for i := range many {
		done, _ := g.Allow(t.Context(), newCall())
		if done == nil {
			return i
		}
		for range times {
			done(failed)
		}
	}
	return many
}
