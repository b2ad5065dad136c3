package firebreakgrpc

import (
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/propagation"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/firebreak-go/firebreak"
)

// A ClientOption changes a default of [DialOptions], [UnaryClientInterceptor] or
// [StreamClientInterceptor].
type ClientOption func(*client)

// WithIdempotent says that calls of the methods, named as for [Methods], are as good made
// twice as made once: they are made again if they fail.
func WithIdempotent(methods ...string) ClientOption {
	return func(t *client) {
		match, err := named(methods)
		if err != nil {
			t.problemf("WithIdempotent: %w", err)
		}
		t.idempotent = append(t.idempotent, match)
	}
}

// IdempotentBy has idempotent say which methods are as good called twice as called
// once, in place of the option idempotency_level in their descriptors. What
// [WithIdempotent] and [Idempotent] say holds besides.
func IdempotentBy(idempotent func(method string) bool) ClientOption {
	return func(t *client) {
		if idempotent == nil {
			t.problemf("IdempotentBy: function is nil, want one")
		}
		t.idempotentBy = idempotent
	}
}

// ForMethods has calls of the methods for which match is true ([Methods]) go through stack
// instead: a feed, which lives for longer than the timeout of all other calls. By default
// there are none; of several the first that matches counts.
func ForMethods(match func(method string) bool, stack *firebreak.Stack) ClientOption {
	return func(t *client) {
		if match == nil {
			t.problemf("ForMethods: function is nil, want one")
		}
		if stack == nil {
			t.problemf("ForMethods: stack is nil, want the result of firebreak.New")
		}
		t.stacks = append(t.stacks, methodStack{match, stack})
	}
}

// RetryCodes has calls made again that end with further codes: ABORTED, say, where that
// tells of a transaction that lost a race. The default is UNAVAILABLE; and
// RESOURCE_EXHAUSTED if the server says when to come back.
func RetryCodes(retried ...codes.Code) ClientOption {
	return func(t *client) {
		for _, code := range retried {
			if code == codes.OK || code > codes.Unauthenticated {
				t.problemf("RetryCodes: code is %v, want one of the codes of gRPC but OK", code)
				continue
			}
			t.retryCodes |= 1 << code
		}
	}
}

// Propagate has each attempt tell the server how important it is, in the metadata
// [PriorityKey]: a server that trusts the caller then sheds what matters least. It is off
// by default: a third party has no business to know. What the caller's metadata says
// there is not sent, for it may be what came in with another call.
//
// The deadline needs no option: gRPC sends it with each attempt.
func Propagate() ClientOption {
	return func(t *client) { t.propagate = true }
}

// Propagator sets what writes the trace context of each attempt into its metadata. The
// default is the global propagator; an empty composite one writes nothing. Where
// otelgrpc makes the span of the attempt, it writes its own.
func Propagator(p propagation.TextMapPropagator) ClientOption {
	return func(t *client) {
		if p == nil {
			t.problemf("Propagator: propagator is nil, want one")
		}
		t.propagator = p
	}
}

// Idempotent is an option of one call that says that it is as good made twice as made
// once: its request carries a key, say, by which the server knows it again.
func Idempotent() grpc.CallOption { return idempotentOption{} }

type idempotentOption struct{ grpc.EmptyCallOption }

// client is what the interceptors of a connection have in common.
type client struct {
	stack        *firebreak.Stack
	stacks       []methodStack // of methods that have one of their own
	idempotent   []func(method string) bool
	idempotentBy func(method string) bool      // nil for what descriptors say
	retryCodes   uint32                        // a bit each
	propagator   propagation.TextMapPropagator // nil for the global one
	propagate    bool                          // priority is sent
	watched      bool                          // there is a stats.Handler that sees the attempts
	problems     []error
}

// methodStack is the Stack of some methods.
type methodStack struct {
	match func(method string) bool
	stack *firebreak.Stack
}

func newClient(caller string, stack *firebreak.Stack, options []ClientOption) *client {
	t := &client{stack: stack}
	if stack == nil {
		t.problemf("stack is nil, want the result of firebreak.New")
	}
	for i, option := range options {
		if option == nil {
			t.problemf("option %d is nil, want a ClientOption", i+1)
			continue
		}
		option(t)
	}
	if len(t.problems) > 0 {
		panic(fmt.Errorf("firebreakgrpc.%s: %w", caller, errors.Join(t.problems...)))
	}
	return t
}

func (t *client) problemf(format string, args ...any) {
	t.problems = append(t.problems, fmt.Errorf(format, args...))
}

// DialOptions returns what has the calls of a connection go through stack:
//
//	conn, err := grpc.NewClient("dns:///payments:443", append(
//		firebreakgrpc.DialOptions(stack),
//		grpc.WithTransportCredentials(creds),
//	)...)
//
// They are the interceptors for unary calls and for streams, which share stack, and a
// stats.Handler that sees which calls have left and adds to the spans that otelgrpc
// makes. grpc-go's own retries are off, so that one layer makes calls again; what it does
// by itself with calls that never left stays. Interceptors of options further back are
// further in, and see each attempt; so should those that get a token.
//
// A call is made again if it failed, and if that is safe: the server said UNAVAILABLE, or
// RESOURCE_EXHAUSTED with the time to come back, or a timeout of an attempt ended it;
// and its method is idempotent, by its descriptor (idempotency_level NO_SIDE_EFFECTS or
// IDEMPOTENT) or by an option. Other calls are made again only if they provably never
// left. grpc-retry-pushback-ms and google.rpc.RetryInfo are heeded.
//
// A stream is a call until it has ended: so long it holds its place in a bulkhead, and so
// long the timeout of the call runs. Callers must read it to its end or cancel its
// context, as always. A timeout of an attempt bounds the time until the server's header
// or first message arrives; of streams that the client sends on, the time until they are
// open. The stream of a server that failed before that is made again as other calls are;
// what the client streams is sent once.
//
// What policies and timeouts end comes back as errors that have a status: see the top of
// this page.
//
// DialOptions panics with all problems if stack or an option is nil, or an option is not
// valid.
func DialOptions(stack *firebreak.Stack, options ...ClientOption) []grpc.DialOption {
	t := newClient("DialOptions", stack, options)
	t.watched = true
	return []grpc.DialOption{
		grpc.WithDisableRetry(),
		grpc.WithChainUnaryInterceptor(t.unary),
		grpc.WithChainStreamInterceptor(t.stream),
		grpc.WithStatsHandler(watcher{t}),
	}
}

// UnaryClientInterceptor returns the interceptor for unary calls on its own, for a
// connection that cannot take all of [DialOptions]. With it, a service config that has
// grpc-go retry multiplies the attempts: grpc.WithDisableRetry is to go with it. No call
// is taken for one that never left.
//
// It panics with all problems if stack or an option is nil, or an option is not valid.
func UnaryClientInterceptor(stack *firebreak.Stack, options ...ClientOption) grpc.UnaryClientInterceptor {
	return newClient("UnaryClientInterceptor", stack, options).unary
}

// StreamClientInterceptor returns the interceptor for streams on its own, as
// [UnaryClientInterceptor] does that for unary calls. With the same stack they share all
// that its policies know.
//
// It panics with all problems if stack or an option is nil, or an option is not valid.
func StreamClientInterceptor(stack *firebreak.Stack, options ...ClientOption) grpc.StreamClientInterceptor {
	return newClient("StreamClientInterceptor", stack, options).stream
}

// stackOf returns the Stack that calls of method go through.
func (t *client) stackOf(method string) *firebreak.Stack {
	for _, m := range t.stacks {
		if m.match(method) {
			return m.stack
		}
	}
	return t.stack
}

// call returns what policies know of a call.
func (t *client) call(cc *grpc.ClientConn, method string, opts []grpc.CallOption) firebreak.Call {
	return firebreak.Call{Op: method, Target: target(cc), Idempotent: t.isIdempotent(method, opts)}
}

// callbacks takes the functions for the end of the call out of opts, for gRPC would run
// them with each attempt. opts itself stays as it is: it is the caller's.
func callbacks(opts []grpc.CallOption) (rest []grpc.CallOption, finish []func(error)) {
	rest = opts
	for i, opt := range opts {
		f, ok := opt.(grpc.OnFinishCallOption)
		switch {
		case ok && finish == nil:
			rest = append(make([]grpc.CallOption, 0, len(opts)), opts[:i]...)
			finish = append(finish, f.OnFinish)
		case ok:
			finish = append(finish, f.OnFinish)
		case finish != nil:
			rest = append(rest, opt)
		}
	}
	return rest, finish
}

// surface returns err as the caller gets it: what a server answered as it came.
func surface(err error) error {
	if e, ok := err.(*firebreak.AttemptError); ok { //nolint:errorlint // only the outermost is ours to take off
		err = e.Err
	}
	if a, ok := err.(*answer); ok { //nolint:errorlint // only the outermost is ours to take off
		return a.error
	}
	return withStatus(err, outgoing)
}
