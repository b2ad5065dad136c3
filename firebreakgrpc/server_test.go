package firebreakgrpc_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakgrpc"
	"github.com/firebreak-go/firebreak/retry"
	"github.com/firebreak-go/firebreak/shed"
	"github.com/firebreak-go/firebreak/timeout"
)

// All that is wrong is told when the server is made.
func TestServerProblems(t *testing.T) {
	retrying := firebreak.New("server", retry.New(retry.Config{}), timeout.New(time.Second))
	nested := firebreak.New("server", firebreak.Keyed(firebreakgrpc.ByMethod, func(string) firebreak.Policy { return firebreak.New("inner", retry.New(retry.Config{})) }))
	for _, test := range []struct {
		make func()
		want string
	}{
		{func() { firebreakgrpc.ServerOptions(nil) }, "firebreakgrpc.ServerOptions: stack is nil, want the result of firebreak.New"},
		{
			func() { firebreakgrpc.UnaryServerInterceptor(retrying) },
			"firebreakgrpc.UnaryServerInterceptor: stack retries (server: retry 3 attempts → timeout 1s): a call is served once, want retry in the Stack of its client",
		},
		{
			func() { firebreakgrpc.StreamServerInterceptor(nested) },
			"firebreakgrpc.StreamServerInterceptor: stack retries (server: timeout 30s (default) → per key (retry 3 attempts)): a call is served once, want retry in the Stack of its client",
		},
		{
			func() {
				firebreakgrpc.TapHandle(firebreak.New("server"), nil, firebreakgrpc.MinTime(0), firebreakgrpc.Trust(nil), firebreakgrpc.PriorityBy(nil),
					firebreakgrpc.Exempt(nil), firebreakgrpc.LongRunning(nil, nil))
			},
			`firebreakgrpc.TapHandle: option 1 is nil, want a ServerOption
MinTime is 0s, want more than 0
Trust: function is nil, want one
PriorityBy: function is nil, want one
Exempt: function is nil, want one
LongRunning: function is nil, want one
LongRunning: stack is nil, want the result of firebreak.New`,
		},
		{func() { firebreakgrpc.Methods() }, "firebreakgrpc.Methods: no names, want one or more"},
		{
			func() {
				firebreakgrpc.Methods("/pkg.Service/Get", "pkg.Service/Get", "/pkg.Service", "/pkg.Service/", "//Get", "/a/b/c")
			},
			`firebreakgrpc.Methods: name is "pkg.Service/Get", want "/pkg.Service/Method" or "/pkg.Service/*"
name is "/pkg.Service", want "/pkg.Service/Method" or "/pkg.Service/*"
name is "/pkg.Service/", want "/pkg.Service/Method" or "/pkg.Service/*"
name is "//Get", want "/pkg.Service/Method" or "/pkg.Service/*"
name is "/a/b/c", want "/pkg.Service/Method" or "/pkg.Service/*"`,
		},
	} {
		got := func() (text string) {
			defer func() { text = fmt.Sprint(recover()) }()
			test.make()
			return ""
		}()
		if got != test.want {
			t.Errorf("panicked with\n%s\nwant\n%s", got, test.want)
		}
	}
}

func TestMethods(t *testing.T) {
	match := firebreakgrpc.Methods("/pkg.Service/Get", "/pkg.Other/*")
	for method, want := range map[string]bool{
		"/pkg.Service/Get": true, "/pkg.Service/Put": false, "/pkg.Other/Get": true, "/pkg.Other/": true,
		"pkg.Other/Get": false, "/pkg.Other": false, "": false, "/": false, "//": false, "/pkg.Other/a/b": false,
	} {
		if got := match(method); got != want {
			t.Errorf("%q: got %t, want %t", method, got, want)
		}
	}
}

// Calls of a method that is exempt are not refused; the timeouts hold for them.
func TestServerExempt(t *testing.T) {
	for way, options := range ways {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				limiter := shed.New(shed.Config{})
				limiter.Close()
				b := &backend{get: func(ctx context.Context, _ *text) (*text, error) {
					<-ctx.Done()
					return nil, ctx.Err()
				}}
				s := serve(t, b, options(firebreak.New("server", limiter, timeout.New(time.Second)), firebreakgrpc.Exempt(firebreakgrpc.Methods(methodGet)))...)
				_, err := s.get(t.Context())
				wantCode(t, err, codes.DeadlineExceeded, "a call that is exempt")
				stream, _ := s.open(t.Context(), methodList, "hello")
				_, err = receive(stream)
				wantCode(t, err, codes.Unavailable, "another one")
			})
		})
	}
}

// What callers say of themselves counts if they are trusted; the deadline of gRPC always
// does.
func TestServerTrust(t *testing.T) {
	const own = 10 * time.Second
	for _, test := range []struct {
		md       []string
		deadline time.Duration // of the client
		trusted  firebreak.Priority
		left     time.Duration // if trusted
		leftElse time.Duration
	}{
		{nil, 0, firebreak.PriorityDefault, own, own},
		{[]string{"firebreak-priority", "critical"}, 0, firebreak.PriorityCritical, own, own},
		{[]string{"firebreak-priority", "3"}, 0, firebreak.PriorityBestEffort, own, own},
		{[]string{"firebreak-priority", "urgent"}, 0, firebreak.PriorityDegraded, own, own}, // as if it said nothing
		{[]string{"request-timeout-ms", "1500"}, 0, firebreak.PriorityDegraded, 1500 * time.Millisecond, own},
		{[]string{"x-envoy-expected-rq-timeout-ms", "250", "request-timeout-ms", "1500"}, 0, firebreak.PriorityDegraded, 250 * time.Millisecond, own},
		{[]string{"request-timeout-ms", "60000"}, 0, firebreak.PriorityDegraded, own, own},
		{[]string{"request-timeout-ms", "0", "x-envoy-expected-rq-timeout-ms", "-5"}, 0, firebreak.PriorityDegraded, own, own},
		{[]string{"request-timeout-ms", "3000"}, 2 * time.Second, firebreak.PriorityDegraded, 2 * time.Second, 2 * time.Second},
		{[]string{"request-timeout-ms", "1000"}, 2 * time.Second, firebreak.PriorityDegraded, time.Second, 2 * time.Second},
	} {
		for way, options := range ways {
			for _, trusted := range []bool{true, false} {
				synctest.Test(t, func(t *testing.T) {
					begin := time.Now()
					priority, left := firebreak.PriorityDegraded, test.leftElse // by PriorityBy
					if trusted {
						left = test.left
						if len(test.md) > 0 {
							priority = test.trusted
						}
					}
					seen := func(ctx context.Context) {
						if got := firebreak.PriorityOf(ctx); got != priority {
							t.Errorf("%s, trusted %t, %v: got the priority %v, want %v", way, trusted, test.md, got, priority)
						}
						if at, _ := ctx.Deadline(); at.Sub(begin) != left {
							t.Errorf("%s, trusted %t, %v: got a deadline after %v, want %v", way, trusted, test.md, at.Sub(begin), left)
						}
					}
					b := &backend{
						get: func(ctx context.Context, in *text) (*text, error) {
							seen(ctx)
							return in, nil
						},
						list: func(_ *text, stream grpc.ServerStream) error {
							seen(stream.Context())
							return nil
						},
					}
					trust := func(ctx context.Context, method string) bool {
						if _, ok := metadata.FromIncomingContext(ctx); !ok || method != methodGet && method != methodList {
							t.Errorf("trust was asked of %q, with metadata: %t", method, ok)
						}
						return trusted
					}
					s := serve(t, b, options(firebreak.New("server", shed.New(shed.Config{}), timeout.New(own)), firebreakgrpc.Trust(trust),
						firebreakgrpc.PriorityBy(func(context.Context, string) firebreak.Priority { return firebreak.PriorityDegraded }))...)
					ctx, cancel := metadata.AppendToOutgoingContext(t.Context(), test.md...), context.CancelFunc(func() {})
					if test.deadline > 0 {
						ctx, cancel = context.WithTimeout(ctx, test.deadline)
					}
					defer cancel()
					if _, err := s.get(ctx); err != nil {
						t.Errorf("got %v", err)
					}
					stream, err := s.open(ctx, methodList, "hello")
					if err != nil {
						t.Fatal(err)
					}
					_, _ = receive(stream)
				})
			}
		}
	}
}

// By default nobody is trusted.
func TestServerTrustsNobody(t *testing.T) {
	b := &backend{get: func(ctx context.Context, in *text) (*text, error) {
		if got := firebreak.PriorityOf(ctx); got != firebreak.PriorityDefault {
			t.Errorf("got the priority %v, want %v", got, firebreak.PriorityDefault)
		}
		return in, nil
	}}
	s := serve(t, b, options(timeout.New(time.Minute))...)
	if _, err := s.get(metadata.AppendToOutgoingContext(t.Context(), "firebreak-priority", "critical", "request-timeout-ms", "1")); err != nil {
		t.Errorf("got %v", err)
	}
}

// What is shed first is what matters least, also in the tap.
func TestServerShedsByPriority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		b := &backend{get: g.hold}
		s := serve(t, b, firebreakgrpc.ServerOptions(firebreak.New("server", shed.New(shed.Config{}), timeout.New(time.Hour)),
			firebreakgrpc.Trust(func(context.Context, string) bool { return true }))...)
		var calls sync.WaitGroup
		var refused atomic.Int64
		for range 200 { // more than there is room for, so that the queue stands
			calls.Go(func() {
				if _, err := s.get(metadata.AppendToOutgoingContext(t.Context(), "firebreak-priority", "best-effort")); err != nil {
					refused.Add(1)
				}
			})
		}
		synctest.Wait()
		if refused.Load() == 0 {
			t.Fatal("nobody was refused, want the server to be full")
		}
		time.Sleep(time.Second)
		served := make(chan error, 1)
		go func() {
			_, err := s.get(metadata.AppendToOutgoingContext(t.Context(), "firebreak-priority", "critical"))
			served <- err
		}()
		synctest.Wait()
		g.release()
		if err := <-served; err != nil {
			t.Errorf("a critical call while the others are refused: got %v", err)
		}
		calls.Wait()
	})
}

// A call that is itself a retry has its own calls not retried.
func TestServerSuppressesRetriesOfRetries(t *testing.T) {
	for attempts, want := range map[string]int{"": 3, "0": 3, "1": 1, "7": 1, "many": 3, "-1": 3} {
		tries := 0
		own := firebreak.New("dependency", retry.New(retry.Config{}))
		b := &backend{get: func(ctx context.Context, _ *text) (*text, error) {
			_, err := firebreak.Do(ctx, own, "lookup", func(context.Context) (*text, error) {
				tries++
				return nil, fmt.Errorf("try %d failed", tries)
			}, firebreak.Idempotent)
			return nil, err
		}}
		synctest.Test(t, func(t *testing.T) {
			s := serve(t, b, options(one(), timeout.New(time.Minute))...)
			ctx := t.Context()
			if attempts != "" {
				ctx = metadata.AppendToOutgoingContext(ctx, "grpc-previous-rpc-attempts", attempts)
			}
			_, err := s.get(ctx)
			wantCode(t, err, codes.Unknown, "the call")
		})
		if tries != want {
			t.Errorf("after %q attempts: %d tries, want %d", attempts, tries, want)
		}
	}
}

// A policy can tell callers and methods apart.
func TestServerKeys(t *testing.T) {
	tenant := func(c firebreak.Call) string {
		if tenants := metadata.ValueFromIncomingContext(firebreakgrpc.ContextOf(c), "tenant"); len(tenants) > 0 {
			return tenants[0]
		}
		return ""
	}
	if ctx := firebreakgrpc.ContextOf(firebreak.Call{}); ctx != nil {
		t.Errorf("the context of another call is %v, want none", ctx)
	}
	perTenant := firebreak.Keyed(tenant, func(string) firebreak.Policy { return shed.Rate(1e-6, 1) })
	perMethod := firebreak.Keyed(firebreakgrpc.ByMethod, func(string) firebreak.Policy { return bulkhead.New(bulkhead.Config{}) })
	s := serve(t, new(backend), options(perTenant, perMethod, timeout.New(time.Minute))...)
	for _, name := range []string{"one", "two", "three"} {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "tenant", name)
		if _, err := s.get(ctx); err != nil {
			t.Errorf("the first call of %s: got %v", name, err)
		}
		_, err := s.get(ctx)
		wantCode(t, err, codes.ResourceExhausted, "the second call of "+name)
	}
	if tenants, methods := perTenant.Len(), perMethod.Len(); tenants != 3 || methods != 1 {
		t.Errorf("%d tenants and %d methods, want 3 and 1", tenants, methods)
	}
}

// A policy of a user's that repeats a call does not get its handler run twice.
func TestServerRunsOnce(t *testing.T) {
	b := new(backend)
	s := serve(t, b, options(repeating{}, timeout.New(time.Minute))...)
	if _, err := s.get(t.Context()); err == nil {
		t.Error("got an answer, want the error of the second attempt")
	}
	if n := b.ran.Load(); n != 1 {
		t.Errorf("the handler ran %d times, want once", n)
	}
}

type repeating struct{}

func (repeating) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	_, _ = next(ctx, c)
	return next(ctx, c)
}
