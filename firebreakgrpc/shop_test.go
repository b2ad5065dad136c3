package firebreakgrpc_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/firebreakgrpc"
	"github.com/firebreak-go/firebreak/retry"
	"github.com/firebreak-go/firebreak/timeout"
)

// Methods of a shop. Their descriptor says that all are idempotent but Buy and Orders.
const (
	lookup   = "/test.Shop/Lookup"   // unary, NO_SIDE_EFFECTS
	setPrice = "/test.Shop/SetPrice" // unary, IDEMPOTENT
	buy      = "/test.Shop/Buy"      // unary
	feed     = "/test.Shop/Feed"     // the server streams, NO_SIDE_EFFECTS
	orders   = "/test.Shop/Orders"   // the server streams
	stock    = "/test.Shop/Stock"    // the client streams, IDEMPOTENT
	haggle   = "/test.Shop/Haggle"   // both stream, IDEMPOTENT
)

// Registered as generated code does it.
func init() { //nolint:gochecknoinits // that is how it is done
	level := func(l descriptorpb.MethodOptions_IdempotencyLevel) *descriptorpb.MethodOptions {
		return &descriptorpb.MethodOptions{IdempotencyLevel: new(l)}
	}
	safe, idempotent := level(descriptorpb.MethodOptions_NO_SIDE_EFFECTS), level(descriptorpb.MethodOptions_IDEMPOTENT)
	method := func(name string, options *descriptorpb.MethodOptions, client, server bool) *descriptorpb.MethodDescriptorProto {
		message := new(".google.protobuf.StringValue")
		return &descriptorpb.MethodDescriptorProto{
			Name: &name, InputType: message, OutputType: message, Options: options, ClientStreaming: &client, ServerStreaming: &server,
		}
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: new("test/shop.proto"), Package: new("test"), Syntax: new("proto3"),
		Dependency: []string{"google/protobuf/wrappers.proto"},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: new("Shop"), Method: []*descriptorpb.MethodDescriptorProto{
			method("Lookup", safe, false, false), method("SetPrice", idempotent, false, false), method("Buy", nil, false, false),
			method("Feed", safe, false, true), method("Orders", nil, false, true),
			method("Stock", idempotent, true, false), method("Haggle", idempotent, true, true),
		}}},
	}, protoregistry.GlobalFiles)
	if err != nil {
		panic(err)
	}
	if err := protoregistry.GlobalFiles.RegisterFile(file); err != nil {
		panic(err)
	}
}

type value = wrapperspb.StringValue

// A visit is what a shop sees of a call.
type visit struct {
	method string
	number int // of the visits of its method, from 1 on
	ctx    context.Context
}

// header returns the metadata that came with the call.
func (v visit) header(key string) []string { return metadata.ValueFromIncomingContext(v.ctx, key) }

// A shop is a service that does what a test wants. What is nil answers with what it was
// asked.
type shop struct {
	unary  func(v visit, in *value) (*value, error)
	stream func(v visit, stream grpc.ServerStream) error
	server []grpc.ServerOption

	mu     sync.Mutex // guards the fields below
	visits []visit
	open   int // calls that the shop has in hand
}

func (s *shop) enter(ctx context.Context, method string) visit {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := visit{method: method, number: 1, ctx: ctx}
	for _, other := range s.visits {
		if other.method == method {
			v.number++
		}
	}
	s.visits = append(s.visits, v)
	s.open++
	return v
}

func (s *shop) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
}

// seen returns the visits so far.
func (s *shop) seen() []visit {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]visit(nil), s.visits...)
}

// inHand returns how many calls the shop has in hand.
func (s *shop) inHand() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

// desc is what generated code would have for it.
func (s *shop) desc() *grpc.ServiceDesc {
	d := &grpc.ServiceDesc{ServiceName: "test.Shop", HandlerType: (*any)(nil)}
	for _, name := range []string{"Lookup", "SetPrice", "Buy"} {
		handle := func(ctx context.Context, in any) (any, error) {
			v := s.enter(ctx, "/test.Shop/"+name)
			defer s.leave()
			if s.unary == nil {
				return in, nil
			}
			out, err := s.unary(v, in.(*value))
			if out == nil {
				return nil, err
			}
			return out, err
		}
		d.Methods = append(d.Methods, grpc.MethodDesc{MethodName: name, Handler: func(
			_ any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor,
		) (any, error) {
			in := new(value)
			if err := decode(in); err != nil {
				return nil, err
			}
			if interceptor == nil {
				return handle(ctx, in)
			}
			return interceptor(ctx, in, &grpc.UnaryServerInfo{Server: s, FullMethod: "/test.Shop/" + name}, handle)
		}})
	}
	for _, m := range []grpc.StreamDesc{
		{StreamName: "Feed", ServerStreams: true}, {StreamName: "Orders", ServerStreams: true},
		{StreamName: "Stock", ClientStreams: true}, {StreamName: "Haggle", ServerStreams: true, ClientStreams: true},
	} {
		m.Handler = func(_ any, stream grpc.ServerStream) error {
			v := s.enter(stream.Context(), "/test.Shop/"+m.StreamName)
			defer s.leave()
			if s.stream == nil {
				return echo(stream, m.ServerStreams)
			}
			return s.stream(v, stream)
		}
		d.Streams = append(d.Streams, m)
	}
	return d
}

// echo answers each message of the client's with the same, or all with the last.
func echo(stream grpc.ServerStream, each bool) error {
	last := new(value)
	for {
		m := new(value)
		switch err := stream.RecvMsg(m); {
		case errors.Is(err, io.EOF) && each:
			return nil
		case errors.Is(err, io.EOF):
			return stream.SendMsg(last)
		case err != nil:
			return err
		}
		last = m
		if each {
			if err := stream.SendMsg(m); err != nil {
				return err
			}
		}
	}
}

// tell sends the texts on a stream of the server.
func tell(stream grpc.ServerStream, texts ...string) error {
	for _, text := range texts {
		if err := stream.SendMsg(wrapperspb.String(text)); err != nil {
			return err
		}
	}
	return nil
}

// failing answers the first n visits of a method with err, and the others with what they
// were asked.
func failing(n int, err error) func(v visit, in *value) (*value, error) {
	return func(v visit, in *value) (*value, error) {
		if v.number <= n {
			return nil, err
		}
		return in, nil
	}
}

// open serves s over memory, and returns a connection to it with the options.
func (s *shop) serve(t *testing.T, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	listener := bufconn.Listen(64 << 10)
	return s.serveOn(t, listener, func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }, options...)
}

// serveTCP serves s on a port of 127.0.0.1.
func (s *shop) serveTCP(t *testing.T, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return s.serveOn(t, listener, func(ctx context.Context, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", listener.Addr().String())
	}, options...)
}

func (s *shop) serveOn(
	t *testing.T, listener net.Listener, dial func(context.Context, string) (net.Conn, error), options ...grpc.DialOption,
) *grpc.ClientConn {
	t.Helper()
	server := grpc.NewServer(s.server...)
	server.RegisterService(s.desc(), s)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	conn := connect(t, dial, options...)
	t.Cleanup(func() {
		conn.Close()
		server.Stop()
		if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Errorf("the server ended with %v", err)
		}
	})
	return conn
}

// connect returns a connection to "shop", made with dial.
func connect(t *testing.T, dial func(context.Context, string) (net.Conn, error), options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///shop", append([]grpc.DialOption{
		grpc.WithContextDialer(dial), grpc.WithTransportCredentials(insecure.NewCredentials()),
	}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// refused is how a connection is made to a server that is not there.
func refused(context.Context, string) (net.Conn, error) { return nil, errors.New("connection refused") }

// through returns the options for a stack of policies with a minute for each call.
func through(policies ...firebreak.Policy) []grpc.DialOption {
	return firebreakgrpc.DialOptions(stackOf(policies...))
}

func stackOf(policies ...firebreak.Policy) *firebreak.Stack {
	return firebreak.New("shop", append([]firebreak.Policy{timeout.New(minute)}, policies...)...)
}

// atOnce returns a retry that does not wait by itself.
func atOnce() *retry.Retry {
	return retry.New(retry.Config{BaseDelay: 1, ThrottledBaseDelay: 1, Budget: retry.NewBudget(retry.BudgetConfig{Floor: 1000})})
}

// ask makes a unary call.
func ask(ctx context.Context, conn grpc.ClientConnInterface, method string, options ...grpc.CallOption) (string, error) {
	reply := new(value)
	err := conn.Invoke(ctx, method, wrapperspb.String("penguin"), reply, options...)
	return reply.GetValue(), err
}

// streams describes the methods that stream.
var streams = map[string]*grpc.StreamDesc{
	feed: {StreamName: "Feed", ServerStreams: true}, orders: {StreamName: "Orders", ServerStreams: true},
	stock: {StreamName: "Stock", ClientStreams: true}, haggle: {StreamName: "Haggle", ServerStreams: true, ClientStreams: true},
}

// watch opens a stream of the server as generated code does.
func watch(ctx context.Context, conn grpc.ClientConnInterface, method string, options ...grpc.CallOption) (grpc.ClientStream, error) {
	stream, err := conn.NewStream(ctx, streams[method], method, options...)
	if err != nil {
		return nil, err
	}
	if err := stream.SendMsg(wrapperspb.String("penguin")); err != nil {
		return nil, err
	}
	if err := stream.CloseSend(); err != nil {
		return nil, err
	}
	return stream, nil
}

// read reads stream to its end. io.EOF is no error.
func read(stream grpc.ClientStream) (texts []string, err error) {
	for {
		m := new(value)
		err := stream.RecvMsg(m)
		if errors.Is(err, io.EOF) {
			return texts, nil
		}
		if err != nil {
			return texts, err
		}
		texts = append(texts, m.GetValue())
	}
}

// wantStatus checks the code of err, and that err is nil if it is OK.
func wantStatus(t *testing.T, err error, want codes.Code) {
	t.Helper()
	if got := status.Code(err); got != want {
		t.Errorf("got %v (%v), want %v", err, got, want)
	}
}

// wantVisits checks how often method was called.
func (s *shop) wantVisits(t *testing.T, method string, want int) {
	t.Helper()
	got := 0
	for _, v := range s.seen() {
		if v.method == method {
			got++
		}
	}
	if got != want {
		t.Errorf("%s was called %d times, want %d", method, got, want)
	}
}
