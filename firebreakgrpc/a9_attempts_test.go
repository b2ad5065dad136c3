package firebreakgrpc_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakgrpc"
	"github.com/firebreak-go/firebreak/timeout"
)

// "Deadline travels (grpc-timeout). B: cancel-only timeouts never tell the server." It is
// that of each attempt.
func TestA9_159_DeadlineTravels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var left []time.Duration
		s := &shop{unary: func(v visit, _ *value) (*value, error) {
			at, ok := v.ctx.Deadline()
			if !ok {
				t.Error("the server sees no deadline")
			}
			left = append(left, time.Until(at))
			return nil, status.Error(codes.Unavailable, "no")
		}}
		stack := firebreak.New("shop", timeout.New(10*time.Second), atOnce(), timeout.New(2*time.Second))
		conn := s.serve(t, firebreakgrpc.DialOptions(stack)...)
		_, err := ask(t.Context(), conn, lookup)
		wantStatus(t, err, codes.Unavailable)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = ask(ctx, conn, buy)
		wantStatus(t, err, codes.Unavailable)
		for i, want := range []time.Duration{2 * time.Second, 2 * time.Second, 2 * time.Second, time.Second} {
			if i >= len(left) || left[i] > want || left[i] < want-10*time.Millisecond {
				t.Fatalf("the server saw %v left, want 2s for each attempt, and then the second of the caller's", left)
			}
		}
	})
}

// "Attribution tolerance. The server knows the deadline and may answer DEADLINE_EXCEEDED (or
// RST_STREAM CANCEL) some microseconds before the local timer: cause is still nil. R:
// effective deadline is mine and less than max(10 ms, 5 %) is left: it is my timeout."
func TestA9_160_ServerSeesTheDeadlineFirst(t *testing.T) {
	for _, test := range []struct {
		name    string
		attempt time.Duration
		caller  time.Duration // 0 without a deadline
		early   time.Duration // the server answers before the deadline
		code    codes.Code
		timeout bool // it is a timeout of the Stack
		matches bool // it matches context.DeadlineExceeded
		visits  int
	}{
		{"just before", time.Second, 0, 5 * time.Microsecond, codes.DeadlineExceeded, true, true, 3},
		{"by 5 %", time.Second, 0, 49 * time.Millisecond, codes.DeadlineExceeded, true, true, 3},
		{"reset", time.Second, 0, 49 * time.Millisecond, codes.Canceled, true, true, 3},
		{"by 10ms of a short time", 40 * time.Millisecond, 0, 9 * time.Millisecond, codes.DeadlineExceeded, true, true, 3},
		{"of its own", time.Second, 0, 51 * time.Millisecond, codes.DeadlineExceeded, false, false, 1},
		{"of its own, by reset", time.Second, 0, 51 * time.Millisecond, codes.Canceled, false, false, 1},
		{"another answer", time.Second, 0, 5 * time.Microsecond, codes.Internal, false, false, 1},
		{"the caller's", time.Second, 500 * time.Millisecond, 9 * time.Millisecond, codes.DeadlineExceeded, false, true, 1},
		{"before the caller's", time.Second, 500 * time.Millisecond, 20 * time.Millisecond, codes.DeadlineExceeded, false, false, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &shop{unary: func(v visit, _ *value) (*value, error) {
					at, _ := v.ctx.Deadline()
					time.Sleep(time.Until(at) - test.early)
					return nil, status.Error(test.code, "no")
				}}
				conn := s.serve(t, through(atOnce(), timeout.New(test.attempt))...)
				ctx := t.Context()
				if test.caller > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, test.caller)
					defer cancel()
				}
				_, err := ask(ctx, conn, lookup)
				want := test.code
				if test.matches {
					want = codes.DeadlineExceeded
				}
				wantStatus(t, err, want)
				expired, ok := errors.AsType[*firebreak.TimeoutError](err)
				if ok != test.timeout || ok && expired.After != test.attempt {
					t.Errorf("got %v, want a timeout of the Stack: %t", err, test.timeout)
				}
				if errors.Is(err, context.DeadlineExceeded) != test.matches {
					t.Errorf("%v matches context.DeadlineExceeded: %t, want %t", err, !test.matches, test.matches)
				}
				s.wantVisits(t, lookup, test.visits)
			})
		})
	}
}

// Over TCP it is the server's timer against the client's: whoever is first, it is the
// client's timeout.
func TestA9_160_WhoeverIsFirst(t *testing.T) {
	s := &shop{unary: func(v visit, _ *value) (*value, error) {
		<-v.ctx.Done()
		return nil, status.FromContextError(v.ctx.Err()).Err()
	}}
	conn := s.serveTCP(t, through(timeout.New(15*time.Millisecond))...)
	for range 30 {
		_, err := ask(t.Context(), conn, lookup)
		wantStatus(t, err, codes.DeadlineExceeded)
		if _, ok := errors.AsType[*firebreak.TimeoutError](err); !ok {
			t.Fatalf("got %v, want a timeout of the Stack", err)
		}
	}
}

// "Per-try timeout is retried while the caller's context lives. B: timeout.ErrExceeded is no
// status, so the default policy does not retry it."
func TestA9_161_AttemptTimeoutIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := new(recorder)
		s := &shop{unary: func(v visit, in *value) (*value, error) {
			if v.number == 1 {
				<-v.ctx.Done()
			}
			return in, v.ctx.Err()
		}}
		conn := s.serve(t, through(atOnce(), r, timeout.New(time.Second))...)
		begin := time.Now()
		if got, err := ask(t.Context(), conn, lookup); err != nil || got != "penguin" {
			t.Errorf("got %q and %v, want the answer to the second attempt", got, err)
		}
		if took := time.Since(begin).Round(time.Millisecond); took != time.Second {
			t.Errorf("the call took %v, want 1s", took)
		}
		r.wantClasses(t, firebreak.Failure, firebreak.Success)

		s.unary = func(v visit, _ *value) (*value, error) { <-v.ctx.Done(); return nil, v.ctx.Err() }
		for method, want := range map[string]int{setPrice: 3, buy: 1} { // it may have been done
			_, err := ask(t.Context(), conn, method)
			wantStatus(t, err, codes.DeadlineExceeded)
			s.wantVisits(t, method, want)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		_, err := ask(ctx, conn, lookup)
		wantStatus(t, err, codes.DeadlineExceeded)
		s.wantVisits(t, lookup, 3) // one more: the caller's context is over
	})
}

// "No multiplication. Interceptors sit above grpc-go's retry: 3 x 3 = 9 calls in both
// libraries. R: WithDisableRetry in our dial options. B: N layers of 3 tries: 27 calls."
func TestA9_164_NoMultiplication(t *testing.T) {
	const config = `{"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 3, "initialBackoff": "0.001s",
		"maxBackoff": "0.001s", "backoffMultiplier": 1, "retryableStatusCodes": ["UNAVAILABLE"]}}]}`
	s := &shop{unary: failing(100, status.Error(codes.Unavailable, "no"))}
	plain := s.serve(t, grpc.WithDefaultServiceConfig(config))
	if _, err := ask(t.Context(), plain, setPrice); status.Code(err) != codes.Unavailable {
		t.Fatal(err)
	}
	s.wantVisits(t, setPrice, 3) // the config works
	conn := s.serve(t, append(through(atOnce()), grpc.WithDefaultServiceConfig(config))...)
	_, err := ask(t.Context(), conn, lookup)
	wantStatus(t, err, codes.Unavailable)
	s.wantVisits(t, lookup, 3)

	// That an attempt is not the first travels: a server does not retry what it calls for it.
	var said []string
	s.unary = func(v visit, _ *value) (*value, error) {
		said = append(said, strings.Join(v.header("grpc-previous-rpc-attempts"), ","))
		return nil, status.Error(codes.Unavailable, "no")
	}
	_, err = ask(t.Context(), conn, lookup)
	wantStatus(t, err, codes.Unavailable)
	if d := cmp.Diff([]string{"", "1", "2"}, said); d != "" {
		t.Errorf("grpc-previous-rpc-attempts (-want +got):\n%s", d)
	}
}

// "Header/Trailer/Peer options hold the last attempt's values. B: md holds the first
// attempt's values, or is appended to."
func TestA9_166_OptionsHoldTheLastAttempt(t *testing.T) {
	s := &shop{unary: func(v visit, in *value) (*value, error) {
		number := strconv.Itoa(v.number)
		if err := errors.Join(grpc.SetHeader(v.ctx, metadata.Pairs("number", number)), grpc.SetTrailer(v.ctx, metadata.Pairs("number", number))); err != nil {
			t.Error(err)
		}
		if v.number < 3 {
			return nil, status.Error(codes.Unavailable, "no")
		}
		return in, nil
	}}
	conn := s.serve(t, through(atOnce())...)
	header, trailer, from := metadata.Pairs("number", "0"), metadata.Pairs("number", "0"), peer.Peer{}
	if _, err := ask(t.Context(), conn, lookup, grpc.Header(&header), grpc.Trailer(&trailer), grpc.Peer(&from)); err != nil {
		t.Fatal(err)
	}
	for name, md := range map[string]metadata.MD{"header": header, "trailer": trailer} {
		if d := cmp.Diff([]string{"3"}, md.Get("number")); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	if from.Addr == nil {
		t.Error("there is no peer")
	}

	// The last attempt had none: its connection was refused.
	up := true
	inner := func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		if up = !up; up {
			return status.Error(codes.Unavailable, "no connection")
		}
		return invoker(ctx, method, req, reply, cc, opts...)
	}
	s.unary = func(v visit, _ *value) (*value, error) {
		if err := grpc.SetHeader(v.ctx, metadata.Pairs("number", "1")); err != nil {
			t.Error(err)
		}
		return nil, status.Error(codes.Unavailable, "no")
	}
	two := firebreak.New("shop", policyFunc(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
		_, _ = next(ctx, c)
		return next(ctx, c)
	}))
	conn = s.serve(t, append(firebreakgrpc.DialOptions(two), grpc.WithChainUnaryInterceptor(inner))...)
	_, err := ask(t.Context(), conn, lookup, grpc.Header(&header), grpc.Trailer(&trailer), grpc.Peer(&from))
	wantStatus(t, err, codes.Unavailable)
	if len(header) > 0 || len(trailer) > 0 || from.Addr != nil {
		t.Errorf("header %v, trailer %v and peer %v are those of the attempt before", header, trailer, from)
	}
}

// "OnFinish of the caller runs once per call: take it out of the per-attempt options. B:
// caller's in-flight gauge goes negative."
func TestA9_167_OnFinishRunsOnce(t *testing.T) {
	full := bulkhead.New(bulkhead.Config{MaxCalls: 1})
	leave, err := full.Allow(t.Context(), firebreak.Call{})
	if err != nil {
		t.Fatal(err)
	}
	defer leave(firebreak.Outcome{})
	for _, test := range []struct {
		name     string
		policy   firebreak.Policy
		failures int
		want     codes.Code
	}{
		{"success", atOnce(), 0, codes.OK},
		{"success after two failures", atOnce(), 2, codes.OK},
		{"failure", atOnce(), 9, codes.Unavailable},
		{"rejected", full, 0, codes.ResourceExhausted},
	} {
		s := &shop{unary: failing(test.failures, status.Error(codes.Unavailable, "no"))}
		conn := s.serve(t, through(test.policy)...)
		var finished []error
		note := grpc.OnFinish(func(err error) { finished = append(finished, err) })
		options := []grpc.CallOption{grpc.WaitForReady(true), note, grpc.MaxCallSendMsgSize(1000), note, grpc.OnFinish(nil)}
		_, err := ask(t.Context(), conn, lookup, options...)
		wantStatus(t, err, test.want)
		if len(finished) != 2 || finished[0] != err || finished[1] != err { //nolint:errorlint // the very same
			t.Errorf("%s: two functions were called with %v, want each once with %v", test.name, finished, err)
		}
		if len(options) != 5 || options[1] == nil || options[3] == nil {
			t.Errorf("%s: the options of the caller are %v", test.name, options)
		}
	}
	panicking := func(context.Context, string, any, any, *grpc.ClientConn, grpc.UnaryInvoker, ...grpc.CallOption) error {
		panic("test")
	}
	conn := new(shop).serve(t, append(through(), grpc.WithChainUnaryInterceptor(panicking))...)
	var finished []error
	func() {
		defer func() { _ = recover() }()
		_, _ = ask(t.Context(), conn, lookup, grpc.OnFinish(func(err error) { finished = append(finished, err) }))
	}()
	if len(finished) != 1 || !errors.Is(finished[0], firebreak.ErrNoReturn) {
		t.Errorf("after a panic the function was called with %v, want %v once", finished, firebreak.ErrNoReturn)
	}
}

// "Options slice is cloned before append (shared backing array: race). B: two concurrent
// calls share cap and overwrite each other's option. T: -race with opts slice of spare
// capacity."
func TestA9_168_OptionsAreCloned(t *testing.T) {
	own := func(key int) grpc.CallOption { return numbered{number: key} }
	appending := func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		number := ctx.Value(numbered{}).(int)
		opts = append(opts, own(number))
		err := invoker(ctx, method, req, reply, cc, opts...)
		if got := opts[len(opts)-1].(numbered).number; got != number {
			t.Errorf("the option of call %d is that of call %d", number, got)
		}
		return err
	}
	s := &shop{unary: func(v visit, in *value) (*value, error) {
		if v.number%3 > 0 {
			return nil, status.Error(codes.Unavailable, "no")
		}
		return in, nil
	}}
	conn := s.serve(t, append(through(atOnce()), grpc.WithChainUnaryInterceptor(appending))...)
	for _, used := range []int{1, 6, 7, 8, 20} { // around what an attempt has room for
		shared := make([]grpc.CallOption, used, 2*used+4)
		for i := range shared {
			shared[i] = grpc.WaitForReady(true)
		}
		var calls sync.WaitGroup
		for number := range 8 {
			calls.Go(func() {
				var trailer metadata.MD
				ctx := context.WithValue(t.Context(), numbered{}, number)
				_ = conn.Invoke(ctx, lookup, wrapperspb.String("a"), new(value), append(shared[:used:used], grpc.Trailer(&trailer))...)
				_ = conn.Invoke(ctx, lookup, wrapperspb.String("a"), new(value), shared...)
			})
		}
		calls.Wait()
		for _, opt := range shared[:cap(shared)][used:] {
			if opt != nil {
				t.Fatalf("with %d options: %v was written into the slice of the caller", used, opt)
			}
		}
	}
}

// numbered is an option that says nothing to gRPC.
type numbered struct {
	grpc.EmptyCallOption

	number int
}

// "Outgoing metadata identical on every attempt; an attempt counter replaces, never appends;
// grpc-previous-rpc-attempts is settable as metadata. B: AppendToOutgoingContext on the
// previous attempt's context: k=v, v, v."
func TestA9_169_MetadataOfAttempts(t *testing.T) {
	var got []metadata.MD
	s := &shop{unary: func(v visit, _ *value) (*value, error) {
		md, _ := metadata.FromIncomingContext(v.ctx)
		got = append(got, md)
		return nil, status.Error(codes.Unavailable, "no")
	}}
	conn := s.serve(t, firebreakgrpc.DialOptions(stackOf(atOnce()), firebreakgrpc.Propagate())...)
	sent := metadata.Pairs("k", "v", "token-bin", "\x00\x01", firebreakgrpc.PriorityKey, "critical", "grpc-previous-rpc-attempts", "7")
	ctx := metadata.AppendToOutgoingContext(metadata.NewOutgoingContext(t.Context(), sent), "k", "w")
	ctx = firebreak.WithPriority(ctx, firebreak.PriorityBestEffort)
	before := sent.Copy()
	_, err := ask(ctx, conn, lookup)
	wantStatus(t, err, codes.Unavailable)
	if d := cmp.Diff(before, sent); d != "" {
		t.Errorf("the metadata of the caller have changed (-want +got):\n%s", d)
	}
	for i, attempts := range []string{"7", "1", "2"} { // the first is what the caller says it is
		want := metadata.Pairs("k", "v", "k", "w", "token-bin", "\x00\x01", firebreakgrpc.PriorityKey, "best-effort", "grpc-previous-rpc-attempts", attempts)
		for key, values := range want {
			if d := cmp.Diff(values, got[i].Get(key)); d != "" {
				t.Errorf("attempt %d, %s (-want +got):\n%s", i+1, key, d)
			}
		}
	}
}

// Priority travels only if that is wanted, and only what this call is.
func TestA9_169_Propagate(t *testing.T) {
	for _, test := range []struct {
		name      string
		options   []firebreakgrpc.ClientOption
		priority  firebreak.Priority
		forwarded string // what came in with another call
		want      []string
	}{
		{"not by default", nil, firebreak.PriorityCritical, "", nil},
		{"a forwarded one is the caller's own doing", nil, firebreak.PriorityCritical, "degraded", []string{"degraded"}},
		{"of the context", []firebreakgrpc.ClientOption{firebreakgrpc.Propagate()}, firebreak.PriorityCritical, "", []string{"critical"}},
		{"in place of a forwarded one", []firebreakgrpc.ClientOption{firebreakgrpc.Propagate()}, firebreak.PriorityDegraded, "critical", []string{"degraded"}},
		{"default in place of a forwarded one", []firebreakgrpc.ClientOption{firebreakgrpc.Propagate()}, firebreak.PriorityDefault, "critical", nil},
	} {
		s := new(shop)
		ctx := firebreak.WithPriority(t.Context(), test.priority)
		if test.forwarded != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, firebreakgrpc.PriorityKey, test.forwarded)
		}
		if _, err := ask(ctx, s.serve(t, firebreakgrpc.DialOptions(stackOf(), test.options...)...), lookup); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(test.want, s.seen()[0].header(firebreakgrpc.PriorityKey)); d != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, d)
		}
	}
}

// "WaitForReady blocks in pick until the deadline: only a timeout bounds it; connection
// failures do not surface as UNAVAILABLE then. B: call hangs for ever with WaitForReady and
// no deadline." The Stack has a timeout in any case, and its error says what there was.
func TestA9_172_WaitForReadyIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := new(recorder)
		conn := connect(t, refused, firebreakgrpc.DialOptions(firebreak.New("shop", r))...)
		begin := time.Now()
		_, err := ask(context.Background(), conn, buy, grpc.WaitForReady(true))
		wantStatus(t, err, codes.DeadlineExceeded)
		if took := time.Since(begin); took != firebreak.DefaultTimeout {
			t.Errorf("the call took %v, want %v", took, firebreak.DefaultTimeout)
		}
		if !strings.HasPrefix(err.Error(), "timeout: call took over 30s: ") || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("got %q, want the timeout and why there was no connection", err)
		}
		r.wantClasses(t, firebreak.Failure)
		conn.Close()
	})
}

// "Queue wait cancelled, panic of an inner interceptor frees the slot, cause does not change
// the code."
func TestA9_173_QueueAndPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bulkhead.New(bulkhead.Config{MaxCalls: 1, MaxQueue: 1, MaxWait: minute})
		s := &shop{unary: func(v visit, in *value) (*value, error) { <-v.ctx.Done(); return in, nil }}
		conn := s.serve(t, through(b)...)
		first, leave := context.WithCancel(t.Context())
		go func() { _, _ = ask(first, conn, lookup) }()
		synctest.Wait()
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(status.Error(codes.NotFound, "the reason why")) })
		begin := time.Now()
		_, err := ask(ctx, conn, lookup)
		wantStatus(t, err, codes.Canceled)
		if took := time.Since(begin); took != time.Second || !errors.Is(err, context.Canceled) {
			t.Errorf("a call that waited ended with %v after %v, want the caller's end after 1s", err, took)
		}
		s.wantVisits(t, lookup, 1)
		leave()
		synctest.Wait()
		wantTaken(t, b, 0, "after the end of both")
	})
	b := bulkhead.New(bulkhead.Config{MaxCalls: 1})
	panicking := func(context.Context, string, any, any, *grpc.ClientConn, grpc.UnaryInvoker, ...grpc.CallOption) error {
		panic("test")
	}
	conn := new(shop).serve(t, append(through(b), grpc.WithChainUnaryInterceptor(panicking))...)
	func() {
		defer func() {
			if p := recover(); p != "test" {
				t.Errorf("the panic was %v, want that of the interceptor", p)
			}
		}()
		_, _ = ask(t.Context(), conn, lookup)
	}()
	wantTaken(t, b, 0, "after a panic")
}

// patched is a codec of JSON that merges, as json.Unmarshal does.
type patched struct{}

func (patched) Marshal(v any) ([]byte, error)      { return json.Marshal(v) }
func (patched) Unmarshal(data []byte, v any) error { return json.Unmarshal(data, v) }
func (patched) Name() string                       { return "patched" }

// profile is a message that is not one of protobuf.
type profile struct {
	Name, Nick string
	Unit       string `json:"-"`
}

// "Dirty reply. A failed attempt may have filled reply (message before error trailers). R:
// proto codecs reset on Unmarshal; for other codecs reset between attempts, and do not let a
// fallback see it."
func TestA9_174_DirtyReply(t *testing.T) {
	attempts := 0
	invoker := func(_ context.Context, _ string, _, reply any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
		if attempts++; attempts == 1 {
			switch r := reply.(type) {
			case *profile:
				*r = profile{Name: "Ada", Nick: "dirty", Unit: "gone"}
			case *value:
				r.Value = "dirty"
			}
			return status.Error(codes.Unavailable, "no")
		}
		switch r := reply.(type) {
		case *profile:
			return patched{}.Unmarshal([]byte(`{"Name":"Grace"}`), r)
		case *value:
			if r.GetValue() != "" {
				t.Errorf("the second attempt finds %v in its reply", r)
			}
		}
		return nil
	}
	intercept := firebreakgrpc.UnaryClientInterceptor(stackOf(atOnce()))
	got := profile{Unit: "kept"}
	if err := intercept(t.Context(), lookup, nil, &got, nil, invoker); err != nil {
		t.Fatal(err)
	}
	if want := (profile{Name: "Grace", Unit: "kept"}); got != want {
		t.Errorf("the reply is %+v, want %+v", got, want)
	}
	attempts = 0
	if err := intercept(t.Context(), lookup, nil, new(value), nil, invoker); err != nil {
		t.Fatal(err)
	}
}

// What a policy of the user's answers in place of the server is the reply, and nothing of
// a failed attempt is in it.
func TestA9_174_Fallback(t *testing.T) {
	dirty := func(_ context.Context, _ string, _, reply any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
		switch r := reply.(type) {
		case *value:
			r.Value = "dirty"
		case *profile:
			r.Nick = "dirty"
		}
		return status.Error(codes.Unavailable, "no")
	}
	for _, test := range []struct {
		answer, reply, want any
	}{
		{wrapperspb.String("saved"), new(value), wrapperspb.String("saved")},
		{wrapperspb.String(""), new(value), wrapperspb.String("")},
		{&profile{Name: "saved"}, new(profile), &profile{Name: "saved"}},
		{wrapperspb.Bool(true), new(value), nil},
		{(*profile)(nil), new(profile), nil},
		{"saved", new(value), nil},
		{nil, new(value), nil},
	} {
		fallback := policyFunc(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
			if result, err := next(ctx, c); err == nil || result != nil {
				t.Errorf("a failed attempt has the result %v", result)
			}
			return test.answer, nil
		})
		err := firebreakgrpc.UnaryClientInterceptor(stackOf(fallback))(t.Context(), lookup, nil, test.reply, nil, dirty)
		if test.want == nil {
			wantStatus(t, err, codes.Internal)
			continue
		}
		if got, want := fmt.Sprint(test.reply), fmt.Sprint(test.want); err != nil || got != want {
			t.Errorf("the answer %v became %q and %v, want %q", test.answer, got, err, want)
		}
	}
}

// "Interceptor = per call, stats.Handler = per attempt (Begin.IsTransparentRetryAttempt).
// Breakers belong to interceptors, attempt metrics to stats." What gRPC sends again by
// itself, because the server has not looked at it, is one attempt.
func TestA9_175_TransparentRetriesAreNotCounted(t *testing.T) {
	refusing := newRefusingServer(t)
	r := new(recorder)
	begins := new(beginCounter)
	conn := connect(t, refusing.dial, append(through(atOnce(), r), grpc.WithStatsHandler(begins))...)
	_, err := ask(t.Context(), conn, buy)
	wantStatus(t, err, codes.Unavailable)
	calls, _ := r.seen()
	if got := begins.Load(); len(calls) != 1 || got != 2 {
		t.Errorf("policies saw %d attempts, gRPC began %d, want 1 and 2", len(calls), got)
	}
	if got := refusing.streams.Load(); got != 2 {
		t.Errorf("the server saw %d streams, want 2", got)
	}
}
