package firebreakgrpc_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakgrpc"
	"github.com/firebreak-go/firebreak/timeout"
)

// one returns a bulkhead with one slot and no queue.
func one() *bulkhead.Bulkhead { return bulkhead.New(bulkhead.Config{MaxCalls: 1}) }

// queueing returns a bulkhead with one slot and a queue.
func queueing() *bulkhead.Bulkhead {
	return bulkhead.New(bulkhead.Config{MaxCalls: 1, MaxQueue: 10, MaxWait: time.Minute})
}

// held returns how many slots of b are taken, and how many calls wait.
func held(b *bulkhead.Bulkhead) (inFlight, waiting int) {
	b.Report(func(s firebreak.Status) { inFlight, waiting = s.InFlight, s.Waiting })
	return inFlight, waiting
}

func wantHeld(t *testing.T, b *bulkhead.Bulkhead, want int, when string) {
	t.Helper()
	if got, waiting := held(b); got != want || waiting != 0 {
		t.Errorf("%s: %d slots are taken and %d calls wait, want %d and none", when, got, waiting, want)
	}
}

// everywhere runs a test over memory and over TCP.
func everywhere(t *testing.T, test func(t *testing.T, serve server)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) { test(t, serve) })
	t.Run("TCP", func(t *testing.T) { test(t, serveTCP) })
}

// server is serve or serveTCP.
type server func(t *testing.T, b *backend, options ...grpc.ServerOption) *site

// counting is the codec of protocol buffers, which counts what it decodes.
type counting struct {
	encoding.CodecV2

	decoded *atomic.Int64
}

func (c counting) Unmarshal(data mem.BufferSlice, v any) error {
	c.decoded.Add(1)
	return c.CodecV2.Unmarshal(data, v)
}

// "Shed before decode. Unary interceptors run after the message was received and decoded.
// R: InTapHandle for the outermost non-blocking limit. B: 5 of 5 refused requests decoded."
func TestA11_192_RefusedBeforeDecoding(t *testing.T) {
	everywhere(t, func(t *testing.T, serve server) {
		t.Helper()
		codec := counting{encoding.GetCodecV2("proto"), new(atomic.Int64)}
		g, entered := newGate(), make(chan struct{})
		b := &backend{get: func(ctx context.Context, in *text) (*text, error) {
			close(entered)
			return g.hold(ctx, in)
		}}
		s := serve(t, b, append(options(one(), timeout.New(time.Minute)), grpc.ForceServerCodecV2(codec))...)
		var calls sync.WaitGroup
		defer calls.Wait()
		defer g.release()
		calls.Go(func() { _, _ = s.get(t.Context()) })
		<-entered
		for range 5 {
			err := s.Invoke(t.Context(), methodGet, wrapperspb.String(string(make([]byte, 1<<20))), new(text))
			wantCode(t, err, codes.ResourceExhausted, "a call that is refused")
		}
		if n := codec.decoded.Load(); n != 1 {
			t.Errorf("%d requests were decoded, want that of the call that runs alone", n)
		}
	})
}

// "Tap must not block (it runs on the connection's reader goroutine). B: Max wait in tap
// stalls every RPC of the connection. T: Bulkhead with MaxWait in tap must be refused at
// construction." It cannot wait there: a call that does waits in its own goroutine, and
// others on its connection go on. So it is with a policy of the user's.
func TestA11_193_WaitsAreNotInTheTap(t *testing.T) {
	for name, policy := range map[string]func() firebreak.Policy{
		"bulkhead with MaxWait": func() firebreak.Policy { return queueing() },
		"a policy that waits":   func() firebreak.Policy { return &turnstile{turn: make(chan struct{}, 1)} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGate()
				b := &backend{get: g.hold}
				s := serve(t, b, options(policy(), timeout.New(time.Hour))...)
				for range 3 {
					go func() { _, _ = s.get(t.Context()) }()
				}
				synctest.Wait()
				if n := b.running.Load(); n != 1 {
					t.Fatalf("%d calls run, want one, with two that wait", n)
				}
				begin := time.Now()
				if _, err := healthpb.NewHealthClient(s).Check(t.Context(), nil); err != nil {
					t.Errorf("another call on the connection: got %v", err)
				}
				if waited := time.Since(begin); waited > 0 {
					t.Errorf("another call on the connection took %v, want it not to wait for others", waited)
				}
				g.release()
				synctest.Wait()
				if n := b.ran.Load(); n != 3 {
					t.Errorf("%d calls ran, want 3", n)
				}
			})
		})
	}
}

// The same over TCP, in real time: were the tap to wait, this would not end.
func TestA11_193_WaitsAreNotInTheTapTCP(t *testing.T) {
	g, entered := newGate(), make(chan struct{}, 3)
	b := &backend{get: func(ctx context.Context, in *text) (*text, error) {
		entered <- struct{}{}
		return g.hold(ctx, in)
	}}
	slots := queueing()
	s := serveTCP(t, b, options(slots, timeout.New(time.Hour))...)
	var calls sync.WaitGroup
	defer calls.Wait()
	defer g.release()
	calls.Go(func() { _, _ = s.get(t.Context()) })
	<-entered
	calls.Go(func() { _, _ = s.get(t.Context()) })
	for range 100 {
		if _, err := healthpb.NewHealthClient(s).Check(t.Context(), nil); err != nil {
			t.Fatalf("another call on the connection: got %v", err)
		}
	}
}

// turnstile is a policy of a user's, which lets in one after the other.
type turnstile struct{ turn chan struct{} }

func (p *turnstile) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	if c.Exempt {
		return next(ctx, c)
	}
	p.turn <- struct{}{}
	defer func() { <-p.turn }()
	return next(ctx, c)
}

// "Only one exists per server: offer it as a function to compose, too."
func TestA11_193_TapComposed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slots := one()
		stack := firebreak.New("server", slots, timeout.New(time.Minute))
		admit := firebreakgrpc.TapHandle(stack)
		closed := new(atomic.Bool)
		mine := func(ctx context.Context, info *tap.Info) (context.Context, error) {
			if closed.Load() {
				return ctx, status.Error(codes.PermissionDenied, "closed")
			}
			return admit(context.WithValue(ctx, contextKey{}, info.FullMethodName), info)
		}
		g := newGate()
		b := &backend{get: func(ctx context.Context, in *text) (*text, error) {
			if got := ctx.Value(contextKey{}); got != methodGet {
				t.Errorf("the handler got the value %v, want that of the tap", got)
			}
			return g.hold(ctx, in)
		}}
		s := serve(t, b, grpc.InTapHandle(mine), grpc.UnaryInterceptor(firebreakgrpc.UnaryServerInterceptor(stack)))
		go func() { _, _ = s.get(t.Context()) }()
		synctest.Wait()
		wantHeld(t, slots, 1, "while a call runs")
		_, err := s.get(t.Context())
		wantCode(t, err, codes.ResourceExhausted, "another call")
		closed.Store(true)
		_, err = s.get(t.Context())
		wantCode(t, err, codes.PermissionDenied, "a call that the other tap refuses")
		g.release()
		synctest.Wait()
		wantHeld(t, slots, 0, "at last")
	})
}

type contextKey struct{}

// "Ticket. Tap takes the slot, puts a ticket in the context; interceptor claims it (CAS)
// and releases at handler return. B: check-only tap limits nothing: 20 of 20 ran behind
// Bulkhead(1)."
func TestA11_194_TicketLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		b := &backend{get: g.hold}
		slots := one()
		s := serve(t, b, options(slots, timeout.New(time.Minute))...)
		var refused, answered atomic.Int64
		var calls sync.WaitGroup
		for range 20 {
			calls.Go(func() {
				switch _, err := s.get(t.Context()); status.Code(err) {
				case codes.OK:
					answered.Add(1)
				case codes.ResourceExhausted:
					refused.Add(1)
				default:
					t.Errorf("got %v", err)
				}
			})
		}
		synctest.Wait()
		if n := b.running.Load(); n != 1 {
			t.Errorf("%d of 20 calls run behind a bulkhead of 1, want 1", n)
		}
		g.release()
		calls.Wait()
		if answered.Load() != 1 || refused.Load() != 19 || b.ran.Load() != 1 {
			t.Errorf("%d answered, %d refused, %d ran, want 1, 19, 1", answered.Load(), refused.Load(), b.ran.Load())
		}
		wantHeld(t, slots, 0, "at last")
	})
}

// "context.AfterFunc releases unclaimed ones (unknown method, decode error, RST)": at once,
// and without counting.
func TestA11_194_UnclaimedTicketsComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slots := one()
		b := new(backend)
		s := serve(t, b, options(slots, timeout.New(time.Minute))...)
		for name, call := range map[string]func() (codes.Code, error){
			"unknown method": func() (codes.Code, error) {
				return codes.Unimplemented, s.Invoke(t.Context(), "/test.Backend/Nothing", new(text), new(text))
			},
			"unknown service": func() (codes.Code, error) {
				return codes.Unimplemented, s.Invoke(t.Context(), "/test.Nobody/Nothing", new(text), new(text))
			},
			"no method": func() (codes.Code, error) {
				return codes.Unimplemented, s.Invoke(t.Context(), "nothing", new(text), new(text))
			},
			"decode error": func() (codes.Code, error) {
				return codes.Internal, s.Invoke(t.Context(), methodGet, []byte{0xff}, new(text), grpc.ForceCodecV2(garbage{}))
			},
			"too large": func() (codes.Code, error) {
				return codes.ResourceExhausted, s.Invoke(t.Context(), methodGet, wrapperspb.String(string(make([]byte, 5<<20))), new(text))
			},
			"caller gone before it sent": func() (codes.Code, error) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				stream, err := s.NewStream(ctx, new(grpc.StreamDesc), methodGet)
				if err != nil {
					return codes.Canceled, err
				}
				synctest.Wait()
				if got, _ := held(slots); got != 1 {
					t.Errorf("%d slots are taken while a caller sends, want 1", got)
				}
				cancel()
				return codes.Canceled, stream.RecvMsg(new(text))
			},
		} {
			begin := time.Now()
			for range 3 {
				want, err := call()
				wantCode(t, err, want, name)
				synctest.Wait()
				wantHeld(t, slots, 0, name)
			}
			if took := time.Since(begin); took > 0 {
				t.Errorf("%s: it took %v, want the slot back at once", name, took)
			}
		}
		if n := b.ran.Load(); n != 0 {
			t.Errorf("%d handlers ran, want none", n)
		}
		if _, err := s.get(t.Context()); err != nil {
			t.Errorf("a call after them: got %v", err)
		}
	})
}

// garbage is a codec that sends bytes as they are.
type garbage struct{}

func (garbage) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}
func (garbage) Unmarshal(mem.BufferSlice, any) error { return errors.New("nothing to be had") }
func (garbage) Name() string                         { return "proto" }

// A caller who sends headers, and then nothing, does not hold a slot for as long as it
// likes. When its request comes after all, it is admitted again, or refused.
func TestA11_194_SlowSenders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slots := one()
		g := newGate()
		b := &backend{get: g.hold}
		s := serve(t, b, options(slots, timeout.New(time.Minute))...)
		slow := func() grpc.ClientStream {
			stream, err := s.NewStream(t.Context(), new(grpc.StreamDesc), methodGet)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			return stream
		}
		first := slow()
		_, err := s.get(t.Context())
		wantCode(t, err, codes.ResourceExhausted, "a call while another one's sender may still be fast")
		time.Sleep(time.Second)
		synctest.Wait()
		wantHeld(t, slots, 0, "after a second of silence")
		second := slow()
		go func() { _ = second.SendMsg(wrapperspb.String("second")) }()
		synctest.Wait()
		wantHeld(t, slots, 1, "while the second call runs")
		if err := first.SendMsg(wrapperspb.String("first")); err != nil {
			t.Fatal(err)
		}
		wantCode(t, first.RecvMsg(new(text)), codes.ResourceExhausted, "a request that comes when the slot is another one's")
		g.release()
		if got, err := receive(second); got != "second" || err != nil {
			t.Errorf("got %q, %v, want the answer", got, err)
		}
		third := slow()
		time.Sleep(time.Minute)
		if err := third.SendMsg(wrapperspb.String("third")); err != nil {
			t.Fatal(err)
		}
		if got, err := receive(third); got != "third" || err != nil {
			t.Errorf("a request that took a minute: got %q, %v, want the answer", got, err)
		}
		synctest.Wait()
		wantHeld(t, slots, 0, "at last")
	})
}

// "Slot until the handler returns, also when the client cancelled. B: released on
// ctx.Done: zombie handlers beyond the limit."
func TestA11_195_SlotUntilTheHandlerReturns(t *testing.T) {
	for name, call := range map[string]func(ctx context.Context, s *site) error{
		"unary": func(ctx context.Context, s *site) error { _, err := s.get(ctx); return err },
		"stream": func(ctx context.Context, s *site) error {
			stream, err := s.open(ctx, methodList, "hello")
			if err == nil {
				_, err = receive(stream)
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				slots := one()
				g := newGate()
				b := &backend{get: g.hold, list: func(in *text, stream grpc.ServerStream) error {
					_, err := g.hold(stream.Context(), in)
					return err
				}}
				s := serve(t, b, options(slots, timeout.New(time.Second))...)
				for _, end := range []func(context.Context) (context.Context, context.CancelFunc){
					func(ctx context.Context) (context.Context, context.CancelFunc) {
						ctx, cancel := context.WithCancel(ctx)
						time.AfterFunc(10*time.Millisecond, cancel)
						return ctx, cancel
					},
					func(ctx context.Context) (context.Context, context.CancelFunc) {
						return context.WithTimeout(ctx, 10*time.Millisecond)
					},
				} {
					ctx, cancel := end(t.Context())
					if err := call(ctx, s); err == nil {
						t.Error("the caller got an answer, want none")
					}
					cancel()
					synctest.Wait()
					wantHeld(t, slots, 1, "after the caller has gone")
					wantCode(t, call(t.Context(), s), codes.ResourceExhausted, "another call while the handler goes on")
					g.release()
					synctest.Wait()
					wantHeld(t, slots, 0, "after the handler has returned")
					*g = *newGate()
				}
				if n := b.running.Load(); n != 0 {
					t.Errorf("%d handlers run, want none", n)
				}
			})
		})
	}
}

// "Queue leaves on cancel. B: handler runs for a caller that left."
func TestA11_201_QueueLeavesOnCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slots := queueing()
		g := newGate()
		b := &backend{get: g.hold, chat: func(grpc.ServerStream) error { return nil }}
		s := serve(t, b, options(slots, timeout.New(time.Hour))...)
		go func() { _, _ = s.get(t.Context()) }()
		synctest.Wait()
		begin := time.Now()
		var calls sync.WaitGroup
		for i := range 4 {
			ctx, cancel := context.WithCancel(t.Context())
			if i%2 == 0 {
				ctx, cancel = context.WithTimeout(t.Context(), time.Second)
			} else {
				time.AfterFunc(time.Second, cancel)
			}
			defer cancel()
			calls.Go(func() {
				var err error
				if i < 2 {
					_, err = s.get(ctx)
				} else {
					var stream grpc.ClientStream
					if stream, err = s.open(ctx, methodChat); err == nil {
						_, err = receive(stream)
					}
				}
				want := map[bool]codes.Code{true: codes.DeadlineExceeded, false: codes.Canceled}[i%2 == 0]
				wantCode(t, err, want, fmt.Sprint("call ", i+1, " in the queue"))
			})
		}
		synctest.Wait()
		if _, waiting := held(slots); waiting != 4 {
			t.Errorf("%d calls wait, want 4", waiting)
		}
		calls.Wait()
		synctest.Wait()
		if _, waiting := held(slots); waiting != 0 || time.Since(begin) != time.Second {
			t.Errorf("%d calls wait after %v, want none after 1s", waiting, time.Since(begin))
		}
		g.release()
		synctest.Wait()
		if n := b.ran.Load(); n != 1 {
			t.Errorf("%d handlers ran, want none for those who left", n)
		}
		wantHeld(t, slots, 0, "at last")
	})
}
