package firebreakgrpc_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakgrpc"
	"github.com/firebreak-go/firebreak/shed"
	"github.com/firebreak-go/firebreak/timeout"
)

// "ServeHTTP mode has no tap: interceptor acquires itself. B: tap-only shedding: no limit
// at all behind net/http."
func TestA11_196_ServeHTTP(t *testing.T) {
	g, entered := newGate(), make(chan struct{}, 1)
	b := &backend{
		get: func(ctx context.Context, in *text) (*text, error) {
			entered <- struct{}{}
			return g.hold(ctx, in)
		},
		chat: func(stream grpc.ServerStream) error {
			entered <- struct{}{}
			<-g.open
			return status.Error(codes.NotFound, "nothing")
		},
	}
	slots := one()
	s := serveHTTP(t, b, options(slots, timeout.New(time.Minute))...)
	for _, method := range []string{methodGet, methodChat} {
		g = newGate()
		ended := make(chan error, 1)
		call := func(ctx context.Context, options ...grpc.CallOption) error {
			if method == methodGet {
				_, err := s.get(ctx, options...)
				return err
			}
			stream, err := s.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method, options...)
			if err == nil {
				_, err = receive(stream)
			}
			return err
		}
		go func() { ended <- call(t.Context()) }()
		<-entered
		for range 5 {
			var trailer metadata.MD
			err := call(t.Context(), grpc.Trailer(&trailer))
			wantCode(t, err, codes.ResourceExhausted, method)
			if after, pushed := delayOf(err), pushback(t, trailer); after != time.Second || pushed != time.Second {
				t.Errorf("%s: RetryInfo %v, pushback %v, want 1s and 1s", method, after, pushed)
			}
		}
		g.release()
		want := map[string]codes.Code{methodGet: codes.OK, methodChat: codes.NotFound}[method]
		wantCode(t, <-ended, want, method+", the call that ran")
	}
	if n := b.ran.Load(); n != 2 {
		t.Errorf("%d handlers ran, want the two that had a slot", n)
	}
}

// serveHTTP serves b behind net/http, on HTTP/2 without TLS, on a port of 127.0.0.1.
func serveHTTP(t *testing.T, b *backend, options ...grpc.ServerOption) *site {
	t.Helper()
	s := &site{server: grpc.NewServer(options...)}
	s.server.RegisterService(b.desc(), b)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: s.server, Protocols: protocols, ReadHeaderTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	s.ClientConn, err = grpc.NewClient("passthrough:///"+listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		server.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("the server ended with %v, want %v", err, http.ErrServerClosed)
		}
	})
	return s
}

// "Panics free slots and count as failure; recovery belongs outermost; never send the stack
// to the client. B: permit leak, breaker blind, stack trace to the internet."
func TestA11_200_Panics(t *testing.T) {
	for way, options := range ways {
		t.Run(way, func(t *testing.T) {
			value := &struct{ text string }{"a panic"}
			recovered := make(chan any, 100)
			catch := func(err *error) {
				if v := recover(); v != nil {
					recovered <- v
					*err = status.Error(codes.Internal, "internal")
				}
			}
			unary := func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (_ any, err error) {
				defer catch(&err)
				return next(ctx, req)
			}
			stream := func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
				defer catch(&err)
				return next(srv, ss)
			}
			b := &backend{
				get:  func(context.Context, *text) (*text, error) { panic(value) },
				list: func(*text, grpc.ServerStream) error { panic(value) },
			}
			slots, circuit := one(), breaker.New(breaker.Config{ConsecutiveFailures: 4})
			s := serve(t, b, append([]grpc.ServerOption{grpc.UnaryInterceptor(unary), grpc.StreamInterceptor(stream)},
				options(firebreak.New("server", circuit, slots, timeout.New(time.Minute)))...)...)
			for i := range 6 {
				var err error
				if i%2 == 0 {
					_, err = s.get(t.Context())
				} else {
					stream, _ := s.open(t.Context(), methodList, "hello")
					_, err = receive(stream)
				}
				want := codes.Internal
				if i >= 4 {
					want = codes.Unavailable // the breaker has seen them
				}
				wantCode(t, err, want, fmt.Sprint("call ", i+1))
				if strings.Contains(fmt.Sprint(err), "goroutine") {
					t.Errorf("the caller was sent a stack: %v", err)
				}
			}
			s.server.GracefulStop()
			wantHeld(t, slots, 0, "after the panics")
			close(recovered)
			n := 0
			for v := range recovered {
				if n++; v != any(value) {
					t.Errorf("recovered %v, want what the handler panicked with", v)
				}
			}
			if n != 4 {
				t.Errorf("%d panics reached the interceptor around, want 4", n)
			}
		})
	}
}

// A handler that ends its goroutine leaves nothing behind.
func TestA11_200_Goexit(t *testing.T) {
	slots := one()
	interceptor := firebreakgrpc.UnaryServerInterceptor(firebreak.New("server", slots, timeout.New(time.Minute)))
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = interceptor(t.Context(), new(text), &grpc.UnaryServerInfo{FullMethod: methodGet}, func(context.Context, any) (any, error) {
			runtime.Goexit()
			return nil, nil
		})
	})
	wg.Wait()
	wantHeld(t, slots, 0, "after Goexit")
}

// "Interceptor order: recovery > telemetry > shed > breaker > timeout > auth... Shedding
// before auth protects auth; then the key must not be trusted."
func TestA11_208_Order(t *testing.T) {
	for way, options := range ways {
		t.Run(way, func(t *testing.T) {
			var mu sync.Mutex
			var log []string
			note := func(who string) grpc.UnaryServerInterceptor {
				return func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
					mu.Lock()
					log = append(log, who)
					mu.Unlock()
					return next(ctx, req)
				}
			}
			limiter := shed.New(shed.Config{})
			ours := options(firebreak.New("server", limiter, timeout.New(time.Minute)))
			s := serve(t, new(backend), slices.Concat([]grpc.ServerOption{grpc.ChainUnaryInterceptor(note("telemetry"))},
				ours, []grpc.ServerOption{grpc.ChainUnaryInterceptor(note("auth"))})...)
			if _, err := s.get(t.Context()); err != nil {
				t.Fatal(err)
			}
			if want := []string{"telemetry", "auth"}; !slices.Equal(log, want) {
				t.Errorf("a call passes %v, want %v", log, want)
			}
			log = nil
			limiter.Close()
			_, err := s.get(t.Context())
			wantCode(t, err, codes.Unavailable, "a call that is refused")
			if want := map[string][]string{"tap": nil, "interceptors": {"telemetry"}}[way]; !slices.Equal(log, want) {
				t.Errorf("a call that is refused passes %v, want %v: authentication is protected", log, want)
			}
		})
	}
}

// "Method names are hostile in tap (unknown methods arrive there): never key a map by raw
// FullMethod. B: map of a million random method names. T: 10^5 random FullMethods, heap and
// map size bounded."
func TestA11_209_HostileMethods(t *testing.T) {
	events := make(map[string]int)
	var mu sync.Mutex
	cancel := firebreak.Subscribe(func(e firebreak.Event) {
		mu.Lock()
		defer mu.Unlock()
		events[e.Op]++
	})
	defer cancel()
	limit := shed.Rate(1e-9, 1) // all but one are refused, and told of
	perMethod := firebreak.Keyed(firebreakgrpc.ByMethod, func(string) firebreak.Policy { return bulkhead.New(bulkhead.Config{}) })
	stack := firebreak.New("server", limit, perMethod, timeout.New(time.Minute))
	admit, interceptor := firebreakgrpc.TapHandle(stack), firebreakgrpc.StreamServerInterceptor(firebreak.New("proxy", perMethod))
	proxy := func(any, grpc.ServerStream) error { return nil }
	random := func() string { return fmt.Sprintf("/pkg%x.Service/Method%x", rand.Uint64(), rand.Uint64()) }
	many := 100_000
	if raceEnabled {
		many /= 10 // each takes ten times as long
	}
	var before, after runtime.MemStats
	for round, n := range []int{1000, many} {
		if round == 1 {
			runtime.GC()
			runtime.ReadMemStats(&before)
		}
		for range n {
			ctx, cancel := context.WithCancel(t.Context())
			_, _ = admit(ctx, &tap.Info{FullMethodName: random()})
			// A handler for methods that are not known, as of a proxy, gets them, too.
			if err := interceptor(nil, fakeStream{ctx: ctx}, &grpc.StreamServerInfo{FullMethod: random()}, proxy); err != nil {
				t.Fatal(err)
			}
			cancel()
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
		t.Errorf("%d bytes more after %d methods, want at most 1 MiB", grown, many)
	}
	if n := perMethod.Len(); n != 1 {
		t.Errorf("%d keys, want one for all that nobody serves", n)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(events) != 1 || events["_OTHER"] == 0 {
		t.Errorf("events of %d operations, want those of _OTHER alone", len(events))
	}
}

// The same over a connection, with methods that are served beside them: those have their
// names, in the tap, too, once they were called.
func TestA11_209_KnownMethods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var ops []string
		cancel := firebreak.Subscribe(func(e firebreak.Event) {
			mu.Lock()
			defer mu.Unlock()
			ops = append(ops, e.Op)
		})
		defer cancel()
		limiter := shed.New(shed.Config{})
		s := serve(t, new(backend), options(limiter, timeout.New(time.Minute))...)
		if _, err := s.get(t.Context()); err != nil {
			t.Fatal(err)
		}
		err := s.Invoke(t.Context(), "/test.Backend/Nothing", new(text), new(text))
		wantCode(t, err, codes.Unimplemented, "a method that nobody serves")
		limiter.Close()
		for _, method := range []string{methodGet, methodList, "/test.Backend/Nothing", "/made/up"} {
			err := s.Invoke(t.Context(), method, new(text), new(text))
			wantCode(t, err, codes.Unavailable, method)
		}
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if want := []string{methodGet, "_OTHER", "_OTHER", "_OTHER"}; !slices.Equal(ops, want) {
			t.Errorf("rejections of %v, want %v", ops, want)
		}
	})
}

// fakeStream is a stream of nobody.
type fakeStream struct {
	grpc.ServerStream

	ctx context.Context
}

func (s fakeStream) Context() context.Context { return s.ctx }
