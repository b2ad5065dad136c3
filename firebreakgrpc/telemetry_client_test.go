package firebreakgrpc_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakgrpc"
)

// traces keeps the spans that have ended.
type traces struct {
	spans  *tracetest.InMemoryExporter
	tracer *sdktrace.TracerProvider
}

func newTraces(options ...sdktrace.TracerProviderOption) *traces {
	r := &traces{spans: tracetest.NewInMemoryExporter()}
	r.tracer = sdktrace.NewTracerProvider(append(options, sdktrace.WithSyncer(r.spans))...)
	return r
}

// through returns the options for a stack of policies that reports to r.
func (r *traces) through(policies ...firebreak.Policy) []grpc.DialOption {
	return firebreakgrpc.DialOptions(r.stack(policies...), firebreakgrpc.Propagator(propagation.TraceContext{}))
}

func (r *traces) stack(policies ...firebreak.Policy) *firebreak.Stack {
	return stackOf(policies...).WithProviders(r.tracer, nil)
}

// tree writes the spans as an indented tree in the order in which they began: name, kind,
// status, attributes. Of operation and policy spans, which are not of this package, the
// attributes are left out.
func (r *traces) tree() string {
	spans := r.spans.GetSpans()
	slices.SortStableFunc(spans, func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) })
	known := make(map[trace.SpanID]bool)
	for _, s := range spans {
		known[s.SpanContext.SpanID()] = true
	}
	var b strings.Builder
	var write func(parent trace.SpanID, indent string)
	write = func(parent trace.SpanID, indent string) {
		for _, s := range spans {
			if s.Parent.SpanID() != parent && (parent.IsValid() || known[s.Parent.SpanID()]) {
				continue
			}
			fmt.Fprintf(&b, "%s%s [%s, %s]", indent, s.Name, s.SpanKind, strings.TrimSpace(s.Status.Code.String()+" "+s.Status.Description))
			if !strings.HasPrefix(s.Name, "firebreak") {
				b.WriteString(" " + inOrder(s.Attributes))
			}
			b.WriteString("\n")
			write(s.SpanContext.SpanID(), indent+"  ")
		}
	}
	write(trace.SpanID{}, "")
	return b.String()
}

func inOrder(attrs []attribute.KeyValue) string {
	set := attribute.NewSet(attrs...)
	var texts []string
	for _, kv := range set.ToSlice() {
		texts = append(texts, string(kv.Key)+"="+kv.Value.String())
	}
	return strings.Join(texts, " ")
}

func (r *traces) want(t *testing.T, want string) {
	t.Helper()
	if d := cmp.Diff(strings.TrimPrefix(want, "\n"), r.tree()); d != "" {
		t.Errorf("the trace (-want +got):\n%s", d)
	}
}

// clientSpans returns the ids of the spans of attempts, in the order of their ends.
func (r *traces) clientSpans() (ids []string) {
	for _, s := range r.spans.GetSpans() {
		if s.SpanKind == trace.SpanKindClient {
			ids = append(ids, s.SpanContext.SpanID().String())
		}
	}
	return ids
}

// sentFrom returns the ids of the spans that the calls came from, as the server sees it.
func (s *shop) sentFrom() (ids []string) {
	for _, v := range s.seen() {
		for _, parent := range v.header("traceparent") {
			ids = append(ids, strings.Split(parent, "-")[2])
		}
	}
	return ids
}

const (
	ours   = `rpc.method=test.Shop/Lookup rpc.response.status_code=UNAVAILABLE rpc.system.name=grpc server.address=shop`
	oursOK = `rpc.method=test.Shop/Lookup rpc.response.status_code=OK rpc.system.name=grpc server.address=shop`
)

// The operation span is around a CLIENT span for each attempt, by the RPC conventions,
// which is what the server has as its parent.
func TestAttemptSpans(t *testing.T) {
	r := newTraces()
	s := &shop{unary: failing(2, status.Error(codes.Unavailable, "no"))}
	if _, err := ask(t.Context(), s.serve(t, r.through(atOnce())...), lookup); err != nil {
		t.Fatal(err)
	}
	r.want(t, `
firebreak shop [internal, Unset]
  test.Shop/Lookup [client, Error no] error.type=UNAVAILABLE `+ours+`
  firebreak.retry.backoff [internal, Unset]
  test.Shop/Lookup [client, Error no] error.type=UNAVAILABLE firebreak.attempt=2 `+ours+`
  firebreak.retry.backoff [internal, Unset]
  test.Shop/Lookup [client, Unset] firebreak.attempt=3 `+oursOK+`
`)
	if d := cmp.Diff(r.clientSpans(), s.sentFrom()); d != "" {
		t.Errorf("parents that the server sees (-want +got):\n%s", d)
	}
	r.spans.Reset()
	s.unary = failing(9, status.Error(codes.NotFound, "no"))
	_, err := ask(t.Context(), s.serve(t, r.through()...), lookup)
	wantStatus(t, err, codes.NotFound) // an error by the conventions, and an answer for the policies
	r.want(t, `
firebreak shop [internal, Unset]
  test.Shop/Lookup [client, Error no] error.type=NOT_FOUND rpc.method=test.Shop/Lookup rpc.response.status_code=NOT_FOUND rpc.system.name=grpc server.address=shop
`)
}

// What the call ends with is in its error.type: the code, not a type of Go.
func TestOperationSpan(t *testing.T) {
	r := newTraces()
	s := &shop{unary: failing(9, status.Error(codes.Internal, "no"))}
	_, err := ask(t.Context(), s.serve(t, r.through()...), lookup)
	wantStatus(t, err, codes.Internal)
	for _, span := range r.spans.GetSpans() {
		if span.Name != "firebreak shop" {
			continue
		}
		want := "error.type=INTERNAL firebreak.attempts=1 firebreak.deadline.source=policy firebreak.op=/test.Shop/Lookup " +
			"firebreak.outcome=failed firebreak.stack=shop server.address=shop"
		if d := cmp.Diff(want, inOrder(span.Attributes)); d != "" {
			t.Errorf("attributes (-want +got):\n%s", d)
		}
		return
	}
	t.Error("there is no operation span")
}

// Where otelgrpc makes the spans of the attempts, before the options of firebreak or behind
// them, firebreak makes none and adds to those.
func TestAttemptSpansOfOtelgrpc(t *testing.T) {
	for _, behind := range []bool{false, true} {
		r := newTraces()
		s := &shop{unary: failing(1, status.Error(codes.Unavailable, "no"))}
		theirs := grpc.WithStatsHandler(otelgrpc.NewClientHandler(otelgrpc.WithTracerProvider(r.tracer), otelgrpc.WithPropagators(propagation.TraceContext{})))
		options := append([]grpc.DialOption{theirs}, r.through(atOnce())...)
		if behind {
			options = append(r.through(atOnce()), theirs)
		}
		if _, err := ask(t.Context(), s.serve(t, options...), lookup); err != nil {
			t.Fatal(err)
		}
		r.want(t, `
firebreak shop [internal, Unset]
  test.Shop/Lookup [client, Error no] rpc.method=test.Shop/Lookup rpc.response.status_code=UNAVAILABLE rpc.system.name=grpc server.address=bufconn
  firebreak.retry.backoff [internal, Unset]
  test.Shop/Lookup [client, Unset] firebreak.attempt=2 rpc.method=test.Shop/Lookup rpc.response.status_code=OK rpc.system.name=grpc server.address=bufconn
`)
		if d := cmp.Diff(r.clientSpans(), s.sentFrom()); d != "" {
			t.Errorf("parents that the server sees (-want +got):\n%s", d)
		}
		if got := len(s.seen()[1].header("traceparent")); got != 1 {
			t.Errorf("the server sees %d parents of a call, want one", got)
		}
	}
}

// otelgrpc outside: the call is made for one that a server instrumented by it serves, and
// within a span of an interceptor further out.
func TestAttemptSpansWithinOtelgrpc(t *testing.T) {
	r := newTraces()
	inner := new(shop)
	conn := inner.serve(t, append([]grpc.DialOption{grpc.WithChainUnaryInterceptor(func(
		ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption,
	) error {
		ctx, span := r.tracer.Tracer("test").Start(ctx, "token") //nolint:spancheck // what it ends with is not looked at
		defer span.End()
		return invoker(ctx, method, req, reply, cc, opts...) //nolint:spancheck // what it ends with is not looked at
	})}, r.through()...)...)
	outer := &shop{unary: func(v visit, in *value) (*value, error) {
		_, err := ask(v.ctx, conn, lookup)
		return in, err
	}}
	outer.server = []grpc.ServerOption{
		grpc.StatsHandler(otelgrpc.NewServerHandler(otelgrpc.WithTracerProvider(r.tracer), otelgrpc.WithPropagators(propagation.TraceContext{}))),
	}
	if _, err := ask(t.Context(), outer.serve(t), buy); err != nil {
		t.Fatal(err)
	}
	r.waitFor(t, 4)
	r.want(t, `
test.Shop/Buy [server, Unset] rpc.method=test.Shop/Buy rpc.response.status_code=OK rpc.system.name=grpc server.address=bufconn
  token [internal, Unset] 
    firebreak shop [internal, Unset]
      test.Shop/Lookup [client, Unset] `+oursOK+`
`)
}

// waitFor waits until n spans have ended: that of a server may do so after its answer.
func (r *traces) waitFor(t *testing.T, n int) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); len(r.spans.GetSpans()) < n; {
		if time.Now().After(end) {
			t.Fatalf("%d spans have ended, want %d", len(r.spans.GetSpans()), n)
		}
	}
}

// The interceptors on their own make the spans themselves: nobody watches.
func TestAttemptSpansOfInterceptorsAlone(t *testing.T) {
	r := newTraces()
	s := &shop{unary: failing(1, status.Error(codes.Unavailable, "no"))}
	conn := s.serve(t,
		grpc.WithUnaryInterceptor(firebreakgrpc.UnaryClientInterceptor(r.stack(atOnce()), firebreakgrpc.Propagator(propagation.TraceContext{}))),
		grpc.WithStreamInterceptor(firebreakgrpc.StreamClientInterceptor(r.stack(atOnce()), firebreakgrpc.Propagator(propagation.TraceContext{}))))
	if _, err := ask(t.Context(), conn, lookup); err != nil {
		t.Fatal(err)
	}
	stream, err := open(t.Context(), conn, feed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := read(stream); err != nil {
		t.Fatal(err)
	}
	r.want(t, `
firebreak shop [internal, Unset]
  test.Shop/Lookup [client, Error no] error.type=UNAVAILABLE `+ours+`
  firebreak.retry.backoff [internal, Unset]
  test.Shop/Lookup [client, Unset] firebreak.attempt=2 `+oursOK+`
firebreak shop [internal, Unset]
  test.Shop/Feed [client, Unset] rpc.method=test.Shop/Feed rpc.response.status_code=OK rpc.system.name=grpc server.address=shop
`)
	if d := cmp.Diff(r.clientSpans(), s.sentFrom()); d != "" {
		t.Errorf("parents that the server sees (-want +got):\n%s", d)
	}
}

// The span of a stream's attempt lasts as long as the stream.
func TestAttemptSpanOfAStream(t *testing.T) {
	for _, method := range []string{feed, haggle} {
		r := newTraces()
		s := &shop{stream: func(_ visit, stream grpc.ServerStream) error {
			if err := tell(stream, "news"); err != nil {
				return err
			}
			<-stream.Context().Done()
			return nil
		}}
		ctx, cancel := context.WithCancel(t.Context())
		stream, err := open(ctx, s.serve(t, r.through(atOnce())...), method)
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.RecvMsg(new(value)); err != nil {
			t.Fatal(err)
		}
		if got := r.tree(); got != "" {
			t.Errorf("while %s is open these spans have ended:\n%s", method, got)
		}
		cancel()
		_, err = read(stream)
		wantStatus(t, err, codes.Canceled)
		r.waitFor(t, 2)
		name := strings.TrimPrefix(method, "/")
		r.want(t, `
firebreak shop [internal, Unset]
  `+name+` [client, Unset] error.type=CANCELLED rpc.method=`+name+` rpc.response.status_code=CANCELLED rpc.system.name=grpc server.address=shop
`)
	}
}

// A caller who gave up is no error; a rejection makes no attempt.
func TestAttemptSpanOfAnEnd(t *testing.T) {
	r := newTraces()
	ctx, cancel := context.WithCancel(t.Context())
	s := &shop{unary: func(v visit, _ *value) (*value, error) { cancel(); <-v.ctx.Done(); return nil, v.ctx.Err() }}
	conn := s.serve(t, r.through(bulkhead.New(bulkhead.Config{MaxCalls: 1}))...)
	_, err := ask(ctx, conn, lookup)
	wantStatus(t, err, codes.Canceled)
	for _, span := range r.spans.GetSpans() {
		if span.Status.Code.String() != "Unset" {
			t.Errorf("%s has the status %v, want none", span.Name, span.Status)
		}
	}
	r.spans.Reset()
	panicking := func(context.Context, string, any, any, *grpc.ClientConn, grpc.UnaryInvoker, ...grpc.CallOption) error {
		panic("test")
	}
	alone := firebreakgrpc.UnaryClientInterceptor(r.stack())
	func() {
		defer func() { _ = recover() }()
		_ = alone(t.Context(), lookup, nil, new(value), nil, func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, opts ...grpc.CallOption) error {
			return panicking(ctx, method, req, reply, cc, nil, opts...)
		})
	}()
	r.want(t, `
firebreak shop [internal, Error attempt did not return]
  test.Shop/Lookup [client, Error attempt did not return] error.type=*errors.errorString rpc.method=test.Shop/Lookup rpc.system.name=grpc
`)
}

// What gRPC sends again by itself is one attempt, with one span.
func TestAttemptSpanOfATransparentRetry(t *testing.T) {
	started := new(starts)
	r := newTraces(sdktrace.WithSpanProcessor(started))
	refusing := newRefusingServer(t)
	conn := connect(t, refusing.dial, r.through()...)
	_, err := ask(t.Context(), conn, buy)
	wantStatus(t, err, codes.Unavailable)
	if ended, streams := len(r.clientSpans()), refusing.streams.Load(); ended != 1 || len(started.spans) != 2 || streams != 2 {
		t.Errorf("%q began and %d attempts ended for %d streams, want the operation, one attempt, and two streams", started.spans, ended, streams)
	}
}

// starts notes which spans begin.
type starts struct {
	sdktrace.SpanProcessor

	spans []string
}

func (s *starts) OnStart(_ context.Context, span sdktrace.ReadWriteSpan) {
	s.spans = append(s.spans, span.Name())
}
func (s *starts) OnEnd(sdktrace.ReadOnlySpan) {}

// Under a parent that is not sampled there are no spans, but the trace goes on; with no
// parent and no SDK there is nothing.
func TestUnsampledParent(t *testing.T) {
	parent := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	for name, r := range map[string]*traces{"SDK": newTraces(), "unsampled": newTraces(sdktrace.WithSampler(sdktrace.NeverSample()))} {
		s := new(shop)
		conn := s.serve(t, r.through()...)
		if _, err := ask(trace.ContextWithSpanContext(t.Context(), parent), conn, lookup); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{parent.SpanID().String()}, s.sentFrom()); d != "" {
			t.Errorf("%s: parents that the server sees (-want +got):\n%s", name, d)
		}
		if got := r.tree(); got != "" {
			t.Errorf("%s: spans under a parent that is not sampled:\n%s", name, got)
		}
	}
	s := new(shop)
	conn := s.serve(t, firebreakgrpc.DialOptions(stackOf(), firebreakgrpc.Propagator(propagation.TraceContext{}))...)
	if _, err := ask(t.Context(), conn, lookup); err != nil {
		t.Fatal(err)
	}
	if got := s.sentFrom(); len(got) > 0 {
		t.Errorf("without an SDK the server sees the parents %v", got)
	}
}

// Baggage of several values, and a header of the caller's own that the propagator replaces.
func TestPropagatorReplaces(t *testing.T) {
	r := newTraces()
	s := new(shop)
	conn := s.serve(t, r.through()...)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "traceparent", "forwarded", "k", "v")
	if _, err := ask(ctx, conn, lookup); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(r.clientSpans(), s.sentFrom()); d != "" {
		t.Errorf("parents that the server sees (-want +got):\n%s", d)
	}
	if got := s.seen()[0].header("k"); len(got) != 1 || got[0] != "v" {
		t.Errorf("the metadata of the caller are %q, want v", got)
	}
}

// A stats.Handler that another Stack further in brings along sees its own attempts only.
func TestWatchersOfTwoStacks(t *testing.T) {
	r, outer := new(recorder), new(recorder)
	conn := connect(t, refused, append(through(atOnce(), outer), through(atOnce(), r)...)...)
	_, err := ask(t.Context(), conn, buy)
	wantStatus(t, err, codes.Unavailable)
	calls, _ := r.seen()
	if outerCalls, _ := outer.seen(); len(outerCalls) != 1 || len(calls) != 3 {
		t.Errorf("%d attempts of the outer Stack and %d of the inner one, want 1 and 3", len(outerCalls), len(calls))
	}
}
