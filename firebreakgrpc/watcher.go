package firebreakgrpc

import (
	"context"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/stats"
)

// watcher sees what gRPC does with the attempts of a client: each time that it sends one,
// where the interceptors see one attempt, also if gRPC sent it again by itself.
type watcher struct{ client *client }

// TagRPC returns ctx as it is: the attempt is in it.
func (w watcher) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// HandleRPC notes how far an attempt came.
func (w watcher) HandleRPC(ctx context.Context, s stats.RPCStats) {
	var seen uint32
	switch s.(type) {
	case *stats.Begin:
		seen = seenBegin
	case *stats.OutHeader:
		seen = seenHeader
	case *stats.OutPayload:
		seen = seenPayload
	case *stats.InHeader, *stats.InPayload, *stats.InTrailer:
		seen = seenAnswer
	default:
		return
	}
	a := attemptOf(ctx)
	if a == nil || a.client != w.client {
		return // not ours, or of a Stack further in
	}
	a.seen.Or(seen)
	if begin, ok := s.(*stats.Begin); ok {
		a.trace.begun(ctx, a, begin.IsTransparentRetryAttempt)
	}
}

// TagConn returns ctx as it is.
func (w watcher) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn does nothing.
func (w watcher) HandleConn(context.Context, stats.ConnStats) {}

// begun starts the span of an attempt that gRPC begins under ctx, or adds to the one that
// somebody else has started. All handlers have had their turn with ctx.
func (s *attemptTrace) begun(ctx context.Context, a *clientAttempt, again bool) {
	if theirs := trace.SpanFromContext(ctx); !theirs.SpanContext().Equal(s.parent) {
		if theirs.IsRecording() {
			theirs.SetAttributes(attemptNumber(a.number)...)
		}
		return
	}
	if !again {
		s.start(ctx, a)
	}
}
