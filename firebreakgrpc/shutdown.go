package firebreakgrpc

import (
	"context"

	"google.golang.org/grpc"
)

// Shutdown stops server in good order, or when ctx ends at once: GracefulStop alone waits
// for streams for as long as they last. New calls go elsewhere, and those under way may end
// until then; afterwards their connections are closed, and their contexts end. It returns
// nil if all calls have ended, or else why ctx did. What calls hold of the policies is
// given back as their handlers return: those it does not wait for.
//
// Close the limiter of the server first ([shed.Shed.Close]), so that what still comes on
// open connections is refused.
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
	go server.Stop() // both wait for handlers from here on, which may never return
	return context.Cause(ctx)
}
