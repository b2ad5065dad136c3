package firebreakgrpc_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	alphapb "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakgrpc"
	"github.com/firebreak-go/firebreak/shed"
	"github.com/firebreak-go/firebreak/timeout"
)

// "Health and reflection exempt, Health.Watch and reflection streams too (long-lived). B:
// orchestrator kills an overloaded but healthy pod."
func TestA11_203_HealthAndReflectionPass(t *testing.T) {
	for way, options := range ways {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				slots, limiter := one(), shed.New(shed.Config{})
				g := newGate()
				s := serve(t, &backend{get: g.hold}, options(firebreak.New("server", limiter, slots, timeout.New(time.Second)))...)
				go func() { _, _ = s.get(t.Context()) }()
				synctest.Wait()
				limiter.Close()
				_, err := s.get(t.Context())
				wantCode(t, err, codes.Unavailable, "a call of the backend")

				client := healthpb.NewHealthClient(s)
				for range 3 {
					if got, err := client.Check(t.Context(), nil); err != nil || got.GetStatus() != healthpb.HealthCheckResponse_SERVING {
						t.Errorf("Check: got %v, %v, want it to serve", got, err)
					}
				}
				if _, err := client.List(t.Context(), nil); err != nil {
					t.Errorf("List: got %v", err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				watch, err := client.Watch(ctx, nil)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := watch.Recv(); err != nil || got.GetStatus() != healthpb.HealthCheckResponse_SERVING {
					t.Errorf("Watch: got %v, %v, want it to serve", got, err)
				}
				time.Sleep(time.Hour) // longer than any timeout
				s.health.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
				if got, err := watch.Recv(); err != nil || got.GetStatus() != healthpb.HealthCheckResponse_NOT_SERVING {
					t.Errorf("Watch after an hour: got %v, %v, want the news", got, err)
				}
				if n, _ := held(slots); n != 1 {
					t.Errorf("%d slots are taken, want that of the backend's call alone", n)
				}
				g.release()
			})
		})
	}
}

func TestA11_203_ReflectionPasses(t *testing.T) {
	limiter := shed.New(shed.Config{})
	limiter.Close()
	s := serveWith(t, func(server *grpc.Server) { reflection.Register(server) }, new(backend), options(limiter, timeout.New(time.Second))...)
	_, err := s.get(t.Context())
	wantCode(t, err, codes.Unavailable, "a call of the backend")
	stream, err := reflectionpb.NewServerReflectionClient(s).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	list := &reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}
	if err := stream.Send(list); err != nil {
		t.Fatal(err)
	}
	if got, err := stream.Recv(); err != nil || len(got.GetListServicesResponse().GetService()) < 2 {
		t.Errorf("got %v, %v, want the services", got, err)
	}
	alpha, err := alphapb.NewServerReflectionClient(s).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(alpha.CloseSend()); err != nil {
		t.Fatal(err)
	}
	if _, err := alpha.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want %v", err, io.EOF)
	}
}

// "Stream context derived, wrapped ServerStream returns it; metadata and deadline kept.
// Header/trailer set by the handler pass. B: handler sees the un-derived context: no
// deadline, no values."
func TestA11_204_StreamContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		policy := marker{"a value"}
		b := &backend{chat: func(stream grpc.ServerStream) error {
			ctx := stream.Context()
			if at, ok := ctx.Deadline(); !ok || time.Until(at) != 5*time.Second {
				t.Errorf("the deadline is in %v, %t, want that of the policy, 5s", time.Until(at), ok)
			}
			if got := ctx.Value(contextKey{}); got != "a value" {
				t.Errorf("got the value %v, want that of the policy", got)
			}
			if got := metadata.ValueFromIncomingContext(ctx, "tenant"); len(got) != 1 || got[0] != "seven" {
				t.Errorf("got the metadata %v, want those of the caller", got)
			}
			if got, ok := grpc.Method(ctx); !ok || got != methodChat {
				t.Errorf("got the method %q, want %q", got, methodChat)
			}
			if err := errors.Join(stream.SetHeader(metadata.Pairs("one", "1")), grpc.SetHeader(ctx, metadata.Pairs("two", "2"))); err != nil {
				t.Error(err)
			}
			stream.SetTrailer(metadata.Pairs("three", "3"))
			for {
				m := new(text)
				switch err := stream.RecvMsg(m); {
				case errors.Is(err, io.EOF):
					return nil
				case err != nil:
					return err
				}
				if err := stream.SendMsg(m); err != nil {
					return err
				}
			}
		}}
		s := serve(t, b, options(one(), policy, timeout.New(5*time.Second))...)
		stream, err := s.open(metadata.AppendToOutgoingContext(t.Context(), "tenant", "seven"), methodChat)
		if err != nil {
			t.Fatal(err)
		}
		for _, say := range []string{"one", "two", "three"} {
			if err := stream.SendMsg(wrapperspb.String(say)); err != nil {
				t.Fatal(err)
			}
			if got, err := receive(stream); got != say || err != nil {
				t.Errorf("got %q, %v, want %q", got, err, say)
			}
		}
		if err := stream.CloseSend(); err != nil {
			t.Fatal(err)
		}
		if _, err := receive(stream); !errors.Is(err, io.EOF) {
			t.Errorf("got %v, want %v", err, io.EOF)
		}
		header, _ := stream.Header()
		for name, got := range map[string][]string{"1": header.Get("one"), "2": header.Get("two"), "3": stream.Trailer().Get("three")} {
			if len(got) != 1 || got[0] != name {
				t.Errorf("got %v, want %q", got, name)
			}
		}
	})
}

// marker is a policy that puts a value into the context.
type marker struct{ value string }

func (m marker) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	return next(context.WithValue(ctx, contextKey{}, m.value), c)
}

// Streams that last go through a Stack of their own.
func TestLongRunning(t *testing.T) {
	for way, options := range ways {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls, streams := one(), bulkhead.New(bulkhead.Config{MaxCalls: 2})
				b := &backend{chat: func(stream grpc.ServerStream) error {
					<-stream.Context().Done()
					return stream.Context().Err()
				}}
				s := serve(t, b, options(firebreak.New("server", calls, timeout.New(time.Second)),
					firebreakgrpc.LongRunning(firebreakgrpc.Methods(methodChat), firebreak.New("streams", streams, timeout.Unbounded("they last"))))...)
				ctx, cancel := context.WithCancel(t.Context())
				for range 2 {
					if _, err := s.open(ctx, methodChat); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Hour)
				wantHeld(t, streams, 2, "after an hour")
				if _, err := s.get(t.Context()); err != nil {
					t.Errorf("a call beside the streams: got %v", err)
				}
				stream, err := s.open(t.Context(), methodChat)
				if err == nil {
					_, err = receive(stream)
				}
				wantCode(t, err, codes.ResourceExhausted, "a third stream")
				cancel()
				synctest.Wait()
				wantHeld(t, streams, 0, "at last")
			})
		})
	}
}

// "GracefulStop waits for streams for ever: pair with Stop after a grace time; slots of
// killed handlers return by defer." Nobody waits for a handler that does not return.
func TestA11_207_Shutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slots := bulkhead.New(bulkhead.Config{MaxCalls: 2})
		g, killed, cleanedUp := newGate(), make(chan struct{}), make(chan struct{})
		b := &backend{get: g.hold, chat: func(stream grpc.ServerStream) error {
			<-stream.Context().Done()
			close(killed)
			<-cleanedUp
			return stream.Context().Err()
		}}
		s := serve(t, b, options(slots, timeout.New(time.Hour))...)
		stream, err := s.open(t.Context(), methodChat)
		if err != nil {
			t.Fatal(err)
		}
		answered := make(chan error, 1)
		go func() {
			_, err := s.get(t.Context())
			answered <- err
		}()
		synctest.Wait()
		wantHeld(t, slots, 2, "before")
		begin := time.Now()
		time.AfterFunc(time.Second, g.release)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := firebreakgrpc.Shutdown(ctx, s.server); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
		}
		<-killed
		if took := time.Since(begin); took != 10*time.Second {
			t.Errorf("it took %v, want the grace time of 10s", took)
		}
		if err := <-answered; err != nil {
			t.Errorf("a call that ended in the grace time: got %v", err)
		}
		_, err = receive(stream)
		wantCode(t, err, codes.Unavailable, "the stream")
		wantHeld(t, slots, 1, "while the handler cleans up")
		close(cleanedUp)
		synctest.Wait()
		wantHeld(t, slots, 0, "after the handlers have returned")
	})
}

// A server whose calls end has stopped then.
func TestA11_207_ShutdownAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, new(backend), options(one())...)
		if _, err := s.get(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := firebreakgrpc.Shutdown(t.Context(), s.server); err != nil {
			t.Errorf("got %v, want nil", err)
		}
		_, err := s.get(t.Context())
		wantCode(t, err, codes.Unavailable, "a call to a server that has stopped")
	})
}

// How long a stream lasts says nothing of the load, nor does what it waits for its caller:
// the time until its first answer does, as far as the server took it.
func TestStreamsAreMeasuredUntilTheirAnswerBegins(t *testing.T) {
	const work = 10 * time.Millisecond
	for name, test := range map[string]struct {
		method string
		serve  func(stream grpc.ServerStream) error
	}{
		"server stream": {methodList, func(stream grpc.ServerStream) error {
			time.Sleep(work)
			for range 3 {
				if err := stream.SendMsg(wrapperspb.String("")); err != nil {
					return err
				}
				time.Sleep(time.Minute)
			}
			return nil
		}},
		"bidi stream": {methodChat, func(stream grpc.ServerStream) error {
			if err := stream.RecvMsg(new(text)); err != nil {
				return err
			}
			time.Sleep(work)
			if err := stream.SendMsg(wrapperspb.String("")); err != nil {
				return err
			}
			_ = stream.RecvMsg(new(text))
			time.Sleep(time.Minute)
			return nil
		}},
		"client stream": {methodUpload, func(stream grpc.ServerStream) error {
			for {
				time.Sleep(work / 2)
				if err := stream.RecvMsg(new(text)); err != nil {
					break
				}
			}
			return stream.SendMsg(wrapperspb.String(""))
		}},
		"without an answer": {methodUpload, func(stream grpc.ServerStream) error {
			for {
				time.Sleep(work / 2)
				if err := stream.RecvMsg(new(text)); err != nil {
					return status.Error(codes.NotFound, "nobody wants it")
				}
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				limiter := shed.New(shed.Config{})
				b := &backend{chat: test.serve, upload: test.serve, list: func(_ *text, stream grpc.ServerStream) error { return test.serve(stream) }}
				s := serve(t, b, options(limiter, timeout.Unbounded("streams"))...)
				for range 60 {
					stream, err := s.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, test.method)
					if err != nil {
						t.Fatal(err)
					}
					time.Sleep(30 * time.Second) // the caller makes up its mind
					if err := stream.SendMsg(wrapperspb.String("")); err != nil {
						t.Fatal(err)
					}
					time.Sleep(30 * time.Second)
					_ = stream.CloseSend()
					for err == nil {
						_, err = receive(stream)
					}
					synctest.Wait()
				}
				if got := limiter.Snapshot(); got.Latency != work || got.Baseline != work {
					t.Errorf("latency %v, baseline %v, want %v, which is the server's work", got.Latency, got.Baseline, work)
				}
			})
		})
	}
}
