package firebreakgrpc_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakgrpc"
	"github.com/firebreak-go/firebreak/timeout"
)

// retrying is a service config with which grpc-go itself makes three attempts.
const retrying = `{"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 3, "initialBackoff": "0.001s", "maxBackoff": "0.001s",
	"backoffMultiplier": 1, "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"]}}]}`

// "A client-side rejection that a server's handler returns unchanged must not tell that
// server's own callers to retry (no RetryInfo, pushback −1): a call that is retryable for us
// is not for those above us."
func TestServerDoesNotHaveItsCallersRetry(t *testing.T) {
	open := func() *firebreak.Stack {
		b := breaker.New(breaker.Config{})
		b.ForceOpen()
		return firebreak.New("payments", b)
	}
	behind := serve(t, new(backend)) // the dependency
	call := func(stack *firebreak.Stack) error {
		conn := behind.dial(firebreakgrpc.DialOptions(stack)...)
		defer conn.Close()
		return conn.Invoke(t.Context(), methodGet, new(text), new(text))
	}
	held := breaker.New(breaker.Config{ConsecutiveFailures: 1, OpenFor: time.Hour})
	_, _ = held.Do(t.Context(), firebreak.Call{}, func(context.Context, firebreak.Call) (any, error) { return nil, errors.New("down") })
	full := bulkhead.New(bulkhead.Config{MaxCalls: 1})
	if _, rejection := full.Reserve(t.Context(), firebreak.Call{}); rejection != nil {
		t.Fatal(rejection)
	}
	opened := call(firebreak.New("payments", held))
	if delayOf(opened) == 0 {
		t.Fatalf("the client's own error is %v without RetryInfo, want it to say when to come back", opened)
	}
	extended, err := status.Convert(opened).WithDetails(protoadapt.MessageV1Of(&errdetails.DebugInfo{Detail: "kept"}))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name     string
		err      error
		code     codes.Code
		attempts int64
		details  int
	}{
		{"open", call(open()), codes.Unavailable, 1, 0},
		{"open, with a hint", opened, codes.Unavailable, 1, 0},
		{"wrapped", fmt.Errorf("charge: %w", opened), codes.Unavailable, 1, 0},
		{"its status", status.Convert(opened).Err(), codes.Unavailable, 1, 0},
		{"its status, with a detail of the handler's", extended.Err(), codes.Unavailable, 1, 1},
		{"full", call(firebreak.New("payments", full)), codes.ResourceExhausted, 1, 0},
		{"a timeout", fmt.Errorf("charge: %w", &timeout.Error{After: time.Second, Scope: "call"}), codes.DeadlineExceeded, 1, 0},
		{"of another transport", &firebreak.RejectedError{Policy: "breaker", Reason: "open", Err: breaker.ErrOpen, RetryAfter: time.Second}, codes.Unavailable, 1, 0},
		{"what the handler says itself", status.Error(codes.Unavailable, "later"), codes.Unavailable, 3, 0},
	} {
		for way, options := range ways {
			seen := new(witness)
			b := &backend{
				get:  func(context.Context, *text) (*text, error) { return nil, test.err },
				list: func(*text, grpc.ServerStream) error { return test.err },
			}
			outside := make(chan error, 10)
			log := func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
				reply, err := next(ctx, req)
				outside <- err
				return reply, err
			}
			s := serve(t, b, append([]grpc.ServerOption{grpc.ChainUnaryInterceptor(log)}, options(firebreak.New("server", seen, timeout.New(time.Minute)))...)...)
			conn := s.dial(grpc.WithDefaultServiceConfig(retrying))
			for _, method := range []string{methodGet, methodList} {
				b.ran.Store(0)
				var trailer metadata.MD
				err := conn.Invoke(t.Context(), method, new(text), new(text), grpc.Trailer(&trailer))
				when := test.name + "/" + way + method
				wantCode(t, err, test.code, when)
				if n := b.ran.Load(); n != test.attempts {
					t.Errorf("%s: a caller with a retry policy made %d attempts, want %d", when, n, test.attempts)
				}
				want := time.Duration(-1)
				if test.attempts > 1 {
					want = 0
				}
				if got := pushback(t, trailer); got != want {
					t.Errorf("%s: pushback %v, want %v", when, got, want)
				}
				if got := status.Convert(err); len(got.Details()) != test.details || test.attempts == 1 && got.Message() != status.Convert(test.err).Message() {
					t.Errorf("%s: got %v, want the text of %v and %d details", when, got.Proto(), test.err, test.details)
				}
			}
			if got, rejected := <-outside, errors.Is(test.err, breaker.ErrOpen); errors.Is(got, breaker.ErrOpen) != rejected {
				t.Errorf("%s: an interceptor outside got %v, want it to match what the handler returned", test.name, got)
			}
			for _, class := range seen.classes() {
				want := firebreak.Ignored // it was not this server that failed
				if test.code == codes.DeadlineExceeded || test.attempts > 1 {
					want = firebreak.Failure
				}
				if class != want {
					t.Errorf("%s: the policies saw %v, want %v", test.name, class, want)
				}
			}
		}
	}
}
