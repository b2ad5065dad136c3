package firebreakgrpc_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/firebreakgrpc"
	"github.com/firebreak-go/firebreak/timeout"
)

// What cannot be meant panics at the start, with all problems.
func TestClientOptionsAreChecked(t *testing.T) {
	all := []firebreakgrpc.ClientOption{
		nil,
		firebreakgrpc.WithIdempotent(),
		firebreakgrpc.WithIdempotent("pkg.Service/Get", "/Get", "/pkg.Service/"),
		firebreakgrpc.IdempotentBy(nil),
		firebreakgrpc.ForMethods(nil, nil),
		firebreakgrpc.RetryCodes(codes.OK, codes.Aborted, 17),
		firebreakgrpc.Propagator(nil),
	}
	const want = `: stack is nil, want the result of firebreak.New
option 1 is nil, want a ClientOption
WithIdempotent: no names, want one or more
WithIdempotent: name is "pkg.Service/Get", want "/pkg.Service/Method" or "/pkg.Service/*"
name is "/Get", want "/pkg.Service/Method" or "/pkg.Service/*"
name is "/pkg.Service/", want "/pkg.Service/Method" or "/pkg.Service/*"
IdempotentBy: function is nil, want one
ForMethods: function is nil, want one
ForMethods: stack is nil, want the result of firebreak.New
RetryCodes: code is OK, want one of the codes of gRPC but OK
RetryCodes: code is Code(17), want one of the codes of gRPC but OK
Propagator: propagator is nil, want one`
	for name, construct := range map[string]func(){
		"DialOptions":             func() { firebreakgrpc.DialOptions(nil, all...) },
		"UnaryClientInterceptor":  func() { firebreakgrpc.UnaryClientInterceptor(nil, all...) },
		"StreamClientInterceptor": func() { firebreakgrpc.StreamClientInterceptor(nil, all...) },
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); got != "firebreakgrpc."+name+want {
					t.Errorf("%s panicked with\n%s\nwant\n%s", name, got, "firebreakgrpc."+name+want)
				}
			}()
			construct()
		}()
	}
}

// A feed has a Stack of its own, and outlives the timeout of all other calls.
func TestForMethods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shop{
			unary: func(v visit, in *value) (*value, error) { <-v.ctx.Done(); return in, v.ctx.Err() },
			stream: func(_ visit, stream grpc.ServerStream) error {
				if err := tell(stream, "one"); err != nil {
					return err
				}
				time.Sleep(time.Hour)
				return tell(stream, "two")
			},
		}
		feeds, first := new(recorder), new(recorder)
		conn := s.serve(t, firebreakgrpc.DialOptions(firebreak.New("shop", timeout.New(5*time.Second)),
			firebreakgrpc.ForMethods(firebreakgrpc.Methods("/test.Shop/Feed", "/test.Other/*"), firebreak.New("feeds", feeds, timeout.Unbounded("it is a feed"))),
			firebreakgrpc.ForMethods(func(method string) bool { return strings.HasPrefix(method, "/test.Shop/F") }, firebreak.New("first", first)),
		)...)
		stream, err := open(t.Context(), conn, feed)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := read(stream); err != nil || len(got) != 2 {
			t.Errorf("the feed brought %v and %v, want two messages", got, err)
		}
		_, err = ask(t.Context(), conn, lookup)
		if wantStatus(t, err, codes.DeadlineExceeded); !strings.HasPrefix(err.Error(), "timeout: call took over 5s") {
			t.Errorf("another call ended with %v, want the timeout of 5s", err)
		}
		feeds.wantClasses(t, firebreak.Success)
		first.wantClasses(t)
	})
}

// What policies know of a call.
func TestCall(t *testing.T) {
	r := new(recorder)
	conn := new(shop).serve(t, through(r)...)
	for _, method := range []string{lookup, buy} {
		if _, err := ask(t.Context(), conn, method); err != nil {
			t.Fatal(err)
		}
	}
	for _, method := range []string{feed, orders, stock, haggle} {
		stream, err := open(t.Context(), conn, method)
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.CloseSend(); err != nil {
			t.Fatal(err)
		}
		if _, err := read(stream); err != nil {
			t.Fatal(err)
		}
	}
	calls, _ := r.seen()
	for i, want := range []firebreak.Call{
		{Op: lookup, Idempotent: true}, {Op: buy},
		{Op: feed, Idempotent: true, Streams: true}, {Op: orders, Streams: true}, {Op: stock, Streams: true}, {Op: haggle, Streams: true},
	} {
		c := calls[i]
		if c.Op != want.Op || c.Idempotent != want.Idempotent || c.Streams != want.Streams || c.Target != "shop" || c.Inbound {
			t.Errorf("call %d is %q to %q, idempotent: %t, streams: %t; want %+v to shop", i+1, c.Op, c.Target, c.Idempotent, c.Streams, want)
		}
	}
}

// A policy that puts its own in place of the request is told so, not taken for a failure of
// the dependency.
func TestChangedRequest(t *testing.T) {
	changing := policyFunc(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
		c.Request = "mine"
		return next(ctx, c)
	})
	conn := new(shop).serve(t, through(changing)...)
	for _, call := range []func() error{
		func() error { _, err := ask(t.Context(), conn, lookup); return err },
		func() error { _, err := open(t.Context(), conn, feed); return err },
		func() error { _, err := open(t.Context(), conn, haggle); return err },
	} {
		func() {
			defer func() {
				if got, want := fmt.Sprint(recover()), "firebreakgrpc: a policy changed Call.Request to a string"; got != want {
					t.Errorf("panicked with %q, want %q", got, want)
				}
			}()
			t.Errorf("the call ended with %v", call())
		}()
	}
}

// A policy of the user's may answer with a stream of its own; what is none is an error.
func TestStreamOfAPolicy(t *testing.T) {
	for _, method := range []string{feed, haggle} {
		for _, answer := range []any{&cannedStream{left: 2}, "none", nil} {
			fallback := policyFunc(func(ctx context.Context, _ firebreak.Call, _ firebreak.Handler) (any, error) {
				if s, ok := answer.(*cannedStream); ok {
					s.ctx = ctx
				}
				return answer, nil
			})
			var finished []error
			conn := new(shop).serve(t, through(fallback)...)
			stream, err := open(t.Context(), conn, method, grpc.OnFinish(func(err error) { finished = append(finished, err) }))
			if _, ok := answer.(*cannedStream); !ok {
				wantStatus(t, err, codes.Internal)
				if len(finished) != 1 || status.Code(finished[0]) != codes.Internal {
					t.Errorf("OnFinish ran with %v, want once with the error", finished)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if md, err := stream.Header(); md != nil || err != nil || stream.Trailer() != nil || stream.Context() == nil {
				t.Errorf("header %v (%v), trailer %v, context %v; want those of the policy's", md, err, stream.Trailer(), stream.Context())
			}
			if got, err := read(stream); err != nil || len(got) != 2 {
				t.Errorf("%d messages and %v, want the two of the policy", len(got), err)
			}
		}
	}
}

// A failure that a policy of the user's has wrapped still says what it was.
func TestWrappedByAPolicy(t *testing.T) {
	wrapping := policyFunc(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
		result, err := next(ctx, c)
		if err != nil {
			err = fmt.Errorf("shop: %w", err)
		}
		return result, err
	})
	s := &shop{unary: failing(9, status.Error(codes.NotFound, "no penguin"))}
	_, err := ask(t.Context(), s.serve(t, through(wrapping)...), lookup)
	wantStatus(t, err, codes.NotFound)
	if !strings.HasPrefix(err.Error(), "shop: ") {
		t.Errorf("got %q, want it wrapped", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = ask(ctx, s.serve(t, through(wrapping)...), lookup)
	if wantStatus(t, err, codes.Canceled); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}
