package firebreakgrpc_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakgrpc"
	"github.com/firebreak-go/firebreak/timeout"
)

// A server that is full says when to come back, and its clients do.
func TestClientsComeBackWhenTheServerSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shop{unary: func(_ visit, in *value) (*value, error) { time.Sleep(500 * time.Millisecond); return in, nil }}
		s.server = firebreakgrpc.ServerOptions(firebreak.New("shop", bulkhead.New(bulkhead.Config{MaxCalls: 1}), timeout.New(minute)))
		r := new(recorder)
		conn := s.serve(t, through(atOnce(), r)...)
		go func() { _, _ = ask(t.Context(), conn, buy) }()
		synctest.Wait()
		begin := time.Now()
		if _, err := ask(t.Context(), conn, lookup); err != nil {
			t.Errorf("the call that was refused at first ended with %v", err)
		}
		if took := time.Since(begin).Round(10 * time.Millisecond); took != 1500*time.Millisecond {
			t.Errorf("it took %v, want the second that the server asked for, and half a second", took)
		}
		synctest.Wait()
		s.wantVisits(t, lookup, 1)
		_, outcomes := r.seen()
		overloads := 0
		for _, o := range outcomes {
			if o.Class == firebreak.Overload {
				overloads++
			}
		}
		if overloads != 1 {
			t.Errorf("%d attempts were refused, want 1", overloads)
		}
	})
}

// "No multiplication": three layers of three attempts would be nine calls of the last. What is
// made again is not made again further down.
func TestA9_164_LayersDoNotMultiply(t *testing.T) {
	last := &shop{unary: failing(100, status.Error(codes.Unavailable, "no"))}
	toLast := last.serve(t, through(atOnce())...)
	middle := &shop{unary: func(v visit, in *value) (*value, error) {
		_, err := ask(v.ctx, toLast, lookup)
		return in, err
	}}
	middle.server = firebreakgrpc.ServerOptions(firebreak.New("middle", timeout.New(minute)))
	_, err := ask(t.Context(), middle.serve(t, through(atOnce())...), lookup)
	wantStatus(t, err, codes.Unavailable)
	middle.wantVisits(t, lookup, 3)
	last.wantVisits(t, lookup, 3+1+1)
}

// A circuit that is open between two servers is not tried again from above.
func TestOpenCircuitInTheMiddle(t *testing.T) {
	open := breaker.New(breaker.Config{})
	open.ForceOpen()
	last := new(shop)
	toLast := last.serve(t, through(open)...)
	middle := &shop{unary: func(v visit, in *value) (*value, error) {
		_, err := ask(v.ctx, toLast, lookup)
		return in, err
	}}
	middle.server = firebreakgrpc.ServerOptions(firebreak.New("middle", timeout.New(minute)))
	_, err := ask(t.Context(), middle.serve(t, through(atOnce())...), lookup)
	wantStatus(t, err, codes.Unavailable)
	middle.wantVisits(t, lookup, 1)
	last.wantVisits(t, lookup, 0)
}

// Priority and deadline of a call go with those that are made for it, where each trusts the
// other.
func TestPriorityAndDeadlineGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trusting := func() *shop {
			s := new(shop)
			s.server = firebreakgrpc.ServerOptions(firebreak.New("shop", timeout.New(minute)),
				firebreakgrpc.Trust(func(context.Context, string) bool { return true }))
			return s
		}
		var priority firebreak.Priority
		var left time.Duration
		last := trusting()
		last.unary = func(v visit, in *value) (*value, error) {
			at, _ := v.ctx.Deadline()
			priority, left = firebreak.PriorityOf(v.ctx), time.Until(at)
			return in, nil
		}
		options := firebreakgrpc.DialOptions(stackOf(timeout.New(10*time.Second)), firebreakgrpc.Propagate())
		toLast := last.serve(t, options...)
		middle := trusting()
		middle.unary = func(v visit, _ *value) (*value, error) {
			time.Sleep(time.Second)
			text, err := ask(v.ctx, toLast, lookup)
			return &value{Value: text}, err
		}
		ctx, cancel := context.WithTimeout(firebreak.WithPriority(t.Context(), firebreak.PriorityCritical), 3*time.Second)
		defer cancel()
		if _, err := ask(ctx, middle.serve(t, options...), lookup); err != nil {
			t.Fatal(err)
		}
		if priority != firebreak.PriorityCritical || left > 2*time.Second || left < 1900*time.Millisecond {
			t.Errorf("the last server saw a %v call with %v left, want a critical one with about 2s", priority, left)
		}
	})
}
