package firebreakgrpc_test

import (
	"context"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakgrpc"
	"github.com/firebreak-go/firebreak/shed"
	"github.com/firebreak-go/firebreak/timeout"
)

// A server that shuts down refuses what comes, but for health checks, and serves what it
// has.
func ExampleServerOptions() {
	// snippet: server
	limiter := shed.New(shed.Config{}) // no limit to set: it finds that out by itself
	stack := firebreak.New("orders", limiter, timeout.New(30*time.Second))
	server := grpc.NewServer(firebreakgrpc.ServerOptions(stack)...)
	// end snippet

	healthpb.RegisterHealthServer(server, health.NewServer())
	listener := bufconn.Listen(1 << 16)
	go func() { _ = server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///orders", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return listener.Dial() }))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	ctx := context.Background()

	limiter.Close()
	err = conn.Invoke(ctx, "/shop.Orders/Get", new(emptypb.Empty), new(emptypb.Empty))
	fmt.Println(status.Code(err), status.Convert(err).Message())
	got, err := healthpb.NewHealthClient(conn).Check(ctx, nil)
	fmt.Println(got.GetStatus(), err)

	// snippet: shutdown
	limiter.Close() // new calls are refused, on connections that are open, too
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	_ = firebreakgrpc.Shutdown(ctx, server)
	// end snippet

	// Output:
	// Unavailable shed orders: closing
	// SERVING <nil>
}

// What a proxy in front says of deadlines and priorities counts, streams have a Stack of
// their own, and each method a bulkhead.
func ExampleServerOption() {
	viaProxy := func(ctx context.Context, _ string) bool {
		p, ok := peer.FromContext(ctx)
		return ok && p.Addr.Network() == "unix"
	}
	// snippet: options
	stack := firebreak.New("orders",
		shed.New(shed.Config{}),
		firebreak.Keyed(firebreakgrpc.ByMethod, func(string) firebreak.Policy {
			return bulkhead.New(bulkhead.Config{MaxCalls: 64})
		}),
		timeout.New(30*time.Second),
	)
	feeds := firebreak.New("feeds",
		bulkhead.New(bulkhead.Config{MaxCalls: 10_000}),
		timeout.Unbounded("a feed lasts as long as its reader"),
	)
	options := firebreakgrpc.ServerOptions(stack,
		firebreakgrpc.Trust(viaProxy),
		firebreakgrpc.LongRunning(firebreakgrpc.Methods("/shop.Orders/Watch"), feeds),
	)
	// end snippet
	fmt.Println(len(options))

	// Output:
	// 3
}

// Another tap handle stands before, for a server has one only.
func ExampleTapHandle() {
	stack := firebreak.New("orders", shed.New(shed.Config{}), timeout.New(30*time.Second))
	denied := func(context.Context, *tap.Info) error { return status.Error(codes.PermissionDenied, "not from there") }

	// snippet: tap
	admit := firebreakgrpc.TapHandle(stack)
	options := []grpc.ServerOption{
		grpc.InTapHandle(func(ctx context.Context, info *tap.Info) (context.Context, error) {
			if err := denied(ctx, info); err != nil {
				return ctx, err
			}
			return admit(ctx, info) // last: what it takes comes back when the call ends
		}),
		grpc.ChainUnaryInterceptor(firebreakgrpc.UnaryServerInterceptor(stack)),
		grpc.ChainStreamInterceptor(firebreakgrpc.StreamServerInterceptor(stack)),
	}
	// end snippet
	fmt.Println(len(options))

	// Output:
	// 3
}
