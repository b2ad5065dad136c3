package firebreakgrpc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc"

	"github.com/firebreak-go/firebreak"
)

// server serves calls through a Stack.
type server struct {
	stack *firebreak.Stack

	exempt      []func(fullMethod string) bool
	longRunning []longRunning
	trusted     func(ctx context.Context, fullMethod string) bool // nil for nobody
	minTime     time.Duration
	priority    func(ctx context.Context, fullMethod string) firebreak.Priority // nil for none
	methods     methods

	problems []error // of the options
}

// longRunning are calls that go through a Stack of their own.
type longRunning struct {
	match func(fullMethod string) bool
	stack *firebreak.Stack
}

// ServerOptions returns what has a grpc.Server serve its calls through stack:
//
//	server := grpc.NewServer(firebreakgrpc.ServerOptions(stack)...)
//
// A call that a policy refuses is answered before its request is read, as far as that can
// be decided without waiting ([TapHandle]), and else by the interceptors; the handler does
// not run. The status is RESOURCE_EXHAUSTED for a limit and UNAVAILABLE for an open
// breaker or a server that closes, with the time at which to come back in a
// google.rpc.RetryInfo and, where the protocol lets it, in grpc-retry-pushback-ms.
//
// The timeouts of the Stack are in the context of the handler, with the deadline of the
// caller: the earlier counts. The handler is never cut off. It is expected to heed its
// context, and what it holds of the policies it holds until it returns, also when its
// caller has gone. A panic passes through, and counts as a failure: an interceptor that
// recovers from it belongs around these.
//
// What the handler returns reaches the caller as it is, but for one thing: where it passes
// on that firebreak has ended a call of its own to somebody else, the caller is told not
// to try again (grpc-retry-pushback-ms: -1, no RetryInfo). Policies see a failure in
// UNKNOWN, INTERNAL, UNAVAILABLE, DATA_LOSS and DEADLINE_EXCEEDED, an overload in a
// RESOURCE_EXHAUSTED or UNAVAILABLE with RetryInfo, nothing at all if the caller has gone,
// and else a success.
//
// The services grpc.health.v1.Health and grpc.reflection are never refused, and their
// streams not bounded. Other streams go through stack as unary calls do, and are cut at
// its timeout: see [LongRunning]. How long a stream takes is measured until its first
// message is sent, without what it waited for its caller.
//
// The interceptors are chained (grpc.ChainUnaryInterceptor), behind those that stand in
// front of them in the options of the server. Their order is: recovery, telemetry, these,
// then authentication and the rest, which are protected so. otelgrpc's stats handler has
// made the span of the server before; without it they make one.
//
// ServerOptions panics with all problems if stack or an option is nil or not valid, or if
// a Stack retries: no call can be served twice.
func ServerOptions(stack *firebreak.Stack, options ...ServerOption) []grpc.ServerOption {
	s := newServer("ServerOptions", stack, options)
	return []grpc.ServerOption{grpc.InTapHandle(s.tap), grpc.ChainUnaryInterceptor(s.unary), grpc.ChainStreamInterceptor(s.stream)}
}

// UnaryServerInterceptor returns the interceptor for unary calls alone: see
// [ServerOptions]. By itself it refuses calls when their requests were read and decoded;
// that is also what a grpc.Server does that serves HTTP as an http.Handler, which has no
// tap. It panics as ServerOptions does.
func UnaryServerInterceptor(stack *firebreak.Stack, options ...ServerOption) grpc.UnaryServerInterceptor {
	return newServer("UnaryServerInterceptor", stack, options).unary
}

// StreamServerInterceptor returns the interceptor for streams alone: see [ServerOptions].
// It shares what limits calls with other uses of stack. It panics as ServerOptions does.
func StreamServerInterceptor(stack *firebreak.Stack, options ...ServerOption) grpc.StreamServerInterceptor {
	return newServer("StreamServerInterceptor", stack, options).stream
}

func newServer(what string, stack *firebreak.Stack, options []ServerOption) *server {
	s := &server{stack: stack, minTime: DefaultMinTime}
	s.check("stack", stack)
	for i, option := range options {
		if option == nil {
			s.problemf("option %d is nil, want a ServerOption", i+1)
			continue
		}
		option(s)
	}
	if len(s.problems) > 0 {
		panic(fmt.Errorf("firebreakgrpc.%s: %w", what, errors.Join(s.problems...)))
	}
	return s
}

func (s *server) problemf(format string, args ...any) {
	s.problems = append(s.problems, fmt.Errorf(format, args...))
}

func (s *server) check(what string, stack *firebreak.Stack) {
	switch {
	case stack == nil:
		s.problemf("%s is nil, want the result of firebreak.New", what)
	case retries(stack.Describe()):
		s.problemf("%s retries (%s): a call is served once, want retry in the Stack of its client", what, stack)
	}
}

func retries(d firebreak.Description) bool {
	return d.Kind == firebreak.KindRetry || slices.ContainsFunc(d.Inner, retries)
}

// unary is the interceptor for unary calls.
func (s *server) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if leftAlone(info.FullMethod) {
		return handler(ctx, req)
	}
	v := s.take(ctx, info.FullMethod)
	v.op = v.server.methods.served(info.FullMethod)
	v.request, v.unary = req, handler
	return v.serve(s, runUnary) //nolint:contextcheck // it has the context
}

// stream is the interceptor for streams.
func (s *server) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if leftAlone(info.FullMethod) {
		return handler(srv, ss)
	}
	v := s.take(ss.Context(), info.FullMethod)
	v.op = otherMethod
	if srv != nil { // else it is a handler for methods that are not known, whose names anybody makes up
		v.op = v.server.methods.served(info.FullMethod)
	}
	v.srv, v.streamed, v.stream = srv, ss, handler
	result, err := v.serve(s, runStream)
	firebreak.Discard(result) // of a policy of the user's
	return err
}

func runUnary(ctx context.Context, c firebreak.Call) (any, error) {
	v, err := begin(c)
	if err != nil {
		return nil, err
	}
	reply, err := v.unary(ctx, v.request)
	return reply, v.judge(err)
}

func runStream(ctx context.Context, c firebreak.Call) (any, error) {
	v, err := begin(c)
	if err != nil {
		return nil, err
	}
	defer v.answers() // if it ends without an answer
	return nil, v.judge(v.stream(v.srv, &serverStream{ServerStream: v.streamed, ctx: ctx, served: v}))
}

// errTwice ends a second attempt of a policy of the user's.
var errTwice = errors.New("firebreakgrpc: a policy runs the handler twice")

// begin returns the call that is to be served.
func begin(c firebreak.Call) (*served, error) {
	v, ok := c.Request.(*served)
	if !ok {
		panic(fmt.Sprintf("firebreakgrpc: a policy changed Call.Request to a %T", c.Request))
	}
	if v.ran {
		return nil, &firebreak.AttemptError{Err: errTwice, Class: firebreak.Ignored, Repeat: firebreak.RepeatNever}
	}
	v.ran = true
	return v, nil
}
