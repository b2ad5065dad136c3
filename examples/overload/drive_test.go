package main

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-go/firebreak/examples/internal/database"
)

// newDrive returns a load that lasts step on a server whose answers call gives.
func newDrive(load float64, step time.Duration, call caller) *drive {
	return &drive{
		schedule: newSchedule(1, load*database.Capacity, step+patience), lead: lead(step), length: step,
		call: call, tally: newTally("server", load), used: func() database.Use { return database.Use{} }, tick: func() {},
	}
}

// counted returns how many callers come in the stretch that counts.
func (d *drive) counted() (n int) {
	for _, a := range d.schedule {
		if a.at >= d.lead && a.at < d.length {
			n++
		}
	}
	return n
}

// wantBalance holds that each caller who came got something, and one thing only.
func wantBalance(t *testing.T, r row, came int) {
	t.Helper()
	if r.came() != came {
		t.Errorf("%v× on %s: got %d callers, want %d", r.load, r.server, r.came(), came)
	}
	for c := range classes {
		sum := 0
		for _, n := range r.counts[c] {
			sum += n
		}
		if sum != r.offered[c] {
			t.Errorf("%v× on %s: %d %s callers came, want as many as good, late, refused and failed %v", r.load, r.server, r.offered[c], c, r.counts[c])
		}
	}
}

// The load is open: callers come at their time, whatever becomes of those before.
func TestLoadIsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var came, left atomic.Int64
		d := newDrive(2, 3*time.Second, nil)
		d.call = func(ctx context.Context, _ class) outcome {
			n := came.Add(1) // each is alone at his time
			if at := time.Since(begin); at != d.schedule[n-1].at {
				t.Errorf("caller %d came after %v, want %v", n, at, d.schedule[n-1].at)
			}
			if deadline, _ := ctx.Deadline(); time.Until(deadline) != patience {
				t.Errorf("a caller waits %v, want %v", time.Until(deadline), patience)
			}
			<-ctx.Done()
			left.Add(1)
			return lateOrFailed(ctx.Err())
		}
		d.run(t.Context())
		took := time.Since(begin)
		last := 3*time.Second + patience
		if took > last || took < last-50*time.Millisecond {
			t.Errorf("run: got %v, want the time of the last counted caller and his patience, up to %v", took, last)
		}
		r, inFlight := d.tally.now()
		wantBalance(t, r, d.counted())
		if r.total(late) != r.came() || inFlight != 0 || left.Load() != came.Load() {
			t.Errorf("callers who are not answered: got %v, %d in flight, %d of %d left, want all late", r.counts, inFlight, left.Load(), came.Load())
		}
		if r.p50 != patience || r.p99 != patience || r.lasted != 1800*time.Millisecond || r.lag != 0 {
			t.Errorf("got p50 %v, p99 %v, lasted %v, lag %v, want %v, %[5]v, 1.8s and none", r.p50, r.p99, r.lasted, r.lag, patience)
		}
	})
}

// Callers come until the last one who counts has left, and no longer.
func TestLoadGoesOnForThoseWhoCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const takes = 300 * time.Millisecond
		begin := time.Now()
		var last atomic.Int64 // since begin
		d := newDrive(1, 2*time.Second, func(ctx context.Context, _ class) outcome {
			last.Store(int64(time.Since(begin)))
			select {
			case <-time.NewTimer(takes).C:
				return good
			case <-ctx.Done():
				return failed
			}
		})
		d.run(t.Context())
		r, _ := d.tally.now()
		wantBalance(t, r, d.counted())
		if r.total(good) != r.came() || r.p50 != takes {
			t.Errorf("got %v, p50 %v, want all good after %v", r.counts, r.p50, takes)
		}
		if end, last := time.Since(begin), time.Duration(last.Load()); last < 2200*time.Millisecond || end > 2*time.Second+takes {
			t.Errorf("the last caller came after %v, and the end after %v, want both short of 2.3s", last, end)
		}
	})
}

func TestCallersInFlightAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inFlight := make(chan struct{}, maxInFlight)
		most := 0
		d := newDrive(20, time.Second, func(ctx context.Context, _ class) outcome {
			select {
			case inFlight <- struct{}{}:
			default:
				t.Error("got more callers in flight than may be")
			}
			<-ctx.Done()
			<-inFlight
			return late
		})
		d.tick = func() { most = max(most, len(inFlight)) }
		d.run(t.Context())
		r, _ := d.tally.now()
		wantBalance(t, r, d.counted())
		if most != maxInFlight || r.capped == 0 || r.capped != r.total(failed) {
			t.Errorf("got %d in flight, %d turned away, %d failed, want %d and as many failed as turned away", most, r.capped, r.total(failed), maxInFlight)
		}
	})
}

func TestLoadEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const after = 1234 * time.Millisecond
		ctx, cancel := context.WithTimeout(t.Context(), after)
		defer cancel()
		begin := time.Now()
		newDrive(3, 3*time.Second, func(ctx context.Context, _ class) outcome {
			<-ctx.Done()
			return failed
		}).run(ctx)
		if took := time.Since(begin); took != after {
			t.Errorf("got %v, want %v", took, after)
		}
	})
}

// What the program is to show: a plain server that gets more than it can answer answers
// nobody in time. With firebreak it answers what it can, and first of all the critical.
func TestFirebreakHoldsUnderOverload(t *testing.T) {
	for _, random := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			drive := func(wrap func(http.Handler) *http.Server, load float64) row {
				s := newService(random)
				call := inMemory(wrap(s).Handler)
				newDrive(0.5, 2*time.Second, call).run(t.Context()) // what was before
				d := newDrive(load, 10*time.Second, call)
				d.used = s.db.Used
				d.run(t.Context())
				r, _ := d.tally.now()
				wantBalance(t, r, d.counted())
				t.Logf("%v× random %t: %.0f good/s, critical %v, p99 %v, wasted %.2f", load, random, r.rate(r.total(good)), r.counts[critical], r.p99, r.wasted())
				return r
			}
			for _, load := range []float64{5, 2} {
				if random && load < 5 {
					continue // says no more than the others do
				}
				a, b := drive(newPlain, load), drive(newProtected, load)
				if !random && (a.rate(a.total(good)) > 0.2*database.Capacity || a.wasted() < 0.5) {
					t.Errorf("%v× on the plain server: got %.0f good answers/s, %.2f wasted, want a collapse", load, a.rate(a.total(good)), a.wasted())
				}
				if got := b.rate(b.total(good)); got < 0.9*database.Capacity || b.wasted() > 0.01 {
					t.Errorf("%v× with firebreak: got %.0f good answers/s, %.2f wasted, want 0.9 of %v and nothing", load, got, b.wasted(), database.Capacity)
				}
				if n := b.counts[critical]; n[good] < b.offered[critical]*99/100 || b.p99 > patience/2 {
					t.Errorf("%v× with firebreak: got %v critical callers good, late, refused, failed, p99 %v, want nearly all good", load, n, b.p99)
				}
			}
		})
	}
}
