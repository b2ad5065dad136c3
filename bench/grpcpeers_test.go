package bench

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// scripted returns an invoker whose n-th answer has the n-th code, then OK; and how many
// it has given. CANCELLED is none: it hangs until the context of the call ends.
func scripted(script ...codes.Code) (invoker grpc.UnaryInvoker, sent func() int) {
	n := 0
	return func(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
		n++
		switch {
		case n > len(script):
			return nil
		case script[n-1] == codes.Canceled:
			<-ctx.Done()
			return status.FromContextError(ctx.Err()).Err()
		default:
			return status.Error(script[n-1], "no")
		}
	}, func() int { return n }
}

// The comparison says something only if all do their job.
func TestAllUnaryRetry(t *testing.T) {
	for _, d := range dialers[:3] {
		t.Run(d.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				invoker, sent := scripted(codes.Unavailable, codes.Unavailable)
				if err := unary(t.Context(), d.intercept(), invoker, wrapperspb.String("42")); err != nil || sent() != 3 {
					t.Errorf("got %v after %d attempts, want an answer after 3", err, sent())
				}
			})
		})
	}
}

func TestAllUnaryTimeOut(t *testing.T) {
	for _, d := range dialers[:3] {
		t.Run(d.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				invoker, sent := scripted(codes.Canceled, codes.Canceled, codes.Canceled)
				begin := time.Now()
				err := unary(t.Context(), d.intercept(), invoker, wrapperspb.String("42"))
				if took := time.Since(begin); err == nil || sent() != 1 || took != callTimeout {
					t.Errorf("got %v after %d attempts and %v, want an error after 1 and %v", err, sent(), took, callTimeout)
				}
			})
		})
	}
}

func TestAllUnaryOpen(t *testing.T) {
	for _, d := range dialers[:2] { // go-grpc-middleware has no breaker
		t.Run(d.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				script := make([]codes.Code, 4*minCalls)
				for i := range script {
					script[i] = codes.Internal
				}
				invoker, sent := scripted(script...)
				intercept := d.intercept()
				rejected := false
				for range 2 * minCalls {
					before := sent()
					err := unary(t.Context(), intercept, invoker, wrapperspb.String("42"))
					rejected = rejected || err != nil && sent() == before
				}
				if !rejected {
					t.Errorf("got %d attempts for %d calls, want an open breaker", sent(), 2*minCalls)
				}
			})
		})
	}
}

func TestAllCallOverAConnection(t *testing.T) {
	for _, d := range dialers {
		for _, s := range serving {
			ctx, cancel := context.WithCancel(t.Context())
			conn := dial(ctx, []grpc.ServerOption{grpc.UnaryInterceptor(s.intercept())}, d.options())
			req, reply := wrapperspb.String("42"), new(message)
			if err := conn.Invoke(ctx, getUser, req, reply); err != nil || !proto.Equal(req, reply) {
				t.Errorf("%s to %s: got %v, %v, want %v", d.name, s.name, reply, err, req)
			}
			cancel()
		}
	}
}

func TestAllServeCallsInTime(t *testing.T) {
	for _, s := range serving[:2] {
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				err := serve(t.Context(), s.intercept(), func(ctx context.Context, _ any) (any, error) {
					<-ctx.Done()
					return nil, ctx.Err()
				}, wrapperspb.String("42"))
				if took := time.Since(begin); err == nil || took != callTimeout {
					t.Errorf("got %v after %v, want an error after %v", err, took, callTimeout)
				}
			})
		})
	}
}
