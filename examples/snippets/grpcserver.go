package snippets

import (
	"context"
	"time"

	"google.golang.org/grpc"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakgrpc"
	"github.com/firebreak-go/firebreak/shed"
	"github.com/firebreak-go/firebreak/timeout"
)

func grpcServer(limiter *shed.Shed) *grpc.Server {
	// snippet: serve
	srv := grpc.NewServer(firebreakgrpc.ServerOptions(firebreak.New("shop", limiter, timeout.New(5*time.Second)))...)
	// end snippet
	return srv
}

func grpcShop(inside func(ctx context.Context, method string) bool) (*grpc.Server, *shed.Shed) {
	// snippet: shop
	limiter := shed.New(shed.Config{})
	stack := firebreak.New("shop",
		limiter,
		firebreak.Keyed(firebreakgrpc.ByMethod, func(string) firebreak.Policy {
			return bulkhead.New(bulkhead.Config{}) // no method takes all
		}),
		timeout.New(5*time.Second), // the handler
	)
	feeds := firebreak.New("feeds", bulkhead.New(bulkhead.Config{MaxCalls: 1000}), timeout.Unbounded("subscriptions"))
	srv := grpc.NewServer(firebreakgrpc.ServerOptions(stack,
		firebreakgrpc.Trust(inside), // whose deadlines and priorities count
		firebreakgrpc.LongRunning(firebreakgrpc.Methods("/shop.v1.Shop/Watch"), feeds),
	)...)
	// end snippet
	return srv, limiter
}

func stop(ctx context.Context, srv *grpc.Server, limiter *shed.Shed) error {
	// snippet: stop
	limiter.Close() // new calls are refused, also on connections that are open
	err := firebreakgrpc.Shutdown(ctx, srv)
	// end snippet
	return err
}
