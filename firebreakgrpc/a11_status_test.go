package firebreakgrpc_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakgrpc"
	"github.com/firebreak-go/firebreak/shed"
	"github.com/firebreak-go/firebreak/timeout"
)

// delayOf returns the delay of the RetryInfo of err, or 0.
func delayOf(err error) time.Duration {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return info.GetRetryDelay().AsDuration()
		}
	}
	return 0
}

// pushback returns what a trailer says of trying again: -1 for not to, 0 for nothing.
func pushback(t *testing.T, trailer metadata.MD) time.Duration {
	t.Helper()
	values := trailer.Get("grpc-retry-pushback-ms")
	if len(values) == 0 {
		return 0
	}
	n, err := strconv.Atoi(values[0])
	if err != nil || len(values) > 1 {
		t.Fatalf("pushback is %q, want one number", values)
	}
	if n < 0 {
		return -1
	}
	return time.Duration(n) * time.Millisecond
}

// ways are how a server may be put together: with a tap, and without.
var ways = map[string]func(stack *firebreak.Stack, options ...firebreakgrpc.ServerOption) []grpc.ServerOption{
	"tap": firebreakgrpc.ServerOptions,
	"interceptors": func(stack *firebreak.Stack, options ...firebreakgrpc.ServerOption) []grpc.ServerOption {
		return []grpc.ServerOption{
			grpc.ChainUnaryInterceptor(firebreakgrpc.UnaryServerInterceptor(stack, options...)),
			grpc.ChainStreamInterceptor(firebreakgrpc.StreamServerInterceptor(stack, options...)),
		}
	},
}

// seats is a policy of a user's that has no seat to give, and a sentinel that says nothing.
type seats struct{ reason string }

var errNoSeat = errors.New("no seat")

func (p *seats) rejection() *firebreak.RejectedError {
	return &firebreak.RejectedError{Policy: "seats", Reason: p.reason, Err: errNoSeat, Limit: 4, Usage: 4}
}

func (p *seats) Do(ctx context.Context, c firebreak.Call, _ firebreak.Handler) (any, error) {
	return nil, c.Reject(ctx, p.rejection())
}

func (p *seats) Reserve(context.Context, firebreak.Call) (firebreak.Reservation, *firebreak.RejectedError) {
	return nil, p.rejection()
}

// "Codes: full = RESOURCE_EXHAUSTED, open = UNAVAILABLE, both with RetryInfo (tap errors
// carry details since writeEarlyAbort sends grpc-status-details-bin; trailers such as
// pushback cannot be sent from tap). A plain error from tap becomes PERMISSION_DENIED."
// And of a server that closes: no RetryInfo and no pushback, for another one may have room.
func TestA11_197_Codes(t *testing.T) {
	for _, test := range []struct {
		name   string
		policy func() firebreak.Policy // in a bubble
		code   codes.Code
		text   string
		after  time.Duration // of RetryInfo
		spread bool          // after is at least that
	}{
		{"full", func() firebreak.Policy {
			b := one()
			if _, rejection := b.Reserve(context.Background(), firebreak.Call{}); rejection != nil {
				panic(rejection)
			}
			return b
		}, codes.ResourceExhausted, "bulkhead server: full (1 of 1 in use)", time.Second, false},
		{"open", func() firebreak.Policy {
			b := breaker.New(breaker.Config{ConsecutiveFailures: 1, OpenFor: 5 * time.Second})
			_, _ = b.Do(context.Background(), firebreak.Call{}, func(context.Context, firebreak.Call) (any, error) { return nil, errors.New("disk is full") })
			return b
		}, codes.Unavailable, "breaker server: open for ", 4 * time.Second, true}, // and no word of the disk
		{"rate", func() firebreak.Policy {
			limit := shed.Rate(0.25, 1)
			_, _ = limit.Do(context.Background(), firebreak.Call{}, func(context.Context, firebreak.Call) (any, error) { return "", nil })
			return limit
		}, codes.ResourceExhausted, "rate server: limit for 4s", 4 * time.Second, false},
		{"shed", func() firebreak.Policy {
			limiter := shed.New(shed.Config{})
			for limiter.Snapshot().Waiting < 64 {
				go func() {
					_, _ = limiter.Do(context.Background(), firebreak.Call{}, func(context.Context, firebreak.Call) (any, error) {
						time.Sleep(time.Second)
						return nil, nil
					})
				}()
				synctest.Wait()
			}
			return limiter
		}, codes.ResourceExhausted, "shed server: full (32 of 32 in use) for ", time.Second, true},
		{"closing", func() firebreak.Policy {
			limiter := shed.New(shed.Config{})
			limiter.Close()
			return limiter
		}, codes.Unavailable, "shed server: closing", 0, false},
		{"a policy of the user's", func() firebreak.Policy { return &seats{"taken"} }, codes.ResourceExhausted, "seats server: taken (4 of 4 in use)", time.Second, false},
	} {
		for way, options := range ways {
			t.Run(test.name+"/"+way, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := new(backend)
					s := serve(t, b, options(firebreak.New("server", test.policy(), timeout.New(time.Minute)))...)
					for _, method := range []string{methodGet, methodList} {
						var trailer metadata.MD
						var err error
						if method == methodGet {
							_, err = s.get(t.Context(), grpc.Trailer(&trailer))
						} else {
							stream, _ := s.open(t.Context(), method, "hello")
							_, err = receive(stream)
							trailer = stream.Trailer()
						}
						wantCode(t, err, test.code, method)
						if text := status.Convert(err).Message(); len(text) < len(test.text) || text[:len(test.text)] != test.text {
							t.Errorf("%s: message %q, want %q", method, text, test.text)
						}
						if strings.Contains(err.Error(), "disk") {
							t.Errorf("%s: %v tells of what went wrong inside", method, err)
						}
						after := delayOf(err)
						if after != test.after && (!test.spread || after < test.after || after > 80*time.Second) {
							t.Errorf("%s: RetryInfo %v, want %v", method, after, test.after)
						}
						want := after.Round(time.Millisecond)
						if want < after {
							want += time.Millisecond
						}
						if way == "tap" {
							want = 0
						}
						if got := pushback(t, trailer); got != want {
							t.Errorf("%s: pushback %v, want %v", method, got, want)
						}
					}
					if n := b.ran.Load(); n != 0 {
						t.Errorf("%d handlers ran, want none", n)
					}
					time.Sleep(time.Minute) // for those who hold the limiter
				})
			})
		}
	}
}

// "Timeout: DEADLINE_EXCEEDED, never Unknown; handler's deadline = min(client, policy). B:
// own error without GRPCStatus: Unknown."
func TestA11_198_Timeout(t *testing.T) {
	const policy = time.Second
	for name, heed := range map[string]func(ctx context.Context) error{
		"ctx.Err":          func(ctx context.Context) error { return ctx.Err() },
		"context.Cause":    context.Cause,
		"wrapped":          func(ctx context.Context) error { return fmt.Errorf("query: %w", ctx.Err()) },
		"a driver's error": func(context.Context) error { return driverTimeoutError{} },
	} {
		for _, client := range []time.Duration{0, 10 * time.Second, 300 * time.Millisecond} {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				want := policy
				if client > 0 {
					want = min(client, policy)
				}
				wait := func(ctx context.Context) error {
					if at, ok := ctx.Deadline(); !ok || at.Sub(begin) != want {
						t.Errorf("%s, client %v: the handler's deadline is after %v, want %v", name, client, at.Sub(begin), want)
					}
					<-ctx.Done()
					return heed(ctx)
				}
				seen := new(witness)
				b := &backend{
					get:  func(ctx context.Context, _ *text) (*text, error) { return nil, wait(ctx) },
					list: func(_ *text, stream grpc.ServerStream) error { return wait(stream.Context()) },
				}
				s := serve(t, b, options(seen, timeout.New(policy))...)
				for _, method := range []string{methodGet, methodList} {
					ctx, cancel := t.Context(), context.CancelFunc(func() {})
					if begin = time.Now(); client > 0 {
						ctx, cancel = context.WithTimeout(ctx, client)
					}
					var err error
					if method == methodGet {
						_, err = s.get(ctx)
					} else {
						stream, _ := s.open(ctx, method, "hello")
						_, err = receive(stream)
					}
					wantCode(t, err, codes.DeadlineExceeded, name+" "+method)
					if got, want := status.Convert(err).Message(), "timeout: call took over 1s"; client == 0 && got != want {
						t.Errorf("%s %s: message %q, want %q", name, method, got, want)
					}
					if took := time.Since(begin); took != want {
						t.Errorf("%s %s, client %v: it took %v, want %v", name, method, client, took, want)
					}
					cancel()
					synctest.Wait()
				}
				if got := seen.classes(); len(got) != 2 || got[0] != firebreak.Failure || got[1] != firebreak.Failure {
					t.Errorf("%s, client %v: the policies saw %v, want two failures", name, client, got)
				}
			})
		}
	}
}

// driverTimeoutError is how drivers end that time out.
type driverTimeoutError struct{}

func (driverTimeoutError) Error() string { return "i/o timeout" }
func (driverTimeoutError) Timeout() bool { return true }

// witness is a policy that writes down what the policies see.
type witness struct {
	mu   sync.Mutex // guards the field below
	seen []firebreak.Outcome
}

func (w *witness) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	result, err := next(ctx, c)
	o := c.Outcome(err)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, o)
	return result, err
}

func (w *witness) outcomes() []firebreak.Outcome {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen
}

func (w *witness) classes() (classes []firebreak.Class) {
	for _, o := range w.outcomes() {
		classes = append(classes, o.Class)
	}
	return classes
}

// "Plain ctx errors of the handler: grpc-go maps them (FromContextError) only if nobody
// wrapped them into a status before."
func TestA11_199_PlainContextErrors(t *testing.T) {
	for _, test := range []struct {
		err  error
		code codes.Code
		text string
	}{
		{context.Canceled, codes.Canceled, "context canceled"},
		{context.DeadlineExceeded, codes.DeadlineExceeded, "context deadline exceeded"},
		{fmt.Errorf("query: %w", context.DeadlineExceeded), codes.DeadlineExceeded, "query: context deadline exceeded"},
		{fmt.Errorf("query: %w", context.Canceled), codes.Canceled, "query: context canceled"},
		{errors.New("query"), codes.Unknown, "query"},
		{fmt.Errorf("get: %w", status.Error(codes.NotFound, "no such row")), codes.NotFound, "get: rpc error: code = NotFound desc = no such row"},
		{fmt.Errorf("%w: %w", status.Error(codes.Aborted, "conflict"), context.Canceled), codes.Aborted, "rpc error: code = Aborted desc = conflict: context canceled"},
	} {
		b := &backend{
			get:  func(context.Context, *text) (*text, error) { return nil, test.err },
			list: func(*text, grpc.ServerStream) error { return test.err },
		}
		s := serve(t, b, options(timeout.New(time.Minute))...)
		_, unary := s.get(t.Context())
		stream, _ := s.open(t.Context(), methodList, "hello")
		_, streamed := receive(stream)
		for _, got := range []error{unary, streamed} {
			if status.Code(got) != test.code || status.Convert(got).Message() != test.text {
				t.Errorf("%v: got %v, want %v %q", test.err, got, test.code, test.text)
			}
		}
	}
}

// "Breaker: Internal, Unknown, Unavailable, DataLoss, DeadlineExceeded fail; client's-fault
// codes succeed; client cancel ignored. B: every InvalidArgument from a bad client opens
// the server's breaker."
func TestA11_202_WhatTheBreakerSees(t *testing.T) {
	withHint := func(code codes.Code, d time.Duration) error {
		s, err := status.New(code, "later").WithDetails(protoadapt.MessageV1Of(&errdetails.RetryInfo{RetryDelay: durationpb.New(d)}))
		if err != nil {
			t.Fatal(err)
		}
		return s.Err()
	}
	for _, test := range []struct {
		err   error
		class firebreak.Class
		after time.Duration
	}{
		{nil, firebreak.Success, 0},
		{status.Error(codes.Internal, ""), firebreak.Failure, 0},
		{status.Error(codes.Unknown, ""), firebreak.Failure, 0},
		{status.Error(codes.Unavailable, ""), firebreak.Failure, 0},
		{status.Error(codes.DataLoss, ""), firebreak.Failure, 0},
		{status.Error(codes.DeadlineExceeded, ""), firebreak.Failure, 0},
		{errors.New("an error without a status"), firebreak.Failure, 0},
		{context.DeadlineExceeded, firebreak.Failure, 0},
		{status.Error(codes.InvalidArgument, ""), firebreak.Success, 0},
		{status.Error(codes.NotFound, ""), firebreak.Success, 0},
		{status.Error(codes.AlreadyExists, ""), firebreak.Success, 0},
		{status.Error(codes.PermissionDenied, ""), firebreak.Success, 0},
		{status.Error(codes.Unauthenticated, ""), firebreak.Success, 0},
		{status.Error(codes.FailedPrecondition, ""), firebreak.Success, 0},
		{status.Error(codes.Aborted, ""), firebreak.Success, 0},
		{status.Error(codes.OutOfRange, ""), firebreak.Success, 0},
		{status.Error(codes.Unimplemented, ""), firebreak.Success, 0},
		{status.Error(codes.ResourceExhausted, ""), firebreak.Success, 0},
		{fmt.Errorf("get: %w", status.Error(codes.NotFound, "")), firebreak.Success, 0},
		{status.Error(codes.Canceled, ""), firebreak.Ignored, 0},
		{context.Canceled, firebreak.Ignored, 0},
		{withHint(codes.ResourceExhausted, 3*time.Second), firebreak.Overload, 3 * time.Second},
		{withHint(codes.Unavailable, 3*time.Second), firebreak.Overload, 3 * time.Second},
		{withHint(codes.Internal, 3*time.Second), firebreak.Failure, 0},
		{withHint(codes.Unavailable, -3*time.Second), firebreak.Failure, 0},
	} {
		seen := new(witness)
		b := &backend{
			get: func(_ context.Context, in *text) (*text, error) {
				if test.err != nil {
					return nil, test.err
				}
				return in, nil
			},
			list: func(*text, grpc.ServerStream) error { return test.err },
		}
		s := serve(t, b, options(seen, timeout.New(time.Minute))...)
		_, _ = s.get(t.Context())
		stream, _ := s.open(t.Context(), methodList, "hello")
		_, _ = receive(stream)
		s.server.GracefulStop()
		got := seen.outcomes()
		if len(got) != 2 {
			t.Fatalf("%v: %d outcomes, want two", test.err, len(got))
		}
		for _, o := range got {
			if o.Class != test.class || o.RetryAfter != test.after {
				t.Errorf("%v: the policies saw %v, %v, want %v, %v", test.err, o.Class, o.RetryAfter, test.class, test.after)
			}
		}
	}
}

// "Client cancel ignored", whatever the handler makes of it.
func TestA11_202_ClientGoneIsIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, end := range map[string]func(ctx context.Context) error{
			"ctx.Err":  func(ctx context.Context) error { return ctx.Err() },
			"INTERNAL": func(context.Context) error { return status.Error(codes.Internal, "the database was cancelled") },
			"nothing":  func(context.Context) error { return nil },
		} {
			seen := new(witness)
			b := &backend{
				get: func(ctx context.Context, in *text) (*text, error) {
					<-ctx.Done()
					return in, end(ctx)
				},
				list: func(_ *text, stream grpc.ServerStream) error {
					<-stream.Context().Done()
					return end(stream.Context())
				},
			}
			s := serve(t, b, options(seen, timeout.New(time.Minute))...)
			ctx, cancel := context.WithCancel(t.Context())
			go func() { _, _ = s.get(ctx) }()
			if _, err := s.open(ctx, methodList, "hello"); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			cancel()
			synctest.Wait()
			if got := seen.classes(); len(got) != 2 || got[0] != firebreak.Ignored || got[1] != firebreak.Ignored {
				t.Errorf("%s: the policies saw %v, want two that are ignored", name, got)
			}
		}
	})
}

// Who cancels is not taken for one whose deadline passes, however little time it gave.
func TestA11_202_ImpatientClientIsIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := new(witness)
		b := &backend{get: func(ctx context.Context, _ *text) (*text, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		s := serve(t, b, options(seen, timeout.New(time.Minute))...)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		time.AfterFunc(2*time.Millisecond, cancel)
		_, err := s.get(ctx)
		wantCode(t, err, codes.Canceled, "the caller")
		synctest.Wait()
		if got := seen.classes(); len(got) != 1 || got[0] != firebreak.Ignored {
			t.Errorf("the policies saw %v, want one that is ignored", got)
		}
	})
}

// An answer that comes when its caller's deadline has passed is none.
func TestA11_202_TooLateIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := new(witness)
		b := &backend{get: func(_ context.Context, in *text) (*text, error) {
			time.Sleep(2 * time.Second)
			return in, nil
		}}
		s := serve(t, b, options(seen, timeout.New(time.Minute))...)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := s.get(ctx)
		wantCode(t, err, codes.DeadlineExceeded, "the caller")
		time.Sleep(2 * time.Second)
		if got := seen.classes(); len(got) != 1 || got[0] != firebreak.Failure {
			t.Errorf("the policies saw %v, want a failure", got)
		}
	})
}

// "Handler's status passes bit for bit. B: re-created status drops details."
func TestA11_205_StatusPasses(t *testing.T) {
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		want, err := status.New(code, "it's not me: größer ≠ kleiner\n").WithDetails(
			protoadapt.MessageV1Of(&errdetails.RetryInfo{RetryDelay: durationpb.New(7 * time.Second)}),
			protoadapt.MessageV1Of(&errdetails.DebugInfo{Detail: "detail"}),
			protoadapt.MessageV1Of(&errdetails.ErrorInfo{Reason: "NO_STOCK", Domain: "shop.example.com"}))
		if err != nil {
			t.Fatal(err)
		}
		set := func(ctx context.Context) {
			if err := errors.Join(grpc.SetHeader(ctx, metadata.Pairs("asked", "yes")), grpc.SetTrailer(ctx, metadata.Pairs("found", "nothing"))); err != nil {
				t.Error(err)
			}
		}
		b := &backend{
			get: func(ctx context.Context, _ *text) (*text, error) {
				set(ctx)
				return nil, want.Err()
			},
			list: func(_ *text, stream grpc.ServerStream) error {
				set(stream.Context())
				return want.Err()
			},
		}
		s := serve(t, b, options(shed.New(shed.Config{}), breaker.New(breaker.Config{MaxHold: breaker.NoHold}), bulkhead.New(bulkhead.Config{}), timeout.New(time.Minute))...)
		var header, trailer metadata.MD
		_, unary := s.get(t.Context(), grpc.Header(&header), grpc.Trailer(&trailer))
		stream, _ := s.open(t.Context(), methodList, "hello")
		_, streamed := receive(stream)
		for _, got := range []error{unary, streamed} {
			if d := cmp.Diff(want.Proto(), status.Convert(got).Proto(), protocmp.Transform()); d != "" {
				t.Errorf("%v (-want +got):\n%s", code, d)
			}
		}
		for _, got := range []metadata.MD{trailer, stream.Trailer()} {
			if found := got.Get("found"); len(found) != 1 || found[0] != "nothing" || len(got.Get("grpc-retry-pushback-ms")) != 0 {
				t.Errorf("%v: the trailer is %v, want what the handler set", code, got)
			}
		}
		if asked := header.Get("asked"); len(asked) != 1 || asked[0] != "yes" {
			t.Errorf("%v: the header is %v, want what the handler set", code, header)
		}
	}
}

// "Dead on arrival: grpc-go aborts when the deadline is already over; add a margin check
// (Envoy: grpc_timeout offset) so that the error comes from us, not from a cancelled
// stream."
func TestA11_206_DeadOnArrival(t *testing.T) {
	everywhere(t, func(t *testing.T, serve server) {
		t.Helper()
		for way, options := range ways {
			b := new(backend)
			s := serve(t, b, options(firebreak.New("server", one(), timeout.New(time.Minute)), firebreakgrpc.MinTime(time.Minute))...)
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second) // far away, but too near
			defer cancel()
			_, unary := s.get(ctx)
			stream, _ := s.open(ctx, methodList, "hello")
			_, streamed := receive(stream)
			for _, err := range []error{unary, streamed} {
				wantCode(t, err, codes.DeadlineExceeded, way)
				if got, want := status.Convert(err).Message(), "deadline server: dead_on_arrival"; got != want || delayOf(err) != 0 {
					t.Errorf("%s: message %q with RetryInfo %v, want %q without", way, got, delayOf(err), want)
				}
			}
			if n := b.ran.Load(); n != 0 {
				t.Errorf("%s: %d handlers ran, want none", way, n)
			}
			if _, err := s.get(t.Context()); err != nil {
				t.Errorf("%s: a caller who has no deadline: got %v", way, err)
			}
		}
	})
}

// The margin: what has just enough is served.
func TestA11_206_Margin(t *testing.T) {
	for _, test := range []struct {
		left    time.Duration
		options []firebreakgrpc.ServerOption
		served  bool
	}{
		{time.Millisecond - 1, nil, false}, // the default
		{time.Millisecond, nil, true},
		{50*time.Millisecond - 1, []firebreakgrpc.ServerOption{firebreakgrpc.MinTime(50 * time.Millisecond)}, false},
		{50 * time.Millisecond, []firebreakgrpc.ServerOption{firebreakgrpc.MinTime(50 * time.Millisecond)}, true},
		{1, []firebreakgrpc.ServerOption{firebreakgrpc.MinTime(1)}, true},
	} {
		for way, options := range ways {
			synctest.Test(t, func(t *testing.T) {
				b := new(backend)
				s := serve(t, b, options(firebreak.New("server", timeout.New(time.Minute)), test.options...)...)
				ctx, cancel := context.WithTimeout(t.Context(), test.left)
				defer cancel()
				_, err := s.get(ctx)
				if (err == nil) != test.served || b.ran.Load() == 1 != test.served {
					t.Errorf("%s, %v left: got %v and %d handlers ran, want it served: %t", way, test.left, err, b.ran.Load(), test.served)
				}
			})
		}
	}
}

// What a slow sender has used up is gone: the check is made again when the handler would
// run.
func TestA11_206_DeadWhenDecoded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slots := one()
		b := new(backend)
		s := serve(t, b, firebreakgrpc.ServerOptions(firebreak.New("server", slots, timeout.New(time.Minute)), firebreakgrpc.MinTime(200*time.Millisecond))...)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		stream, err := s.NewStream(ctx, new(grpc.StreamDesc), methodGet)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(900 * time.Millisecond)
		if err := stream.SendMsg(new(text)); err != nil {
			t.Fatal(err)
		}
		err = stream.RecvMsg(new(text))
		if got, want := status.Convert(err).Message(), "deadline server: dead_on_arrival"; got != want || b.ran.Load() != 0 {
			t.Errorf("got %v, %d handlers ran, want %q and none", err, b.ran.Load(), want)
		}
		synctest.Wait()
		wantHeld(t, slots, 0, "after it")
	})
}
