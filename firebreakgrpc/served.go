package firebreakgrpc

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/internal/ctxerr"
)

// A served is one call that a server serves. It is the Request of its Call.
type served struct {
	server   *server // that saw it first
	stack    *firebreak.Stack
	ctx      context.Context //nolint:containedctx // of the call as it came in; it lives as long
	method   string          // as it came in
	op       string          // of a closed set
	deadline time.Time       // that a trusted caller has named beside that of ctx, or zero
	left     time.Duration   // that the caller had when the call was looked at last, if it has a deadline
	ticket   *firebreak.Ticket

	request any // of a unary call, and its handler
	unary   grpc.UnaryHandler

	srv      any // of a stream, and its handler
	streamed grpc.ServerStream
	stream   grpc.StreamHandler
	began    firebreak.Moment
	waited   atomic.Int64 // nanoseconds for which the stream waited for messages

	span    trace.Span // that was started for the call, or nil
	ran     bool       // the handler was run
	judged  error      // what its end means to the policies
	passed  error      // what the caller is told then
	relayed bool       // that is what became of a call of the handler's
}

func (v *served) newCall(s *server) firebreak.Call {
	return firebreak.Call{Op: v.op, Request: v, Inbound: true, Exempt: s.isExempt(v.method)}
}

// serve has handler make the call, if the policies let it.
func (v *served) serve(s *server, handler firebreak.Handler) (result any, err error) {
	c := v.newCall(s)
	if v.streamed != nil {
		c.Began = &v.began
	}
	if v.stack.Tracer(v.ctx) == nil {
		return v.run(v.ctx, s, c, handler)
	}
	ctx := v.startSpan(v.ctx)
	err = firebreak.ErrNoReturn // of a handler that panics
	defer func() { v.endSpan(err) }()
	result, err = v.run(ctx, s, c, handler)
	return result, err
}

// run is serve within the span of the server.
func (v *served) run(ctx context.Context, s *server, c firebreak.Call, handler firebreak.Handler) (result any, err error) {
	if !v.deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, v.deadline)
		defer cancel()
	}
	v.ctx = ctx
	switch rejection := s.deadOnArrival(v); {
	case rejection != nil:
		if v.ticket != nil {
			v.ticket.Cancel()
		}
		err = v.stack.Reject(ctx, c, rejection)
	case v.ticket != nil:
		result, err = v.ticket.Do(ctx, c, handler)
	default:
		result, err = v.stack.Do(ctx, c, handler)
	}
	return result, v.answer(err)
}

// judge returns what the end of the handler means to the policies.
func (v *served) judge(err error) error {
	v.passed = err
	v.judged = v.meaning(err)
	return v.judged
}

func (v *served) meaning(err error) error {
	switch gone := v.gone(); {
	case gone == nil && err == nil:
		return nil
	case gone == nil:
	case errors.Is(gone, context.Canceled):
		if err == nil {
			err = gone
		}
		return attempt(err, firebreak.Ignored, 0) // it says nothing of what the handler does for others
	case err == nil || isContextEnd(err): // what it did came too late
		v.passed = withStatus(gone, incoming)
		return attempt(gone, firebreak.Failure, 0)
	}
	if s, ok := relayed(err); ok {
		v.relayed = true
		v.passed = &statusError{err: err, code: s.Code(), told: s, side: incoming}
		class := firebreak.Classify(err)
		if isNotMade(status.Convert(err)) {
			class = firebreak.Ignored
		}
		return attempt(v.passed, class, 0)
	}
	s, ok := status.FromError(err)
	if !ok {
		return err
	}
	class, after := classOf(s)
	return attempt(err, class, after)
}

// atOnce is how far the end of a caller's deadline and the news of it may be apart, or a
// tenth of the time that the caller had.
const atOnce = 10 * time.Millisecond

// gone returns with what the caller has gone, or nil. A caller whose deadline passes
// cancels the call, and the news of that may come before the deadline of this side.
func (v *served) gone() error {
	err := ctxerr.Of(v.ctx)
	if errors.Is(err, context.Canceled) {
		if at, ok := v.ctx.Deadline(); ok && time.Until(at) < min(atOnce, v.left/10) {
			return context.DeadlineExceeded
		}
	}
	return err
}

// isContextEnd reports whether err is how code ends whose context is done.
func isContextEnd(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || status.Code(err) == codes.Canceled {
		return true
	}
	t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && t.Timeout()
}

func attempt(err error, class firebreak.Class, after time.Duration) error {
	return &firebreak.AttemptError{Err: err, Class: class, Repeat: firebreak.RepeatNever, RetryAfter: after}
}

// classOf returns what the status of a handler means to the policies.
func classOf(s *status.Status) (class firebreak.Class, after time.Duration) {
	switch s.Code() {
	case codes.ResourceExhausted, codes.Unavailable:
		if d, ok := hintOf(s); ok {
			return firebreak.Overload, d
		}
		if s.Code() == codes.Unavailable {
			return firebreak.Failure, 0
		}
		return firebreak.Success, 0
	case codes.Unknown, codes.Internal, codes.DataLoss, codes.DeadlineExceeded:
		return firebreak.Failure, 0
	case codes.Canceled:
		return firebreak.Ignored, 0
	default:
		return firebreak.Success, 0
	}
}

// ContextOf returns the context of a call as it came in to a server, with its metadata
// and its peer, for the key function of a [firebreak.Keyed]; nil for any other call.
func ContextOf(c firebreak.Call) context.Context {
	if v, ok := c.Request.(*served); ok {
		return v.ctx
	}
	return nil
}
