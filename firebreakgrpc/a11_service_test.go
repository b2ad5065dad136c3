package firebreakgrpc_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/firebreakgrpc"
)

// Full names of the methods of a backend.
const (
	methodGet    = "/test.Backend/Get"
	methodList   = "/test.Backend/List"
	methodUpload = "/test.Backend/Upload"
	methodChat   = "/test.Backend/Chat"
)

type text = wrapperspb.StringValue

// A backend is a service whose methods do what a test wants: one that is nil answers with
// what it is asked.
type backend struct {
	get    func(ctx context.Context, in *text) (*text, error)
	list   func(in *text, stream grpc.ServerStream) error
	upload func(stream grpc.ServerStream) error
	chat   func(stream grpc.ServerStream) error

	running atomic.Int64 // handlers
	ran     atomic.Int64
}

func (b *backend) enter() {
	b.running.Add(1)
	b.ran.Add(1)
}

func (b *backend) leave() { b.running.Add(-1) }

// desc is what generated code would have for it.
func (b *backend) desc() *grpc.ServiceDesc {
	stream := func(f func(stream grpc.ServerStream) error) grpc.StreamHandler {
		return func(_ any, s grpc.ServerStream) error {
			b.enter()
			defer b.leave()
			return f(s)
		}
	}
	return &grpc.ServiceDesc{
		ServiceName: "test.Backend",
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Get", Handler: func(_ any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
			in := new(text)
			if err := decode(in); err != nil {
				return nil, err
			}
			handler := func(ctx context.Context, in any) (any, error) {
				b.enter()
				defer b.leave()
				if b.get == nil {
					return in, nil
				}
				out, err := b.get(ctx, in.(*text))
				if out == nil {
					return nil, err
				}
				return out, err
			}
			if interceptor == nil {
				return handler(ctx, in)
			}
			return interceptor(ctx, in, &grpc.UnaryServerInfo{Server: b, FullMethod: methodGet}, handler)
		}}},
		Streams: []grpc.StreamDesc{
			{StreamName: "List", ServerStreams: true, Handler: stream(func(s grpc.ServerStream) error {
				in := new(text)
				if err := s.RecvMsg(in); err != nil {
					return err
				}
				if b.list == nil {
					return s.SendMsg(in)
				}
				return b.list(in, s)
			})},
			{StreamName: "Upload", ClientStreams: true, Handler: stream(func(s grpc.ServerStream) error { return b.upload(s) })},
			{StreamName: "Chat", ServerStreams: true, ClientStreams: true, Handler: stream(func(s grpc.ServerStream) error { return b.chat(s) })},
		},
	}
}

// A site is a server that runs, and its client.
type site struct {
	*grpc.ClientConn

	server *grpc.Server
	health *health.Server
	dial   func(options ...grpc.DialOption) *grpc.ClientConn // another connection
}

// serve serves b with options, over memory.
func serve(t *testing.T, b *backend, options ...grpc.ServerOption) *site {
	t.Helper()
	return serveWith(t, nil, b, options...)
}

// serveWith serves b and what register adds.
func serveWith(t *testing.T, register func(*grpc.Server), b *backend, options ...grpc.ServerOption) *site {
	t.Helper()
	listener := bufconn.Listen(64 << 10)
	return serveOn(t, listener, func(context.Context, string) (net.Conn, error) { return listener.Dial() }, register, b, options...)
}

// serveTCP serves b on a port of 127.0.0.1.
func serveTCP(t *testing.T, b *backend, options ...grpc.ServerOption) *site {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, listener, func(ctx context.Context, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", listener.Addr().String())
	}, nil, b, options...)
}

func serveOn(t *testing.T, listener net.Listener, dialer func(context.Context, string) (net.Conn, error), register func(*grpc.Server), b *backend, options ...grpc.ServerOption) *site {
	t.Helper()
	s := &site{server: grpc.NewServer(options...), health: health.NewServer()}
	s.server.RegisterService(b.desc(), b)
	healthpb.RegisterHealthServer(s.server, s.health)
	if register != nil {
		register(s.server)
	}
	served := make(chan error, 1)
	go func() { served <- s.server.Serve(listener) }()
	t.Cleanup(func() {
		s.server.Stop()
		if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Errorf("the server ended with %v", err)
		}
	})
	s.dial = func(options ...grpc.DialOption) *grpc.ClientConn {
		conn, err := grpc.NewClient("passthrough:///server", append(options, grpc.WithContextDialer(dialer),
			grpc.WithTransportCredentials(insecure.NewCredentials()))...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	s.ClientConn = s.dial(grpc.WithDisableRetry())
	return s
}

// get makes a unary call.
func (s *site) get(ctx context.Context, options ...grpc.CallOption) (string, error) {
	out := new(text)
	err := s.Invoke(ctx, methodGet, wrapperspb.String("hello"), out, options...)
	return out.GetValue(), err
}

// open opens a stream and sends what the caller has to say.
func (s *site) open(ctx context.Context, method string, says ...string) (grpc.ClientStream, error) {
	desc := &grpc.StreamDesc{ServerStreams: method != methodUpload, ClientStreams: method != methodList}
	stream, err := s.NewStream(ctx, desc, method)
	if err != nil {
		return nil, err
	}
	for _, say := range says {
		if err := stream.SendMsg(wrapperspb.String(say)); err != nil {
			return stream, err
		}
	}
	if method == methodList {
		return stream, stream.CloseSend()
	}
	return stream, nil
}

// receive receives one message of a stream.
func receive(stream grpc.ClientStream) (string, error) {
	m := new(text)
	err := stream.RecvMsg(m)
	return m.GetValue(), err
}

// wantCode fails the test if err has another code.
func wantCode(t *testing.T, err error, want codes.Code, when string) {
	t.Helper()
	if got := status.Code(err); got != want {
		t.Errorf("%s: got %v (%v), want %v", when, got, err, want)
	}
}

// options returns those of a Stack of policies.
func options(policies ...firebreak.Policy) []grpc.ServerOption {
	return firebreakgrpc.ServerOptions(firebreak.New("server", policies...))
}

// gate is a handler that is held up.
type gate struct {
	open    chan struct{}
	release func()
}

func newGate() *gate {
	open := make(chan struct{})
	return &gate{open, sync.OnceFunc(func() { close(open) })}
}

// hold has calls wait for the gate, whatever their context says.
func (g *gate) hold(_ context.Context, in *text) (*text, error) {
	<-g.open
	return in, nil
}
