package policytest

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-go/firebreak"
)

// reserverRules are those of a Reserver, beside those of a Policy. Each check runs in a
// bubble.
var reserverRules = []struct {
	name  string
	check func(t *testing.T, fresh func() firebreak.Reserver)
}{
	{"ReserveDoesNotBlock", checkReserveAtOnce},
	{"ReserveTakesWhatDoTakes", checkReserveTakes},
	{"ReserveIsSilent", checkReserveSilent},
	{"ReserveLeavesExemptAndGone", checkReserveLeaves},
	{"CancelGivesBack", checkCancel},
}

// runReserver checks that reservations keep the contract of a Policy, too: a call that
// was decided on ahead is a call.
func runReserver(t *testing.T, fresh func() firebreak.Reserver) {
	t.Helper()
	if !runPolicy(t, "Reserved", func() firebreak.Policy { return ahead{fresh()} }) {
		return
	}
	runPolicy(t, "ReservedInStack", func() firebreak.Policy { return aheadOfStack{firebreak.New("policytest", fresh())} })
	t.Run("Reserver", func(t *testing.T) {
		for _, r := range reserverRules {
			t.Run(r.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { r.check(t, fresh) })
			})
		}
	})
}

// ahead is a policy whose calls are reserved, as far as they can be.
type ahead struct{ p firebreak.Reserver }

func (a ahead) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	switch r, rejection := a.p.Reserve(ctx, c); {
	case rejection != nil:
		return nil, c.Reject(ctx, rejection)
	case r != nil:
		return r.Do(ctx, c, next)
	default:
		return a.p.Do(ctx, c, next)
	}
}

// aheadOfStack is a Stack whose calls are made with tickets.
type aheadOfStack struct{ s *firebreak.Stack }

func (a aheadOfStack) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	switch ticket, rejection := a.s.Reserve(ctx, c); {
	case rejection != nil:
		return nil, a.s.Reject(ctx, c, rejection)
	case ticket != nil:
		return ticket.Do(ctx, c, next)
	default:
		return a.s.Do(ctx, c, next)
	}
}

func checkReserveAtOnce(t *testing.T, fresh func() firebreak.Reserver) {
	p := fresh()
	begin := time.Now()
	all := finished(func() {
		for range many { // until it is full, if it can be
			r, rejection := p.Reserve(t.Context(), newCall())
			switch {
			case r != nil && rejection != nil:
				t.Errorf("Reserve returned a reservation and the rejection %v, want one of both", rejection)
			case r != nil:
				defer r.Cancel()
			case rejection != nil && (rejection.Err == nil || rejection.Policy == ""):
				t.Errorf("Reserve rejected with %+v, want Policy and Err, the sentinel of the package", rejection)
			}
		}
	})
	<-all
	if took := time.Since(begin); took > 0 {
		t.Errorf("%d calls of Reserve took %v: leave to Do what would wait, with nil and nil", many, took)
	}
}

func checkReserveTakes(t *testing.T, fresh func() firebreak.Reserver) {
	p := fresh()
	reserved, admitted := reservable(t, p), admittedAtOnce(t, fresh(), false)
	if n := len(reserved); n > admitted {
		t.Errorf("%d calls at once can be reserved, but %d are admitted: let Reserve take what Do takes", n, admitted)
	}
	if len(reserved) == 0 {
		return // it leaves all to Do
	}
	if n := admittedAtOnce(t, p, false); n > admitted-len(reserved) && admitted < many {
		t.Errorf("%d calls at once are admitted beside %d that are reserved, of %d that may be: let Reserve take what Do takes", n, len(reserved), admitted)
	}
	for _, r := range reserved {
		r.Cancel()
	}
	time.Sleep(rest)
	requireAdmits(t, p, "after all that was reserved was given back: let Cancel give back what Reserve took")
}

func checkReserveSilent(t *testing.T, fresh func() firebreak.Reserver) {
	var events atomic.Int64
	cancel := firebreak.Subscribe(func(firebreak.Event) { events.Add(1) })
	defer cancel()
	for _, r := range reservable(t, fresh()) {
		defer r.Cancel()
	}
	synctest.Wait()
	if n := events.Load(); n > 0 {
		t.Errorf("%d events while calls were reserved, want none: who asked tells of the rejection", n)
	}
}

// reservable returns what can be reserved in many calls at once.
func reservable(t *testing.T, p firebreak.Reserver) (reserved []firebreak.Reservation) {
	for range many {
		if r, _ := p.Reserve(t.Context(), newCall()); r != nil {
			reserved = append(reserved, r)
		}
	}
	return reserved
}

func checkReserveLeaves(t *testing.T, fresh func() firebreak.Reserver) {
	p := fresh()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	exempt := newCall()
	exempt.Exempt = true
	for range many {
		if r, rejection := p.Reserve(gone, newCall()); r != nil || rejection != nil {
			t.Fatalf("Reserve returned %v and %v for a caller who is gone, want nil and nil: Do has the error", r, rejection)
		}
		if r, rejection := p.Reserve(t.Context(), exempt); r != nil || rejection != nil {
			t.Fatalf("Reserve returned %v and %v for a call that is Exempt, want nil and nil", r, rejection)
		}
	}
	requireAdmits(t, p, "after calls that were not reserved: take nothing for them")
}

func checkCancel(t *testing.T, fresh func() firebreak.Reserver) {
	p := fresh()
	time.Sleep(rest) // as below
	before := admittedAtOnce(t, p, false)
	p = fresh()
	for range many {
		r, _ := p.Reserve(t.Context(), newCall())
		if r == nil {
			break // a quota may be used up
		}
		time.Sleep(time.Hour) // however long it was held
		r.Cancel()
	}
	time.Sleep(rest)
	if after := admittedAtOnce(t, p, false); after != before {
		t.Errorf("%d calls at once are admitted at first, %d after as many as %d were reserved and given up: let Cancel give back what was taken, and count for nothing",
			before, after, many)
	}
}
