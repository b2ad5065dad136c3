package firebreakgrpc

import (
	"context"

	"google.golang.org/grpc"
)

// Shutdown stops server in good order, or when ctx ends at once: GracefulStop alone waits
// for streams for as long as they last. New calls go elsewhere, those under way may end
// until then; afterwards their connections are closed, and their contexts end. It returns
// nil, or why ctx ended. What calls hold of the policies is given back as their handlers
// return; Shutdown waits for them, unless the server does not
// ([google.golang.org/grpc.WaitForHandlers]).
//
// Close the limiter of the server first (shed.Shed.Close), so that what still comes on
// connections that are open is refused.
func Shutdown(ctx context.Context, server *grpc.Server) error {
	graceful := make(chan struct{})
	go func() {
		defer close(graceful)
		server.GracefulStop()
	}()
	select {
	case <-graceful:
		return nil
	case <-ctx.Done():
	}
	server.Stop()
	<-graceful
	return context.Cause(ctx)
}
