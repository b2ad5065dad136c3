package withgrpc_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	health "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/examples/withgrpc"
	"github.com/firebreak-go/firebreak/shed"
	"github.com/firebreak-go/firebreak/timeout"
)

// service is gRPC's health service, which needs no code generated here, with methods
// that do what a test wants.
type service struct {
	health.UnimplementedHealthServer

	check func(context.Context) (*health.HealthCheckResponse, error)
	watch func(health.Health_WatchServer) error
}

func (s service) Check(ctx context.Context, _ *health.HealthCheckRequest) (*health.HealthCheckResponse, error) {
	return s.check(ctx)
}

func (s service) Watch(_ *health.HealthCheckRequest, stream health.Health_WatchServer) error {
	return s.watch(stream)
}

// serve serves s through stack on a port of 127.0.0.1, and returns a client. wrap, if
// not nil, goes around the handler.
func serve(t *testing.T, s service, stack *firebreak.Stack, wrap func(http.Handler) http.Handler) health.HealthClient {
	t.Helper()
	calls := grpc.NewServer()
	health.RegisterHealthServer(calls, s)
	server := withgrpc.Server(calls, stack)
	if wrap != nil {
		server.Handler = wrap(server.Handler)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///"+listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		server.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("server ended with %v, want %v", err, http.ErrServerClosed)
		}
	})
	return health.NewHealthClient(conn)
}

func newStack(policies ...firebreak.Policy) *firebreak.Stack {
	return firebreak.New("calls", append(policies, timeout.New(10*time.Second))...)
}

// "status is in trailers": it arrives as the handler gave it, with its details and the
// trailers beside it.
func TestA8_154_StatusArrivesIntact(t *testing.T) {
	for _, code := range []codes.Code{codes.FailedPrecondition, codes.Internal, codes.Unavailable, codes.ResourceExhausted, codes.NotFound} {
		want, err := status.New(code, "it's not me: größer ≠ kleiner").
			WithDetails(&health.HealthCheckResponse{Status: health.HealthCheckResponse_NOT_SERVING})
		if err != nil {
			t.Fatal(err)
		}
		client := serve(t, service{check: func(ctx context.Context) (*health.HealthCheckResponse, error) {
			if err := grpc.SetTrailer(ctx, metadata.Pairs("found", "nothing")); err != nil {
				t.Error(err)
			}
			return nil, want.Err()
		}}, newStack(shed.New(shed.Config{})), nil)
		var trailer metadata.MD
		_, err = client.Check(t.Context(), nil, grpc.Trailer(&trailer))
		if d := cmp.Diff(want.Proto(), status.Convert(err).Proto(), protocmp.Transform()); d != "" {
			t.Errorf("%v: status (-want +got):\n%s", code, d)
		}
		if got := trailer.Get("found"); len(got) != 1 || got[0] != "nothing" {
			t.Errorf("%v: trailer found: got %q, want nothing", code, got)
		}
	}
}

// "The writer must stay a Flusher": the client has each message before the handler goes
// on to the next.
func TestA8_154_StreamsMessageByMessage(t *testing.T) {
	const messages = 5
	received := make(chan struct{})
	client := serve(t, service{watch: func(stream health.Health_WatchServer) error {
		for i := range messages {
			err := stream.Send(&health.HealthCheckResponse{Status: health.HealthCheckResponse_ServingStatus(i % 3)})
			if err != nil {
				return err
			}
			select {
			case <-received:
			case <-stream.Context().Done():
				return stream.Context().Err()
			}
		}
		return status.Error(codes.OutOfRange, "no more")
	}}, newStack(shed.New(shed.Config{}), bulkhead.New(bulkhead.Config{MaxCalls: 1})), nil)
	stream, err := client.Watch(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range messages {
		got, err := stream.Recv()
		if err != nil {
			t.Fatalf("message %d: got %v", i+1, err)
		}
		if want := health.HealthCheckResponse_ServingStatus(i % 3); got.GetStatus() != want {
			t.Errorf("message %d: got %v, want %v", i+1, got.GetStatus(), want)
		}
		received <- struct{}{}
	}
	if _, err := stream.Recv(); status.Code(err) != codes.OutOfRange || errors.Is(err, io.EOF) {
		t.Errorf("end of the stream: got %v, want %v", err, codes.OutOfRange)
	}
}

// The other way round, so that the test above is known to test something: "wrapper
// without Flusher breaks gRPC outright".
func TestA8_154_WithoutFlusherNothingArrives(t *testing.T) {
	hide := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(struct{ http.ResponseWriter }{w}, r)
		})
	}
	client := serve(t, service{check: func(context.Context) (*health.HealthCheckResponse, error) {
		return &health.HealthCheckResponse{}, nil
	}}, newStack(), hide)
	if _, err := client.Check(t.Context(), nil); status.Code(err) != codes.Unknown {
		t.Errorf("got %v, want %v", err, codes.Unknown)
	}
}

// "the HTTP layer may only shed": a call that it refuses is UNAVAILABLE to the client,
// and the handler does not run.
func TestA8_154_RefusalIsUnavailable(t *testing.T) {
	closed := shed.New(shed.Config{})
	closed.Close()
	full := bulkhead.New(bulkhead.Config{MaxCalls: 1})
	for name, tt := range map[string]struct {
		policy firebreak.Policy
		holder bool // a stream holds the only place
	}{
		"shed":     {policy: closed},
		"bulkhead": {policy: full, holder: true},
	} {
		client := serve(t, service{
			check: func(context.Context) (*health.HealthCheckResponse, error) {
				t.Errorf("%s: the handler ran", name)
				return nil, nil
			},
			watch: func(stream health.Health_WatchServer) error {
				if err := stream.Send(&health.HealthCheckResponse{}); err != nil {
					return err
				}
				<-stream.Context().Done()
				return nil
			},
		}, newStack(tt.policy), nil)
		if tt.holder {
			stream, err := client.Watch(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := stream.Recv(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := client.Check(t.Context(), nil); status.Code(err) != codes.Unavailable {
			t.Errorf("%s: got %v, want %v", name, err, codes.Unavailable)
		}
	}
}

// "HTTP breaker never opens": it sees a 200 in each of the calls that fail. What is
// known of the limit is that it holds: once it does not, the documentation is wrong.
func TestA8_154_BreakerSeesOnly200(t *testing.T) {
	stack := newStack(breaker.New(breaker.Config{}))
	client := serve(t, service{check: func(context.Context) (*health.HealthCheckResponse, error) {
		return nil, status.Error(codes.Internal, "broken")
	}}, stack, nil)
	const calls = 200
	for i := range calls {
		if _, err := client.Check(t.Context(), nil); status.Code(err) != codes.Internal {
			t.Fatalf("call %d: got %v, want %v", i+1, err, codes.Internal)
		}
	}
	states := 0
	stack.Report(func(s firebreak.Status) {
		if s.State == "" {
			return
		}
		if states++; s.State != "closed" {
			t.Errorf("breaker after %d calls that failed: got %s, want closed", calls, s.State)
		}
	})
	if states != 1 {
		t.Errorf("got the state of %d breakers, want that of one", states)
	}
}
