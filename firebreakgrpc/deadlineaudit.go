package firebreakgrpc

import (
	"context"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/keepalive"

	"github.com/firebreak-go/firebreak/deadline"
)

// DeadlineAuditDialOptions returns options for grpc.NewClient that have a note calls
// without a deadline, as "grpc.unary" and "grpc.stream" with their method as the target.
// A timeout in the service config is a deadline, too. It is not known until the connection
// is ready for the first time: calls that come before are looked at only, also those that
// it will bound.
//
// A unary call without one is treated as a says: at the level enforce it gets a deadline
// or is refused, with the code INTERNAL. A stream may live as long as it likes and is
// only looked at, until it is finished. What it needs is that somebody notices when the
// other side is gone: pings, if its Time is not 0, is set as the keepalive of the
// connection, and then streams have no deadline by design. [grpc.WithKeepaliveParams]
// after these options would take its place.
func DeadlineAuditDialOptions(a *deadline.Auditor, pings keepalive.ClientParameters) []grpc.DialOption {
	d := &deadlineAudit{auditor: a}
	options := []grpc.DialOption{grpc.WithChainUnaryInterceptor(d.unary), grpc.WithChainStreamInterceptor(d.stream)}
	if pings.Time > 0 {
		patience := pings.Timeout
		if patience <= 0 {
			patience = 20 * time.Second // the default of gRPC
		}
		d.alive = "keepalive finds out within " + (pings.Time + patience).String() + " that the server is gone"
		options = append(options, grpc.WithKeepaliveParams(pings))
	}
	return options
}

// DeadlineAuditServerOptions returns options for grpc.NewServer that have a note calls
// that come in without a deadline, as "grpc.server" with their method as the target. They are only looked at, at each level: it is not the fault of this process,
// and [ServerOptions] gives them the timeout of its Stack.
func DeadlineAuditServerOptions(a *deadline.Auditor) []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
			op := a.Note(ctx, "grpc.server", info.FullMethod)
			defer op.End()
			return handler(ctx, req)
		}),
	}
}

// deadlineAudit are the interceptors of a client.
type deadlineAudit struct {
	auditor *deadline.Auditor
	alive   string // why streams need no deadline, or ""
}

func (d *deadlineAudit) unary(
	ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption,
) error {
	if limited(cc, method) {
		return invoker(ctx, method, req, reply, cc, opts...)
	}
	var op deadline.Op
	if cc != nil && cc.GetState() != connectivity.Ready {
		op = d.auditor.Note(ctx, "grpc.unary", method)
	} else {
		var err error
		if ctx, op, err = d.auditor.Begin(ctx, "grpc.unary", method); err != nil {
			return withStatus(err, outgoing)
		}
	}
	defer op.End()
	return invoker(ctx, method, req, reply, cc, opts...)
}

func (d *deadlineAudit) stream(
	ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	if _, ok := ctx.Deadline(); ok || limited(cc, method) {
		return streamer(ctx, desc, cc, method, opts...)
	}
	known := ctx
	if d.alive != "" {
		known = deadline.Unbounded(ctx, d.alive)
	}
	op := d.auditor.Note(known, "grpc.stream", method)
	opens := true
	defer func() {
		if opens {
			op.End()
		}
	}()
	stream, err := streamer(ctx, desc, cc, method, append(slices.Clip(opts), grpc.OnFinish(func(error) { op.End() }))...)
	if err == nil {
		opens = false
		context.AfterFunc(ctx, op.End) // for interceptors that make a stream of their own
	}
	return stream, err
}

// limited reports whether the service config bounds calls of method.
func limited(cc *grpc.ClientConn, method string) bool {
	return cc != nil && cc.GetMethodConfig(method).Timeout != nil
}
