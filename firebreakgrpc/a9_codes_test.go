package firebreakgrpc_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/balancer/base"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakgrpc"
	"github.com/firebreak-go/firebreak/retry"
	"github.com/firebreak-go/firebreak/timeout"
)

// allCodes are the codes of gRPC but OK.
func allCodes() (all []codes.Code) {
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		all = append(all, code)
	}
	return all
}

// comeBack returns an error of code with a RetryInfo.
func comeBack(code codes.Code, after *durationpb.Duration) error {
	s, err := status.New(code, "come back").WithDetails(&errdetails.RetryInfo{RetryDelay: after})
	if err != nil {
		panic(err)
	}
	return s.Err()
}

// "Default codes: UNAVAILABLE only. RESOURCE_EXHAUSTED only with RetryInfo/pushback; never
// INTERNAL, UNKNOWN, DATA_LOSS, CANCELLED, INVALID_ARGUMENT ...; DEADLINE_EXCEEDED from
// the server not (may be done; A6)."
func TestA9_155_CodesThatAreRetried(t *testing.T) {
	for _, code := range allCodes() {
		for _, hinted := range []bool{false, true} {
			for _, method := range []string{lookup, setPrice, buy} {
				synctest.Test(t, func(t *testing.T) {
					answer := status.Error(code, "no")
					if hinted {
						answer = comeBack(code, durationpb.New(time.Second))
					}
					s := &shop{unary: failing(9, answer)}
					conn := s.serve(t, through(atOnce())...)
					_, err := ask(t.Context(), conn, method)
					wantStatus(t, err, code)
					want := 1
					if method != buy && (code == codes.Unavailable || code == codes.ResourceExhausted && hinted) {
						want = 3
					}
					if s.wantVisits(t, method, want); t.Failed() {
						t.Fatalf("%v of %s, hinted: %t", code, method, hinted)
					}
				})
			}
		}
	}
}

// "B: 'retry all errors': non-idempotent RPC executed three times." Which methods are
// idempotent is declared: in the descriptor, or by an option.
func TestA9_155_IdempotentByDeclaration(t *testing.T) {
	for _, test := range []struct {
		name    string
		method  string
		options []firebreakgrpc.ClientOption
		call    []grpc.CallOption
		want    int
	}{
		{"NO_SIDE_EFFECTS", lookup, nil, nil, 3},
		{"IDEMPOTENT", setPrice, nil, nil, 3},
		{"not declared", buy, nil, nil, 1},
		{"WithIdempotent", buy, []firebreakgrpc.ClientOption{firebreakgrpc.WithIdempotent(buy)}, nil, 3},
		{"WithIdempotent of others", buy, []firebreakgrpc.ClientOption{firebreakgrpc.WithIdempotent(lookup, setPrice)}, nil, 1},
		{"IdempotentBy", buy, []firebreakgrpc.ClientOption{firebreakgrpc.IdempotentBy(func(m string) bool { return m == buy })}, nil, 3},
		{"IdempotentBy in place of the descriptor", lookup, []firebreakgrpc.ClientOption{firebreakgrpc.IdempotentBy(func(m string) bool { return m == buy })}, nil, 1},
		{"this call", buy, nil, []grpc.CallOption{firebreakgrpc.Idempotent()}, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &shop{unary: failing(9, status.Error(codes.Unavailable, "no"))}
			conn := s.serve(t, firebreakgrpc.DialOptions(stackOf(atOnce()), test.options...)...)
			_, err := ask(t.Context(), conn, test.method, test.call...)
			wantStatus(t, err, codes.Unavailable)
			s.wantVisits(t, test.method, test.want)
		})
	}
}

// RetryCodes adds to the codes.
func TestA9_155_RetryCodes(t *testing.T) {
	for code, class := range map[codes.Code]firebreak.Class{
		codes.Aborted: firebreak.Overload, codes.Internal: firebreak.Failure, codes.ResourceExhausted: firebreak.Overload,
	} {
		r := new(recorder)
		s := &shop{unary: failing(1, status.Error(code, "no"))}
		conn := s.serve(t, firebreakgrpc.DialOptions(stackOf(atOnce(), r), firebreakgrpc.RetryCodes(code))...)
		if _, err := ask(t.Context(), conn, lookup); err != nil {
			t.Errorf("%v: got %v, want a second attempt", code, err)
		}
		r.wantClasses(t, class, firebreak.Success)
		s = &shop{unary: failing(1, status.Error(code, "no"))}
		_, err := ask(t.Context(), s.serve(t, firebreakgrpc.DialOptions(stackOf(atOnce()), firebreakgrpc.RetryCodes(code))...), buy)
		wantStatus(t, err, code)
		s.wantVisits(t, buy, 1)
	}
}

// "Status survives: code, message, details of the last attempt, unwrapped (FromError on a
// wrapped error rewrites the message). B: fmt.Errorf around the status: message rewritten,
// details kept only by luck."
func TestA9_156_StatusSurvives(t *testing.T) {
	for _, code := range []codes.Code{codes.Unavailable, codes.FailedPrecondition, codes.Internal, codes.DeadlineExceeded, codes.Canceled} {
		s := &shop{unary: func(v visit, _ *value) (*value, error) {
			answer, err := status.New(code, fmt.Sprintf("größer ≠ kleiner: %d", v.number)).
				WithDetails(wrapperspb.Int64(int64(v.number)), &errdetails.ErrorInfo{Reason: "R"})
			if err != nil {
				t.Error(err)
			}
			return nil, answer.Err()
		}}
		_, err := ask(t.Context(), s.serve(t, through(atOnce(), breaker.New(breaker.Config{}), timeout.New(10*time.Second))...), lookup)
		last := len(s.seen())
		want, wantErr := status.New(code, fmt.Sprintf("größer ≠ kleiner: %d", last)).
			WithDetails(wrapperspb.Int64(int64(last)), &errdetails.ErrorInfo{Reason: "R"})
		if wantErr != nil {
			t.Fatal(wantErr)
		}
		carrier, ok := err.(interface{ GRPCStatus() *status.Status })
		if !ok {
			t.Fatalf("%v: got a %T, want the status itself", code, err)
		}
		if d := cmp.Diff(want.Proto(), carrier.GRPCStatus().Proto(), protocmp.Transform()); d != "" {
			t.Errorf("%v: status (-want +got):\n%s", code, d)
		}
		if err.Error() != want.Err().Error() {
			t.Errorf("got %q, want %q", err, want.Err())
		}
	}
}

// "All own errors carry GRPCStatus(): open = UNAVAILABLE, full = RESOURCE_EXHAUSTED, timeout
// = DEADLINE_EXCEEDED, cancel = CANCELLED." And 158: "errors.Is/As still work next to the
// status (Kind, context.Canceled). B: status.Error(...) alone: callers can no longer match
// the policy." 173: "cause does not change the code."
func TestA9_157_158_OwnErrors(t *testing.T) {
	opened := breaker.New(breaker.Config{ConsecutiveFailures: 1})
	full := bulkhead.New(bulkhead.Config{MaxCalls: 1})
	leave, err := full.Allow(t.Context(), firebreak.Call{})
	if err != nil {
		t.Fatal(err)
	}
	defer leave(firebreak.Outcome{})
	hang := func(v visit, _ *value) (*value, error) {
		<-v.ctx.Done()
		return nil, v.ctx.Err()
	}
	for _, test := range []struct {
		name   string
		policy firebreak.Policy
		ctx    func(ctx context.Context) (context.Context, context.CancelFunc)
		code   codes.Code
		is     []error
		is2    error // not
	}{
		{"open", opened, nil, codes.Unavailable, []error{breaker.ErrOpen}, nil},
		{"full", full, nil, codes.ResourceExhausted, []error{bulkhead.ErrFull}, nil},
		{"timeout", timeout.New(50 * time.Millisecond), nil, codes.DeadlineExceeded, []error{context.DeadlineExceeded}, context.Canceled},
		{"the caller's deadline", new(recorder), func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 50*time.Millisecond)
		}, codes.DeadlineExceeded, []error{context.DeadlineExceeded}, context.Canceled},
		{"cancelled", new(recorder), func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(ctx)
			time.AfterFunc(50*time.Millisecond, func() { cancel(net.ErrClosed) })
			return ctx, func() { cancel(nil) }
		}, codes.Canceled, []error{context.Canceled, net.ErrClosed}, context.DeadlineExceeded},
		{"cancelled before", new(recorder), func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(ctx)
			cancel(status.Error(codes.NotFound, "the reason why"))
			return ctx, func() {}
		}, codes.Canceled, []error{context.Canceled}, context.DeadlineExceeded},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &shop{unary: hang}
				if test.policy == opened {
					s.unary = failing(1, status.Error(codes.Internal, "no"))
				}
				conn := s.serve(t, through(test.policy)...)
				if test.policy == opened {
					_, err := ask(t.Context(), conn, lookup)
					wantStatus(t, err, codes.Internal)
				}
				ctx := t.Context()
				if test.ctx != nil {
					var cancel context.CancelFunc
					ctx, cancel = test.ctx(ctx)
					defer cancel()
				}
				_, err := ask(ctx, conn, lookup)
				wantStatus(t, err, test.code)
				if wrapped := fmt.Errorf("wrapped: %w", err); status.Code(wrapped) != test.code {
					t.Errorf("the code of %v is %v, want %v", wrapped, status.Code(wrapped), test.code)
				}
				for _, want := range test.is {
					if !errors.Is(err, want) {
						t.Errorf("%v does not match %v", err, want)
					}
				}
				if test.is2 != nil && errors.Is(err, test.is2) {
					t.Errorf("%v matches %v", err, test.is2)
				}
				_, rejected := errors.AsType[*firebreak.RejectedError](err)
				if want := test.name == "open" || test.name == "full"; rejected != want {
					t.Errorf("%v is a RejectedError: %t, want %t", err, rejected, want)
				}
			})
		})
	}
}

// "Pushback grpc-retry-pushback-ms: negative, unparsable or several values = stop; else
// exact wait, then backoff restarts. Read with a private grpc.Trailer option. B: hammering
// a server that asked to be left alone."
func TestA9_162_Pushback(t *testing.T) {
	for _, test := range []struct {
		name   string
		code   codes.Code
		values []string
		want   time.Duration // between the attempts; below 0 for no second one
	}{
		{"exact", codes.Unavailable, []string{"1500"}, 1500 * time.Millisecond},
		{"exact, of a server that is full", codes.ResourceExhausted, []string{"1500"}, 1500 * time.Millisecond},
		{"at once", codes.Unavailable, []string{"0"}, 0},
		{"at once, of a server that is full", codes.ResourceExhausted, []string{"0"}, 0},
		{"negative", codes.Unavailable, []string{"-1"}, -1},
		{"not a number", codes.Unavailable, []string{"soon"}, -1},
		{"a fraction", codes.Unavailable, []string{"1.5"}, -1},
		{"empty", codes.Unavailable, []string{""}, -1},
		{"several", codes.Unavailable, []string{"10", "10"}, -1},
		{"292 million years", codes.Unavailable, []string{"9223372036854775807"}, -1},
		{"longer", codes.Unavailable, []string{strings.Repeat("9", 40)}, -1},
		{"longer than anybody waits", codes.Unavailable, []string{"60001"}, -1},
		{"of a code that is not retried", codes.Internal, []string{"0"}, -1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var at []time.Time
				s := &shop{unary: func(v visit, in *value) (*value, error) {
					at = append(at, time.Now())
					if v.number > 1 {
						return in, nil
					}
					for _, value := range test.values {
						if err := grpc.SetTrailer(v.ctx, metadata.Pairs("grpc-retry-pushback-ms", value)); err != nil {
							t.Error(err)
						}
					}
					return nil, status.Error(test.code, "no")
				}}
				conn := s.serve(t, through(retry.New(retry.Config{BaseDelay: time.Hour, ThrottledBaseDelay: time.Hour, MaxDelay: time.Hour}))...)
				ctx, cancel := context.WithTimeout(t.Context(), minute)
				defer cancel()
				_, err := ask(ctx, conn, lookup)
				if test.want < 0 {
					if wantStatus(t, err, test.code); len(at) != 1 {
						t.Errorf("there were %d attempts, want 1", len(at))
					}
					return
				}
				if err != nil || len(at) != 2 {
					t.Fatalf("%d attempts ended with %v, want two and an answer", len(at), err)
				}
				if got := at[1].Sub(at[0]); got != test.want {
					t.Errorf("the second attempt came after %v, want %v", got, test.want)
				}
			})
		})
	}
}

// The trailer is read with an option of the attempt's own: a caller who wants it has it
// too.
func TestA9_162_TrailerOfTheCallers(t *testing.T) {
	s := &shop{unary: func(v visit, in *value) (*value, error) {
		return in, grpc.SetTrailer(v.ctx, metadata.Pairs("found", "all"))
	}}
	var trailer metadata.MD
	if _, err := ask(t.Context(), s.serve(t, through()...), lookup, grpc.Trailer(&trailer)); err != nil {
		t.Fatal(err)
	}
	if got := trailer.Get("found"); len(got) != 1 || got[0] != "all" {
		t.Errorf("the trailer found is %q, want all", got)
	}
}

// "RetryInfo.retry_delay = minimum wait; invalid/negative ignored; capped. B: quota errors
// retried after 10 ms."
func TestA9_163_RetryInfo(t *testing.T) {
	for _, test := range []struct {
		name     string
		code     codes.Code
		delay    *durationpb.Duration
		min, max time.Duration // between the attempts; min below 0 for no second one
	}{
		{"a minimum", codes.Unavailable, durationpb.New(3 * time.Second), 3 * time.Second, 4 * time.Second},
		{"quota", codes.ResourceExhausted, durationpb.New(3 * time.Second), 3 * time.Second, 4 * time.Second},
		{"nothing", codes.ResourceExhausted, durationpb.New(0), 0, time.Second},
		{"negative", codes.Unavailable, durationpb.New(-3 * time.Second), 0, time.Second},
		{"negative quota", codes.ResourceExhausted, durationpb.New(-3 * time.Second), -1, 0},
		{"invalid", codes.Unavailable, &durationpb.Duration{Seconds: 1, Nanos: -1}, 0, time.Second},
		{"invalid quota", codes.ResourceExhausted, &durationpb.Duration{Nanos: 2e9}, -1, 0},
		{"not there", codes.ResourceExhausted, nil, -1, 0},
		{"longer than anybody waits", codes.Unavailable, durationpb.New(61 * time.Second), -1, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var at []time.Time
				s := &shop{unary: func(v visit, in *value) (*value, error) {
					at = append(at, time.Now())
					if v.number == 1 {
						return nil, comeBack(test.code, test.delay)
					}
					return in, nil
				}}
				stack := firebreak.New("shop", timeout.New(5*minute), retry.New(retry.Config{BaseDelay: time.Second}))
				_, err := ask(t.Context(), s.serve(t, firebreakgrpc.DialOptions(stack)...), lookup)
				if test.min < 0 {
					if wantStatus(t, err, test.code); len(at) != 1 {
						t.Errorf("there were %d attempts, want 1", len(at))
					}
					return
				}
				if err != nil || len(at) != 2 {
					t.Fatalf("%d attempts ended with %v, want two and an answer", len(at), err)
				}
				if got := at[1].Sub(at[0]); got < test.min || got > test.max {
					t.Errorf("the second attempt came after %v, want %v to %v", got, test.min, test.max)
				}
			})
		})
	}
}

// "Wait does not fit: last status at once. B: sleeps to the deadline; the useful
// UNAVAILABLE message is gone."
func TestA9_165_WaitDoesNotFit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shop{unary: failing(9, comeBack(codes.Unavailable, durationpb.New(10*time.Second)))}
		conn := s.serve(t, through(atOnce())...)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		begin := time.Now()
		_, err := ask(ctx, conn, lookup)
		wantStatus(t, err, codes.Unavailable)
		if took := time.Since(begin); took != 0 || status.Convert(err).Message() != "come back" {
			t.Errorf("got %v after %v, want the server's message at once", err, took)
		}
	})
}

// "Cancelled by the caller = ignore", and 171: "client's-fault codes = success for the
// breaker (the server answered). B: NotFound-heavy traffic opens the breaker."
func TestA9_170_171_WhatVotes(t *testing.T) {
	want := map[codes.Code]firebreak.Class{
		codes.Unavailable: firebreak.Failure, codes.Internal: firebreak.Failure, codes.Unknown: firebreak.Failure,
		codes.DataLoss: firebreak.Failure, codes.DeadlineExceeded: firebreak.Failure, codes.Canceled: firebreak.Failure,
		codes.ResourceExhausted: firebreak.Overload,
	}
	for _, code := range allCodes() {
		r := new(recorder)
		s := &shop{unary: failing(9, status.Error(code, "no"))}
		_, err := ask(t.Context(), s.serve(t, through(r)...), lookup)
		wantStatus(t, err, code)
		r.wantClasses(t, want[code]) // else a success
		if t.Failed() {
			t.Fatalf("of %v", code)
		}
	}
	b := breaker.New(breaker.Config{ConsecutiveFailures: 2, MinCalls: 2})
	s := &shop{unary: failing(100, status.Error(codes.NotFound, "no"))}
	conn := s.serve(t, through(b)...)
	for range 100 {
		_, err := ask(t.Context(), conn, lookup)
		wantStatus(t, err, codes.NotFound)
	}
	if b.State() != breaker.Closed {
		t.Errorf("the breaker is %v after answers that say no, want closed", b.State())
	}
	synctest.Test(t, func(t *testing.T) {
		r := new(recorder)
		s := &shop{unary: func(v visit, _ *value) (*value, error) { <-v.ctx.Done(); return nil, v.ctx.Err() }}
		conn := s.serve(t, through(r)...)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err := ask(ctx, conn, lookup)
		wantStatus(t, err, codes.Canceled)
		r.wantClasses(t, firebreak.Ignored)
	})
}

// A message that cannot be encoded is no failure of the server's, nor is the end of a
// connection that its owner closes.
func TestA9_171_OwnMistakes(t *testing.T) {
	r := new(recorder)
	s := new(shop)
	conn := s.serve(t, through(atOnce(), r)...)
	err := conn.Invoke(t.Context(), lookup, "not a message", new(value))
	wantStatus(t, err, codes.Internal)
	r.wantClasses(t, firebreak.Ignored)

	r = new(recorder)
	conn = s.serve(t, through(atOnce(), r)...)
	conn.Close()
	_, err = ask(t.Context(), conn, lookup)
	wantStatus(t, err, codes.Canceled)
	r.wantClasses(t, firebreak.Ignored)
}

// dropping is a balancer that lets nothing pass, as one of xDS does with what is too much.
type dropping struct{}

func (dropping) Build(base.PickerBuildInfo) balancer.Picker { return dropping{} }

func (dropping) Pick(balancer.PickInfo) (balancer.PickResult, error) {
	return balancer.PickResult{}, status.Error(codes.Unavailable, "dropped")
}

// "Which failures at pick (dropError, xDS) must not be retried: surfaces as UNAVAILABLE
// without marker; keep attempts few. B: retry of a rate-limit drop doubles the drops."
func TestA9_176_DropsAreNotRetried(t *testing.T) {
	balancer.Register(base.NewBalancerBuilder("test_dropping", dropping{}, base.Config{}))
	r := new(recorder)
	s := new(shop)
	conn := s.serve(t, append(through(atOnce(), r), grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{"test_dropping":{}}]}`))...)
	conn.Connect()
	for state := conn.GetState(); state != connectivity.Ready; state = conn.GetState() {
		conn.WaitForStateChange(t.Context(), state)
	}
	for _, method := range []string{lookup, buy} {
		_, err := ask(t.Context(), conn, method)
		wantStatus(t, err, codes.Unavailable)
		s.wantVisits(t, method, 0)
	}
	r.wantClasses(t, firebreak.Overload, firebreak.Overload)
}

// A call that provably never left is made again whatever its method: there was no
// connection.
func TestA9_176_NoConnectionIsNoDrop(t *testing.T) {
	for _, method := range []string{lookup, buy} {
		r := new(recorder)
		conn := connect(t, refused, through(atOnce(), r)...)
		_, err := ask(t.Context(), conn, method)
		wantStatus(t, err, codes.Unavailable)
		r.wantClasses(t, firebreak.Failure, firebreak.Failure, firebreak.Failure)
	}
	// Without the watcher nothing is proved.
	for method, want := range map[string]int{lookup: 3, buy: 1} {
		r := new(recorder)
		conn := connect(t, refused,
			grpc.WithUnaryInterceptor(firebreakgrpc.UnaryClientInterceptor(stackOf(atOnce(), r))))
		_, err := ask(t.Context(), conn, method)
		wantStatus(t, err, codes.Unavailable)
		if calls, _ := r.seen(); len(calls) != want {
			t.Errorf("%s: %d attempts, want %d", method, len(calls), want)
		}
	}
}
