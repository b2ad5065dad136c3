package firebreak_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/timeout"
)

// reserver is a limit of places that decides ahead, and writes down what happens to them.
type reserver struct {
	name   string
	log    *[]string
	free   int
	leaves bool // everything to Do
}

func (r *reserver) note(what string) { *r.log = append(*r.log, r.name+" "+what) }

func (r *reserver) giveBack(how string) {
	r.free++
	r.note(how)
}

func (r *reserver) rejection() *firebreak.RejectedError {
	return &firebreak.RejectedError{Policy: r.name, Reason: "full", Err: errFull}
}

func (r *reserver) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	r.note("asked")
	if r.free == 0 {
		return nil, c.Reject(ctx, r.rejection())
	}
	r.free--
	return r.Reserved(ctx, c, next)
}

func (r *reserver) Reserved(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	defer r.giveBack("released")
	return next(ctx, c)
}

func (r *reserver) Reserve(context.Context, firebreak.Call) (firebreak.Reservation, *firebreak.RejectedError) {
	switch {
	case r.leaves:
		return nil, nil
	case r.free == 0:
		return nil, r.rejection()
	}
	r.free--
	r.note("reserved")
	return reserved{r}, nil
}

func (*reserver) Describe() firebreak.Description {
	return firebreak.Description{Kind: firebreak.KindBulkhead, Text: "reserver"}
}

type reserved struct{ *reserver }

func (r reserved) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	return r.Reserved(ctx, c, next)
}

func (r reserved) Cancel() { r.giveBack("cancelled") }

// reserve returns the ticket for a call, and fails the test if there is none.
func reserve(t *testing.T, s *firebreak.Stack) *firebreak.Ticket {
	t.Helper()
	ticket, rejection := s.Reserve(t.Context(), firebreak.Call{Op: "lookup"})
	if ticket == nil || rejection != nil {
		t.Fatalf("Reserve returned %v, %v, want a ticket", ticket, rejection)
	}
	return ticket
}

// The policies that have decided are not asked again, the others are as ever.
func TestTicketDo(t *testing.T) {
	var log []string
	one, two, three := &reserver{name: "one", log: &log, free: 1}, &reserver{name: "two", log: &log, free: 1}, &reserver{name: "three", log: &log, free: 1}
	for _, test := range []struct {
		name     string
		policies []firebreak.Policy
		want     []string
	}{
		{"all", []firebreak.Policy{one, two}, []string{"one reserved", "two reserved", "handler", "two released", "one released"}},
		{
			"timeouts among them", []firebreak.Policy{timeout.New(time.Minute), one, timeout.New(time.Second), two},
			[]string{"one reserved", "two reserved", "handler", "two released", "one released"},
		},
		{
			"up to one that cannot", []firebreak.Policy{one, &described{}, two},
			[]string{"one reserved", "two asked", "handler", "two released", "one released"},
		},
		{
			"up to one that leaves it", []firebreak.Policy{one, &reserver{name: "lazy", log: &log, free: 1, leaves: true}, two},
			[]string{"one reserved", "lazy asked", "two asked", "handler", "two released", "lazy released", "one released"},
		},
		{
			"up to a Stack", []firebreak.Policy{one, firebreak.New("inner", two), three},
			[]string{"one reserved", "two asked", "three asked", "handler", "three released", "two released", "one released"},
		},
		{
			"up to a Keyed", []firebreak.Policy{one, firebreak.Keyed(firebreak.ByTarget, func(string) firebreak.Policy { return two })},
			[]string{"one reserved", "two asked", "handler", "two released", "one released"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			log = nil
			s := firebreak.New("test", test.policies...)
			got, err := reserve(t, s).Do(t.Context(), firebreak.Call{Op: "lookup"}, func(_ context.Context, c firebreak.Call) (any, error) {
				log = append(log, "handler")
				if c.Stack() != "test" || c.Op != "lookup" {
					t.Errorf("the handler got a call %q of %q", c.Op, c.Stack())
				}
				return "answer", nil
			})
			if got != "answer" || err != nil {
				t.Errorf("got %v, %v, want what the handler returned", got, err)
			}
			if d := cmp.Diff(test.want, log); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			for _, r := range []*reserver{one, two, three} {
				if r.free != 1 {
					t.Errorf("%s has %d places free, want 1", r.name, r.free)
				}
			}
		})
	}
}

// Where nothing can be reserved there is no ticket.
func TestReserveNothing(t *testing.T) {
	var log []string
	full := &reserver{name: "full", log: &log}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for name, test := range map[string]struct {
		s   *firebreak.Stack
		ctx context.Context
		c   firebreak.Call
	}{
		"no policies":     {s: firebreak.New("test"), ctx: t.Context()},
		"timeouts":        {s: firebreak.New("test", timeout.New(time.Minute), timeout.New(time.Second)), ctx: t.Context()},
		"one that cannot": {s: firebreak.New("test", &described{}, full), ctx: t.Context()},
		"caller gone":     {s: firebreak.New("test", full), ctx: gone},
		"exempt":          {s: firebreak.New("test", full), ctx: t.Context(), c: firebreak.Call{Exempt: true}},
	} {
		if ticket, rejection := test.s.Reserve(test.ctx, test.c); ticket != nil || rejection != nil {
			t.Errorf("%s: got %v, %v, want neither", name, ticket, rejection)
		}
	}
	if log != nil {
		t.Errorf("nobody was to be asked: %v", log)
	}
}

// A rejection gives back what those further out have reserved, and is told by Reject.
func TestReserveRejected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log []string
		var events []firebreak.Event
		defer firebreak.Subscribe(func(e firebreak.Event) { events = append(events, e) })()
		s := firebreak.New("test", &reserver{name: "one", log: &log, free: 1}, &reserver{name: "two", log: &log})
		ticket, rejection := s.Reserve(t.Context(), firebreak.Call{Op: "lookup"})
		if ticket != nil || rejection == nil || rejection.Policy != "two" {
			t.Fatalf("got %v, %+v, want the rejection of two", ticket, rejection)
		}
		if want := []string{"one reserved", "one cancelled"}; !slices.Equal(log, want) {
			t.Errorf("got %v, want %v", log, want)
		}
		synctest.Wait()
		if len(events) > 0 {
			t.Errorf("events %+v before anybody has told", events)
		}
		err := s.Reject(t.Context(), firebreak.Call{Op: "lookup"}, rejection)
		synctest.Wait()
		if !errors.Is(err, errFull) || len(events) != 1 || events[0].Kind != firebreak.EventReject || events[0].Stack != "test" {
			t.Errorf("got %v and the events %+v, want the rejection and one of it", err, events)
		}
	})
}

// The time of timeouts in front of what was reserved counts from then, that of the
// others from when they are come to.
func TestTicketTimeouts(t *testing.T) {
	var log []string
	for _, test := range []struct {
		name     string
		policies func(r firebreak.Policy) []firebreak.Policy
		want     time.Duration // from the call on, 3s after the arrival
	}{
		{"in front", func(r firebreak.Policy) []firebreak.Policy {
			return []firebreak.Policy{timeout.New(10 * time.Second), r}
		}, 7 * time.Second},
		{"behind", func(r firebreak.Policy) []firebreak.Policy {
			return []firebreak.Policy{r, timeout.New(10 * time.Second)}
		}, 10 * time.Second},
		{"the default", func(r firebreak.Policy) []firebreak.Policy { return []firebreak.Policy{r} }, 27 * time.Second},
		{"merged, the outer is earlier", func(r firebreak.Policy) []firebreak.Policy {
			return []firebreak.Policy{timeout.New(10 * time.Second), r, timeout.New(8 * time.Second)}
		}, 7 * time.Second},
		{"merged, the inner is earlier", func(r firebreak.Policy) []firebreak.Policy {
			return []firebreak.Policy{timeout.New(10 * time.Second), r, timeout.New(6 * time.Second)}
		}, 6 * time.Second},
		{"per key in front", func(r firebreak.Policy) []firebreak.Policy {
			return []firebreak.Policy{firebreak.Keyed(firebreak.ByTarget, func(string) firebreak.Policy { return timeout.New(10 * time.Second) }), r}
		}, 7 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := firebreak.New("test", test.policies(&reserver{name: "one", log: &log, free: 1})...)
			ticket := reserve(t, s)
			time.Sleep(3 * time.Second)
			_, err := ticket.Do(t.Context(), firebreak.Call{Op: "lookup"}, func(ctx context.Context, _ firebreak.Call) (any, error) {
				if at, ok := ctx.Deadline(); !ok || time.Until(at) != test.want {
					t.Errorf("%s: a deadline in %v, want %v", test.name, time.Until(at), test.want)
				}
				<-ctx.Done()
				return nil, ctx.Err()
			})
			if _, ok := errors.AsType[*firebreak.TimeoutError](err); !ok {
				t.Errorf("%s: got %v, want a timeout", test.name, err)
			}
		})
	}
}

// A ticket is good for one call, or for none: whoever is first.
func TestTicketUsedOnce(t *testing.T) {
	var log []string
	r := &reserver{name: "one", log: &log, free: 2}
	s := firebreak.New("test", r)
	ticket := reserve(t, s)
	if !ticket.Cancel() || ticket.Cancel() || r.free != 2 {
		t.Errorf("%d places free after two cancels, want 2, given back by the first", r.free)
	}
	log = nil
	call := func() { _, _ = ticket.Do(t.Context(), firebreak.Call{Op: "lookup"}, answer(nil, nil)) }
	call()
	if want := []string{"one asked", "one released"}; !slices.Equal(log, want) {
		t.Errorf("a call whose ticket was cancelled: got %v, want %v", log, want)
	}
	ticket, log = reserve(t, s), nil
	call()
	call()
	if want := []string{"one released", "one asked", "one released"}; !slices.Equal(log, want) || ticket.Cancel() || r.free != 2 {
		t.Errorf("two calls with one ticket: got %v, %d places free, want %v and 2", log, r.free, want)
	}
}

// What is reserved is given back whatever way the call ends, also where the policies it is
// for are not come to.
func TestTicketGivenBack(t *testing.T) {
	var log []string
	one, two := &reserver{name: "one", log: &log, free: 1}, &reserver{name: "two", log: &log, free: 1}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	s := firebreak.New("test", one, two)
	for name, use := range map[string]func(ticket *firebreak.Ticket){
		"panic": func(ticket *firebreak.Ticket) {
			if v := panicOf(func() {
				_, _ = ticket.Do(t.Context(), firebreak.Call{}, func(context.Context, firebreak.Call) (any, error) { panic("a panic") })
			}); v != "a panic" {
				t.Errorf("got panic %v, want that of the handler", v)
			}
		},
		"Goexit": func(ticket *firebreak.Ticket) {
			inGoroutine(func() {
				_, _ = ticket.Do(t.Context(), firebreak.Call{}, func(context.Context, firebreak.Call) (any, error) {
					runtime.Goexit()
					return nil, nil
				})
			})
		},
		"caller gone": func(ticket *firebreak.Ticket) {
			_, err := ticket.Do(gone, firebreak.Call{}, func(context.Context, firebreak.Call) (any, error) {
				t.Error("the handler ran for a caller who is gone")
				return nil, nil
			})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want %v", err, context.Canceled)
			}
		},
	} {
		use(reserve(t, s))
		if one.free != 1 || two.free != 1 {
			t.Fatalf("%s: %d and %d places free, want 1 and 1", name, one.free, two.free)
		}
	}
}

// Of a call and its end, which come at the same time, one uses the ticket.
func TestTicketRace(t *testing.T) {
	var mu sync.Mutex
	free := 0
	gate := &racer{take: func(n int) {
		mu.Lock()
		defer mu.Unlock()
		free += n
	}}
	s := firebreak.New("test", gate)
	var calls sync.WaitGroup
	for range 1000 {
		ticket := reserve(t, s)
		calls.Go(func() { ticket.Cancel() })
		calls.Go(func() { _, _ = ticket.Do(t.Context(), firebreak.Call{}, answer(nil, nil)) })
	}
	calls.Wait()
	if free != 0 {
		t.Errorf("%d places more than there were, want none gained or lost", free)
	}
}

// racer is a Reserver without end that counts.
type racer struct{ take func(n int) }

func (r *racer) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	r.take(-1)
	defer r.take(1)
	return next(ctx, c)
}

func (r *racer) Reserve(context.Context, firebreak.Call) (firebreak.Reservation, *firebreak.RejectedError) {
	r.take(-1)
	return racing{r}, nil
}

type racing struct{ *racer }

func (r racing) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	defer r.take(1)
	return next(ctx, c)
}

func (r racing) Cancel() { r.take(1) }

// A policy that panics while others have reserved leaves nothing behind.
func TestReservePanic(t *testing.T) {
	var log []string
	one := &reserver{name: "one", log: &log, free: 1}
	s := firebreak.New("test", one, &racer{take: func(int) { panic("a panic") }})
	if v := panicOf(func() { _, _ = s.Reserve(t.Context(), firebreak.Call{}) }); v != "a panic" || one.free != 1 {
		t.Errorf("panic %v, %d places free, want that of the policy and 1", v, one.free)
	}
}

// Behaviour 235: a call of a ticket costs what a call costs, and the ticket.
func TestA12_235_TicketAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	s := firebreak.New("test", timeout.Unbounded("test"), &racer{take: func(int) {}})
	c, next, ctx := firebreak.Call{Op: "lookup"}, answer(nil, nil), context.Background()
	call := func() {
		ticket, _ := s.Reserve(ctx, c)
		_, _ = ticket.Do(ctx, c, next)
	}
	call()
	if got := testing.AllocsPerRun(200, call); got > 1 {
		t.Errorf("%v allocations, want at most 1, the ticket, which is the call", got)
	}
}
