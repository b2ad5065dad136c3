package firebreakgrpc_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakgrpc"
	"github.com/firebreak-go/firebreak/retry"
	"github.com/firebreak-go/firebreak/timeout"
)

// moody is a server that is unavailable the first two times.
type moody struct {
	healthpb.UnimplementedHealthServer

	calls int
}

func (m *moody) Check(context.Context, *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	if m.calls++; m.calls < 3 {
		return nil, status.Error(codes.Unavailable, "not now")
	}
	return &healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_SERVING}, nil
}

// serveInMemory serves m, and returns how to connect to it.
func serveInMemory(m healthpb.HealthServer) (inMemory []grpc.DialOption, stop func()) {
	listener, server := bufconn.Listen(1<<16), grpc.NewServer()
	healthpb.RegisterHealthServer(server, m)
	go func() { _ = server.Serve(listener) }() // Stop ends it
	return []grpc.DialOption{
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
	}, server.Stop
}

// A client with a timeout, retries, a breaker and a bulkhead.
func ExampleDialOptions() {
	server := new(moody)
	inMemory, stop := serveInMemory(server)
	defer stop()

	// snippet: client
	stack := firebreak.New("payments",
		timeout.New(10*time.Second), // the whole call, and all of a stream
		retry.New(retry.Config{}),
		breaker.New(breaker.Config{}),
		bulkhead.New(bulkhead.Config{MaxCalls: 64}),
		timeout.New(2*time.Second), // each attempt
	)
	options := firebreakgrpc.DialOptions(stack,
		firebreakgrpc.WithIdempotent("/grpc.health.v1.Health/Check"), // whose descriptor does not say so
	)
	conn, err := grpc.NewClient("passthrough:///payments", append(options, inMemory...)...)
	// end snippet
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()

	reply, err := healthpb.NewHealthClient(conn).Check(context.Background(), nil)
	fmt.Println(reply.GetStatus(), err, "after", server.calls, "attempts")
	// Output: SERVING <nil> after 3 attempts
}

// What a policy ends has a status, and says what it was.
func ExampleDialOptions_errors() {
	inMemory, stop := serveInMemory(new(moody))
	defer stop()
	circuit := breaker.New(breaker.Config{})
	stack := firebreak.New("payments", timeout.New(time.Second), circuit)
	conn, err := grpc.NewClient("passthrough:///payments", append(firebreakgrpc.DialOptions(stack), inMemory...)...)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	circuit.ForceOpen()

	// snippet: errors
	_, err = healthpb.NewHealthClient(conn).Check(context.Background(), nil)
	fmt.Println(status.Code(err), errors.Is(err, breaker.ErrOpen))
	if rejection, ok := errors.AsType[*firebreak.RejectedError](err); ok {
		fmt.Println("not sent:", rejection.Policy, rejection.Reason)
	}
	// end snippet

	// Output:
	// Unavailable true
	// not sent: breaker forced_open
}
