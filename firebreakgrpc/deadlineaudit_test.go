package firebreakgrpc_test

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/firebreak-go/firebreak/deadline"
	"github.com/firebreak-go/firebreak/firebreakgrpc"
)

// noKeepalive says that nobody asks whether the server is there.
var noKeepalive keepalive.ClientParameters

// unboundedCalls returns how often each operation was called without a deadline, those
// by design with a mark.
func unboundedCalls(a *deadline.Auditor) map[string]int64 {
	calls := make(map[string]int64)
	for _, s := range a.Report().Sites {
		name := s.Op
		if s.Reason != "" {
			name += " by design"
		}
		calls[name] += s.Calls
	}
	return calls
}

func inFlight(a *deadline.Auditor) (n int64) {
	for _, s := range a.Report().Sites {
		n += s.InFlight
	}
	return n
}

func callLookup(ctx context.Context, conn *grpc.ClientConn) error {
	return conn.Invoke(ctx, lookup, wrapperspb.String("a"), new(value))
}

// ready returns conn once it is ready.
func ready(t *testing.T, conn *grpc.ClientConn) *grpc.ClientConn {
	t.Helper()
	conn.Connect()
	for state := conn.GetState(); state != connectivity.Ready; state = conn.GetState() {
		if !conn.WaitForStateChange(t.Context(), state) {
			t.Fatal("the connection does not get ready")
		}
	}
	return conn
}

func TestDeadlineAuditUnary(t *testing.T) {
	a := deadline.New(deadline.Config{})
	s := new(shop)
	conn := s.serve(t, firebreakgrpc.DeadlineAuditDialOptions(a, noKeepalive)...)
	bounded, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, ctx := range []context.Context{t.Context(), bounded, t.Context()} {
		if err := callLookup(ctx, conn); err != nil {
			t.Error(err)
		}
	}
	sites := a.Report().Sites
	if len(sites) != 1 || sites[0].Calls != 2 || sites[0].InFlight != 0 || sites[0].Op != "grpc.unary" ||
		sites[0].Frames[0].Function != "callLookup" || sites[0].Targets[0].Target != lookup {
		t.Errorf("got %+v, want 2 calls of %s in callLookup", sites, lookup)
	}
}

// A timeout in the service config bounds calls and streams, though no context says so.
func TestDeadlineAuditServiceConfig(t *testing.T) {
	a := deadline.New(deadline.Config{})
	config := grpc.WithDefaultServiceConfig(`{"methodConfig": [{"name": [{"service": "test.Shop", "method": "Lookup"}, {"service": "test.Shop", "method": "Feed"}], "timeout": "60s"}]}`)
	conn := ready(t, new(shop).serve(t, append(firebreakgrpc.DeadlineAuditDialOptions(a, noKeepalive), config)...))
	if err := callLookup(t.Context(), conn); err != nil {
		t.Error(err)
	}
	if _, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true}, feed); err != nil {
		t.Error(err)
	}
	if got := unboundedCalls(a); len(got) != 0 {
		t.Errorf("got %v, want none without a deadline", got)
	}
	if err := conn.Invoke(t.Context(), buy, wrapperspb.String("a"), new(value)); err != nil {
		t.Error(err)
	}
	if got := unboundedCalls(a); got["grpc.unary"] != 1 {
		t.Errorf("got %v, want the method that the config does not name", got)
	}
}

func TestDeadlineAuditEnforces(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	s := new(shop)
	a := deadline.New(deadline.Config{Level: deadline.Enforce, DefaultDeadline: time.Minute, Logger: quiet})
	conn := ready(t, s.serve(t, firebreakgrpc.DeadlineAuditDialOptions(a, noKeepalive)...))
	if err := callLookup(t.Context(), conn); err != nil {
		t.Error(err)
	}
	if _, ok := s.seen()[0].ctx.Deadline(); !ok {
		t.Error("the server sees no deadline")
	}

	s = new(shop)
	a = deadline.New(deadline.Config{Level: deadline.Enforce, Refuse: true, Logger: quiet})
	conn = s.serve(t, firebreakgrpc.DeadlineAuditDialOptions(a, noKeepalive)...)
	if err := callLookup(t.Context(), conn); err != nil {
		t.Errorf("before it is known what bounds it: got %v", err)
	}
	err := callLookup(t.Context(), ready(t, conn))
	if !errors.Is(err, deadline.ErrNoDeadline) || status.Code(err) != codes.Internal || !strings.Contains(status.Convert(err).Message(), "callLookup") {
		t.Errorf("got %v with code %v, want ErrNoDeadline in callLookup, INTERNAL", err, status.Code(err))
	}
	if n := len(s.seen()); n != 1 {
		t.Errorf("got %d calls, want the first only", n)
	}
	stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, haggle)
	if err != nil {
		t.Fatalf("a stream is refused: %v", err)
	}
	if _, ok := stream.Context().Deadline(); ok {
		t.Error("a stream has a deadline now")
	}
}

// A stream is in flight until it is finished, however that comes.
func TestDeadlineAuditStream(t *testing.T) {
	desc := &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}
	for name, end := range map[string]func(grpc.ClientStream, context.CancelFunc) error{
		"read to the end": func(s grpc.ClientStream, _ context.CancelFunc) error {
			return errors.Join(s.CloseSend(), ignoreEOF(s.RecvMsg(new(value))))
		},
		"cancelled": func(s grpc.ClientStream, cancel context.CancelFunc) error {
			cancel()
			if err := s.RecvMsg(new(value)); status.Code(err) != codes.Canceled {
				return err
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := deadline.New(deadline.Config{})
			finished := make(chan struct{})
			conn := new(shop).serve(t, firebreakgrpc.DeadlineAuditDialOptions(a, noKeepalive)...)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			stream, err := conn.NewStream(ctx, desc, haggle, grpc.OnFinish(func(error) { close(finished) }))
			if err != nil {
				t.Fatal(err)
			}
			if got := inFlight(a); got != 1 {
				t.Errorf("got %d in flight, want 1", got)
			}
			if err := end(stream, cancel); err != nil {
				t.Error(err)
			}
			<-finished // the caller's own option still works
			if got := inFlight(a); got != 0 {
				t.Errorf("got %d in flight after the end, want 0", got)
			}
			if diff := cmp.Diff(map[string]int64{"grpc.stream": 1}, unboundedCalls(a)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func ignoreEOF(err error) error {
	if err != nil && err.Error() == "EOF" {
		return nil
	}
	return err
}

// A stream that cannot be opened is over, and one that an interceptor made ends with its
// context.
func TestDeadlineAuditStreamOfOthers(t *testing.T) {
	a := deadline.New(deadline.Config{})
	failing := func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, grpc.Streamer, ...grpc.CallOption) (grpc.ClientStream, error) {
		return nil, errors.New("no")
	}
	made := func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, grpc.Streamer, ...grpc.CallOption) (grpc.ClientStream, error) {
		return struct{ grpc.ClientStream }{}, nil
	}
	conn := new(shop).serve(t, append(firebreakgrpc.DeadlineAuditDialOptions(a, noKeepalive), grpc.WithChainStreamInterceptor(failing))...)
	if _, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true}, feed); err == nil {
		t.Error("got no error")
	}
	if got := inFlight(a); got != 0 {
		t.Errorf("got %d in flight after the failure, want 0", got)
	}
	conn = new(shop).serve(t, append(firebreakgrpc.DeadlineAuditDialOptions(a, noKeepalive), grpc.WithChainStreamInterceptor(made))...)
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, feed); err != nil {
		t.Error(err)
	}
	ended := make(chan struct{})
	context.AfterFunc(ctx, func() { close(ended) })
	cancel()
	<-ended
	for inFlight(a) != 0 { // another goroutine ends it
		runtime.Gosched()
	}
}

// With keepalive somebody notices that the server is gone: streams need no deadline.
func TestDeadlineAuditKeepalive(t *testing.T) {
	a := deadline.New(deadline.Config{})
	conn := new(shop).serve(t, firebreakgrpc.DeadlineAuditDialOptions(a, keepalive.ClientParameters{Time: 30 * time.Second})...)
	if _, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, haggle); err != nil {
		t.Fatal(err)
	}
	if err := callLookup(t.Context(), conn); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(map[string]int64{"grpc.stream by design": 1, "grpc.unary": 1}, unboundedCalls(a)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	sites := a.Report().Sites
	if got, want := sites[len(sites)-1].Reason, "keepalive finds out within 50s that the server is gone"; got != want {
		t.Errorf("got reason %q, want %q", got, want)
	}
}

// What comes in is known by its method.
func TestDeadlineAuditServer(t *testing.T) {
	a := deadline.New(deadline.Config{Level: deadline.Enforce, Refuse: true, Logger: slog.New(slog.DiscardHandler)})
	during := int64(0)
	conn := serve(t, &backend{get: func(_ context.Context, in *text) (*text, error) {
		during = inFlight(a)
		return in, nil
	}}, firebreakgrpc.DeadlineAuditServerOptions(a)...)
	bounded, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, ctx := range []context.Context{bounded, t.Context()} {
		if _, err := conn.get(ctx); err != nil {
			t.Error(err)
		}
	}
	sites := a.Report().Sites
	if len(sites) != 1 || sites[0].Op != "grpc.server" || sites[0].Calls != 1 || sites[0].Refused+sites[0].GotDeadline != 0 ||
		during != 1 || sites[0].InFlight != 0 || sites[0].Targets[0].Target != methodGet {
		t.Errorf("got %+v, %d in flight meanwhile, want one call of %s", sites, during, methodGet)
	}
}
