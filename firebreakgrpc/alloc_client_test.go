package firebreakgrpc_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakgrpc"
	"github.com/firebreak-go/firebreak/retry"
	"github.com/firebreak-go/firebreak/timeout"
)

// The budget is 7 for a call through five policies; the deadline is four of them.
func TestAllocationsOfAUnaryCall(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	answer := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return nil }
	notFound := status.Error(codes.NotFound, "no")
	fail := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return notFound }
	full := bulkhead.New(bulkhead.Config{MaxCalls: 1})
	taken, err := full.Allow(context.Background(), firebreak.Call{})
	if err != nil {
		t.Fatal(err)
	}
	defer taken(firebreak.Outcome{})
	fivePolicies := func() []firebreak.Policy {
		return []firebreak.Policy{
			timeout.New(10 * time.Second),
			retry.New(retry.Config{}),
			breaker.New(breaker.Config{}),
			bulkhead.New(bulkhead.Config{MaxCalls: 64}),
			timeout.New(2 * time.Second),
		}
	}
	request, reply := wrapperspb.String("a"), new(wrapperspb.StringValue)
	for name, c := range map[string]struct {
		policies []firebreak.Policy
		invoker  grpc.UnaryInvoker
		options  []grpc.CallOption
		want     float64
		err      bool
	}{
		"five policies":           {fivePolicies(), answer, nil, 7, false},
		"with options":            {fivePolicies(), answer, []grpc.CallOption{grpc.WaitForReady(true), grpc.MaxCallRecvMsgSize(1)}, 7, false},
		"an answer that says no":  {fivePolicies(), fail, nil, 9, true},
		"a rejection":             {[]firebreak.Policy{full, timeout.New(time.Second)}, answer, nil, 4, true},
		"no timeout, no policies": {[]firebreak.Policy{timeout.Unbounded("test")}, answer, nil, 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			intercept := firebreakgrpc.UnaryClientInterceptor(firebreak.New("test", c.policies...), firebreakgrpc.WithIdempotent("/test.Shop/Lookup"))
			got := testing.AllocsPerRun(200, func() {
				err := intercept(context.Background(), "/test.Shop/Lookup", request, reply, nil, c.invoker, c.options...)
				if (err != nil) != c.err {
					t.Fatalf("the call ended with %v", err)
				}
			})
			if got > c.want {
				t.Errorf("got %v allocations, want at most %v", got, c.want)
			}
		})
	}
}
