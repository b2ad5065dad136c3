package firebreakgrpc_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/tap"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakgrpc"
	"github.com/firebreak-go/firebreak/shed"
	"github.com/firebreak-go/firebreak/timeout"
)

// Without a tap: the deadline takes four, the call and its state one each. The ticket of
// the tap is the state; two of the others there are the context that gRPC makes, two give
// the ticket back in time, and five when the call ends (context.AfterFunc).
func TestAllocationsOfAServer(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	full := one()
	_, _ = full.Reserve(t.Context(), firebreak.Call{})
	for _, test := range []struct {
		name     string
		policies []firebreak.Policy
		tap      bool
		want     float64
	}{
		{"shed, bulkhead and timeout", []firebreak.Policy{shed.New(shed.Config{}), bulkhead.New(bulkhead.Config{}), timeout.New(30 * time.Second)}, false, 6},
		{"shed, bulkhead and timeout, with a tap", []firebreak.Policy{shed.New(shed.Config{}), bulkhead.New(bulkhead.Config{}), timeout.New(30 * time.Second)}, true, 15},
		{"no timeout", []firebreak.Policy{timeout.Unbounded("a test"), bulkhead.New(bulkhead.Config{})}, false, 2},
		{"no timeout, with a tap", []firebreak.Policy{timeout.Unbounded("a test"), bulkhead.New(bulkhead.Config{})}, true, 11},
		{"nothing to decide in the tap", []firebreak.Policy{timeout.Unbounded("a test")}, true, 4},
		{"a refusal", []firebreak.Policy{full, timeout.New(30 * time.Second)}, false, 13},
		{"a refusal in the tap", []firebreak.Policy{full, timeout.New(30 * time.Second)}, true, 6},
	} {
		t.Run(test.name, func(t *testing.T) {
			call := serverCall(firebreak.New("server", test.policies...), test.tap)
			if got := testing.AllocsPerRun(200, call); got > test.want {
				t.Errorf("got %v allocations, want at most %v", got, test.want)
			}
		})
	}
}

// serverCall returns a call as gRPC makes it, without what gRPC itself costs.
func serverCall(stack *firebreak.Stack, tapped bool) func() {
	admit, interceptor := firebreakgrpc.TapHandle(stack), firebreakgrpc.UnaryServerInterceptor(stack)
	incoming := metadata.NewIncomingContext(context.Background(), metadata.Pairs(":authority", "server.test", "user-agent", "test"))
	info, reply := &tap.Info{FullMethodName: methodGet}, any(new(text))
	unary := &grpc.UnaryServerInfo{FullMethod: methodGet}
	handler := func(context.Context, any) (any, error) { return reply, nil }
	return func() {
		ctx, cancel := incoming, context.CancelFunc(func() {})
		if tapped {
			ctx, cancel = context.WithCancel(incoming)
			var err error
			if ctx, err = admit(ctx, info); err != nil {
				cancel()
				return
			}
		}
		_, _ = interceptor(ctx, reply, unary, handler)
		cancel()
	}
}

func BenchmarkServer(b *testing.B) {
	full := one()
	_, _ = full.Reserve(b.Context(), firebreak.Call{})
	policies := func() []firebreak.Policy {
		return []firebreak.Policy{shed.New(shed.Config{}), bulkhead.New(bulkhead.Config{}), timeout.New(30 * time.Second)}
	}
	for _, bench := range []struct {
		name     string
		policies []firebreak.Policy
		tap      bool
	}{
		{"interceptor", policies(), false},
		{"tap and interceptor", policies(), true},
		{"refused by the interceptor", []firebreak.Policy{full}, false},
		{"refused in the tap", []firebreak.Policy{full}, true},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			call := serverCall(firebreak.New("bench", bench.policies...), bench.tap)
			for b.Loop() {
				call()
			}
		})
	}
}
