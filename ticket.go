package firebreak

import (
	"context"
	"sync/atomic"
	"time"
)

// A Reserver is a policy that can decide on a call ahead of it, where nobody may wait: a
// server that has seen the header of a request, and not read its body yet. See
// [Stack.Reserve].
type Reserver interface {
	Policy

	// Reserve takes for c what Do would take, or says why c is rejected. It returns nil
	// and nil where Do might wait, or has to decide for another reason, and has taken
	// nothing then: also for a call that is Exempt or whose ctx has ended.
	//
	// It never blocks, runs no function of the user's and emits nothing: of the rejection
	// tells who asked.
	Reserve(ctx context.Context, c Call) (Reservation, *RejectedError)
}

// A Reservation is what a [Reserver] has taken for one call. One of its methods is
// called, once.
type Reservation interface {
	// Do is that of the policy, with what is reserved. How long the call takes counts
	// from here.
	Do(ctx context.Context, c Call, next Handler) (result any, err error)

	// Cancel gives back what is reserved: the call will not be made. It says nothing of
	// how calls end.
	Cancel()
}

// maxReserved bounds the policies that a Ticket stands for.
const maxReserved = 6

// A Ticket is what the first policies of a Stack have taken for a call that is about to
// be made. It is safe for concurrent use.
type Ticket struct {
	state    state // of the call
	stack    *Stack
	arrived  time.Time
	reserved [maxReserved]Reservation // by the place of the layer; nil for a timeout
	n        int                      // how many places are covered
	used     atomic.Bool              // by Do or Cancel, whoever was first
}

// Reserve has the policies that come first in s decide on c ahead of the call, as far as
// they can without waiting: c passes those that are a [Reserver], up to the first that is
// not or leaves it to the call. Timeouts among them do not decide; their time counts from
// now.
//
// It returns the Ticket with which the call is to be made ([Ticket.Do]) or given up
// ([Ticket.Cancel]), or nil if nothing is reserved: then [Stack.Do] makes the call as
// ever. A rejection is the end of the call, of which nobody was told: hand it to
// [Stack.Reject].
func (s *Stack) Reserve(ctx context.Context, c Call) (*Ticket, *RejectedError) {
	if c.Exempt || ctx.Err() != nil {
		return nil, nil
	}
	var t *Ticket
	arrived, decided := time.Now(), false
	defer func() {
		if !decided && t != nil { // a policy panicked
			t.Cancel()
		}
	}()
	for i, l := range s.asRoot().front {
		if l == nil {
			continue
		}
		reservation, rejection := l.Reserve(ctx, c)
		if rejection != nil {
			return nil, rejection // what was reserved is given back
		}
		if reservation == nil {
			break
		}
		if t == nil {
			t = &Ticket{stack: s, arrived: arrived}
		}
		t.reserved[i] = reservation
		t.n = i + 1
	}
	decided = true
	return t, nil
}

// front returns the policies that a Ticket may stand for, by their places. It is nil in
// the place of a timeout.
func front(policies []Policy) []Reserver {
	var front []Reserver
	for i, d := range describeAll(policies) {
		r, ok := policies[i].(Reserver)
		if !ok && d.Kind != KindTimeout || i == maxReserved {
			break
		}
		front = append(front, r)
	}
	return front
}

// Do makes the call that the Ticket was reserved for, as [Stack.Do] does. The policies
// that have decided are not asked again, unless the Ticket was used before: then all are.
func (t *Ticket) Do(ctx context.Context, c Call, next Handler) (any, error) {
	if !t.used.CompareAndSwap(false, true) {
		return t.stack.Do(ctx, c, next)
	}
	defer t.release() // what was not come to
	t.state.ticket = t
	return t.stack.start(ctx, c, next, &t.state)
}

// Cancel gives back what was reserved, as the call will not be made. It reports whether
// it was in time: a Ticket that was used is left alone.
func (t *Ticket) Cancel() bool {
	if !t.used.CompareAndSwap(false, true) {
		return false
	}
	t.release()
	return true
}

// release gives back what is still reserved, the last first.
func (t *Ticket) release() {
	for i := range t.n {
		if r := t.reserved[i]; r != nil {
			t.reserved[i] = nil
			defer r.Cancel() //nolint:revive,gocritic // a few: also if another one panics
		}
	}
}

// take returns what is reserved for l, if anything is. early is true for a timeout whose
// time counts from the arrival.
func (t *Ticket) take(l *layer) (r Reservation, early bool) {
	i := l.place - 1
	if t == nil || i < 0 || i >= t.n {
		return nil, false
	}
	r = t.reserved[i]
	t.reserved[i] = nil
	return r, r == nil
}
