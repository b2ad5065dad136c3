package snippets

import (
	"time"

	"google.golang.org/grpc"

	"github.com/firebreak-go/firebreak"
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
