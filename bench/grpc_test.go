package bench

import (
	"context"
	"net"
	"testing"

	"github.com/failsafe-go/failsafe-go"
	safebulkhead "github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/failsafegrpc"
	safetimeout "github.com/failsafe-go/failsafe-go/timeout"
	middleretry "github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/retry"
	middletimeout "github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/timeout"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakgrpc"
	"github.com/firebreak-go/firebreak/shed"
	"github.com/firebreak-go/firebreak/timeout"
)

// getUser is the method that is called.
const getUser = "/bench.Users/Get"

// A message is what it is called with, and answers with.
type message = wrapperspb.StringValue

// dialers are who takes part in the benchmarks of calls over gRPC: what a connection is
// given, and its interceptors as one.
var dialers = []struct {
	name      string
	options   func() []grpc.DialOption
	intercept func() grpc.UnaryClientInterceptor
}{
	{
		"firebreak",
		func() []grpc.DialOption {
			return firebreakgrpc.DialOptions(newFireStackOf(maxCalls).Stack, firebreakgrpc.WithIdempotent(getUser))
		},
		func() grpc.UnaryClientInterceptor {
			return firebreakgrpc.UnaryClientInterceptor(newFireStackOf(maxCalls).Stack, firebreakgrpc.WithIdempotent(getUser))
		},
	},
	{"failsafe-go", intercepted(newSafeUnary), newSafeUnary},
	{"go-grpc-middleware", intercepted(newMiddleUnary), newMiddleUnary},
	{"no policies", func() []grpc.DialOption { return nil }, func() grpc.UnaryClientInterceptor {
		return func(
			ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption,
		) error {
			return invoker(ctx, method, req, reply, cc, opts...)
		}
	}},
}

// intercepted returns options with the interceptor, and without grpc-go's own retries, as
// firebreak's are.
func intercepted(newInterceptor func() grpc.UnaryClientInterceptor) func() []grpc.DialOption {
	return func() []grpc.DialOption {
		return []grpc.DialOption{grpc.WithUnaryInterceptor(newInterceptor()), grpc.WithDisableRetry()}
	}
}

// newSafeUnary returns failsafe-go's interceptor. What differs from firebreak's:
//
//   - What its policies end has the code UNKNOWN.
//   - It repeats all calls, also those that are not idempotent, and DEADLINE_EXCEEDED and
//     RESOURCE_EXHAUSTED like UNAVAILABLE; it knows neither pushback nor RetryInfo.
//   - It has nothing for streams.
//   - Its timeout cancels: no deadline travels to the server.
func newSafeUnary() grpc.UnaryClientInterceptor {
	s := newSafeStack(maxCalls, failsafegrpc.NewRetryPolicyBuilder[*message](), func(_ *message, err error) bool { return votes(err) })
	return failsafegrpc.NewUnaryClientInterceptorWithExecutor(s.Executor)
}

// newMiddleUnary returns the interceptors of go-grpc-middleware for timeouts and retries,
// which are all that it has of the four policies. What differs from firebreak's:
//
//   - It repeats all calls, also those that are not idempotent, without a budget; it knows
//     neither pushback nor RetryInfo.
//   - It waits also where the wait does not fit into the deadline.
func newMiddleUnary() grpc.UnaryClientInterceptor {
	limit := middletimeout.UnaryClientInterceptor(callTimeout)
	retries := middleretry.UnaryClientInterceptor(
		middleretry.WithMax(maxAttempts),
		middleretry.WithBackoff(middleretry.BackoffExponentialWithJitterBounded(baseDelay, 1, maxDelay)),
		middleretry.WithCodes(codes.Unavailable),
	)
	return func(
		ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption,
	) error {
		return limit(ctx, method, req, reply, cc, func(
			ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, opts ...grpc.CallOption,
		) error {
			return retries(ctx, method, req, reply, cc, invoker, opts...)
		}, opts...)
	}
}

// invoke is an invoker that answers at once.
func invoke(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
	return nil
}

// unary makes a call through the interceptor, to a server that is not there.
func unary(ctx context.Context, i grpc.UnaryClientInterceptor, invoker grpc.UnaryInvoker, m *message) error {
	return i(ctx, getUser, m, m, nil, invoker)
}

// BenchmarkUnary is a call through timeout, retry, breaker and bulkhead, to an invoker that
// answers at once.
func BenchmarkUnary(b *testing.B) { unaryCalls(b, context.Background()) }

// BenchmarkUnaryCancelable is the same with a context that can be cancelled, as that of a
// call that is made for another one.
func BenchmarkUnaryCancelable(b *testing.B) { unaryCalls(b, b.Context()) }

func unaryCalls(b *testing.B, ctx context.Context) { //nolint:revive // a benchmark's b comes first
	b.Helper()
	contestants := make([]contestant, 0, len(dialers))
	for _, d := range dialers {
		contestants = append(contestants, contestant{d.name, func() func() func() error {
			intercept := d.intercept()
			return func() func() error {
				m := wrapperspb.String("42")
				return func() error { return unary(ctx, intercept, invoke, m) }
			}
		}})
	}
	compare(b, contestants)
}

// BenchmarkUnaryConn is a call through the same four policies to a server over a
// connection in memory.
func BenchmarkUnaryConn(b *testing.B) {
	contestants := make([]contestant, 0, len(dialers))
	for _, d := range dialers {
		contestants = append(contestants, contestant{d.name, func() func() func() error {
			conn := dial(b.Context(), nil, d.options())
			return func() func() error {
				req, reply := wrapperspb.String("42"), new(message)
				return func() error { return conn.Invoke(b.Context(), getUser, req, reply) }
			}
		}})
	}
	compare(b, contestants)
}

// dial returns a connection to a server that answers with what it is asked. Both end with
// ctx.
func dial(ctx context.Context, server []grpc.ServerOption, client []grpc.DialOption) *grpc.ClientConn {
	on := bufconn.Listen(1 << 20)
	s := grpc.NewServer(server...)
	s.RegisterService(&users, nil)
	go func() { _ = s.Serve(on) }()
	conn, err := grpc.NewClient("passthrough:///bench", append(client,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return on.DialContext(ctx) }))...)
	must(err)
	context.AfterFunc(ctx, func() {
		_ = conn.Close()
		s.Stop()
	})
	return conn
}

// users is a service as generated code describes it.
var users = grpc.ServiceDesc{
	ServiceName: "bench.Users",
	Methods: []grpc.MethodDesc{{
		MethodName: "Get",
		Handler: func(_ any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
			m := new(message)
			if err := decode(m); err != nil {
				return nil, err
			}
			if intercept == nil {
				return echo(ctx, m)
			}
			return intercept(ctx, m, &grpc.UnaryServerInfo{FullMethod: getUser}, echo)
		},
	}},
}

// echo is a handler that answers with what it is asked.
func echo(_ context.Context, req any) (any, error) { return req, nil }

// serving are who takes part in the benchmarks of calls that are served over gRPC.
var serving = []struct {
	name      string
	intercept func() grpc.UnaryServerInterceptor
}{
	{"firebreak", func() grpc.UnaryServerInterceptor {
		return firebreakgrpc.UnaryServerInterceptor(firebreak.New("bench",
			shed.New(shed.Config{}), bulkhead.New(bulkhead.Config{MaxCalls: maxCalls}), timeout.New(callTimeout)))
	}},
	// As with clients, what its policies end has the code UNKNOWN, and none says when to
	// come back; its tap handle checks, but takes no place.
	{"failsafe-go", func() grpc.UnaryServerInterceptor {
		return failsafegrpc.NewUnaryServerInterceptorWithExecutor(failsafe.With[*message](
			newSafeAdaptive[*message](), safebulkhead.New[*message](maxCalls), safetimeout.New[*message](callTimeout)))
	}},
	{"no policies", func() grpc.UnaryServerInterceptor {
		return func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
			return handler(ctx, req)
		}
	}},
}

// serve has the interceptor serve a call.
func serve(ctx context.Context, i grpc.UnaryServerInterceptor, handler grpc.UnaryHandler, m *message) error {
	_, err := i(ctx, m, &grpc.UnaryServerInfo{FullMethod: getUser}, handler)
	return err
}

// BenchmarkUnaryHandler is a call that is served through shed, bulkhead and timeout by a
// handler that answers at once. Its context can be cancelled, as that of any such call.
func BenchmarkUnaryHandler(b *testing.B) {
	contestants := make([]contestant, 0, len(serving))
	for _, s := range serving {
		contestants = append(contestants, contestant{s.name, func() func() func() error {
			intercept := s.intercept()
			return func() func() error {
				ctx, cancel := context.WithCancel(b.Context())
				context.AfterFunc(b.Context(), cancel)
				m := wrapperspb.String("42")
				return func() error { return serve(ctx, intercept, echo, m) }
			}
		}})
	}
	compare(b, contestants)
}
