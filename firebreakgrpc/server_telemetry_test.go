package firebreakgrpc_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/firebreakgrpc"
	"github.com/firebreak-go/firebreak/timeout"
)

// traced is a Stack whose spans are kept.
type traced struct {
	*firebreak.Stack

	spans    *tracetest.InMemoryExporter
	provider *sdktrace.TracerProvider
}

func newTraced(policies ...firebreak.Policy) *traced {
	spans := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	return &traced{firebreak.New("server", policies...).WithProviders(provider, nil), spans, provider}
}

// texts returns the spans in words: name, kind, status and attributes, sorted.
func (r *traced) texts() (texts []string) {
	for _, span := range r.spans.GetSpans() {
		var attrs []string
		for _, a := range span.Attributes {
			attrs = append(attrs, string(a.Key)+"="+a.Value.String())
		}
		slices.Sort(attrs)
		texts = append(texts, fmt.Sprintf("%s [%v, %v] %s", span.Name, span.SpanKind, span.Status.Code, strings.Join(attrs, " ")))
	}
	slices.Sort(texts)
	return texts
}

// A server without instrumentation gets a SERVER span by the conventions, with what the
// policies say of it: a call that is refused in the tap, too, of which nobody else knows.
func TestServerSpan(t *testing.T) {
	const own = " client.address=bufconn firebreak.attempts=%d firebreak.deadline.source=policy firebreak.op=%s firebreak.outcome=%s firebreak.stack=server" +
		" rpc.method=%s%s rpc.response.status_code=%s rpc.system.name=grpc server.address=bufconn"
	attributes := func(attempts int, method, outcome, original, code string) string {
		op := method
		if method != "_OTHER" {
			op = "/" + method
		}
		return fmt.Sprintf(own, attempts, op, outcome, method, original, code)
	}
	get := func(end func(ctx context.Context) error) *backend {
		return &backend{
			get:  func(ctx context.Context, in *text) (*text, error) { return in, end(ctx) },
			list: func(_ *text, stream grpc.ServerStream) error { return end(stream.Context()) },
		}
	}
	for _, test := range []struct {
		name     string
		backend  *backend
		method   string
		policies func() []firebreak.Policy
		tap      []string // the spans with a tap
		plain    []string // and without; nil if they are the same
	}{
		{
			name: "ok", backend: new(backend), method: methodGet,
			tap: []string{"test.Backend/Get [server, Unset]" + attributes(1, "test.Backend/Get", "ok", "", "OK")},
		},
		{
			name: "stream", backend: new(backend), method: methodList,
			tap: []string{"test.Backend/List [server, Unset]" + attributes(1, "test.Backend/List", "ok", "", "OK")},
		},
		{
			name: "the caller's fault", backend: get(func(context.Context) error { return status.Error(codes.NotFound, "no") }), method: methodGet,
			tap: []string{"test.Backend/Get [server, Unset]" + attributes(1, "test.Backend/Get", "ok", "", "NOT_FOUND")},
		},
		{
			name: "failure", backend: get(func(context.Context) error { return status.Error(codes.Internal, "disk") }), method: methodGet,
			tap: []string{"test.Backend/Get [server, Error]" + attributes(1, "test.Backend/Get", "failed", "", "INTERNAL") + " error.type=INTERNAL"},
		},
		{
			name: "an error without a status", backend: get(func(context.Context) error { return fmt.Errorf("disk") }), method: methodList,
			tap: []string{"test.Backend/List [server, Error]" + attributes(1, "test.Backend/List", "failed", "", "UNKNOWN") + " error.type=UNKNOWN"},
		},
		{
			name: "timeout", backend: get(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }), method: methodGet,
			tap: []string{
				"firebreak.timeout [internal, Unset] firebreak.after=1 firebreak.policy=timeout firebreak.scope=call",
				"test.Backend/Get [server, Error]" + attributes(1, "test.Backend/Get", "timeout", "", "DEADLINE_EXCEEDED") + " error.type=DEADLINE_EXCEEDED",
			},
		},
		{
			name: "refused", backend: new(backend), method: methodGet, policies: func() []firebreak.Policy { return []firebreak.Policy{&seats{"taken"}} },
			tap: []string{ // of a method that nobody has called yet
				"firebreak.reject [internal, Unset] firebreak.limit=4 firebreak.policy=seats firebreak.reason=taken firebreak.usage=4",
				"grpc [server, Unset]" + attributes(0, "_OTHER", "rejected", " rpc.method_original=test.Backend/Get", "RESOURCE_EXHAUSTED") + " error.type=seats.taken",
			},
			plain: []string{
				"firebreak.reject [internal, Unset] firebreak.limit=4 firebreak.policy=seats firebreak.reason=taken firebreak.usage=4",
				"test.Backend/Get [server, Unset]" + attributes(0, "test.Backend/Get", "rejected", "", "RESOURCE_EXHAUSTED") + " error.type=seats.taken",
			},
		},
	} {
		for way, options := range ways {
			t.Run(test.name+"/"+way, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					policies := []firebreak.Policy{timeout.New(time.Second)}
					if test.policies != nil {
						policies = append(test.policies(), policies...)
					}
					r := newTraced(policies...)
					s := serve(t, test.backend, options(r.Stack)...)
					_ = s.Invoke(t.Context(), test.method, wrapperspb.String("hello"), new(text))
					synctest.Wait()
					want := test.tap
					if way != "tap" && test.plain != nil {
						want = test.plain
					}
					if d := cmp.Diff(sorted(want), sorted(r.texts())); d != "" {
						t.Errorf("spans (-want +got):\n%s", d)
					}
				})
			})
		}
	}
}

// sorted sorts the words of each line.
func sorted(lines []string) (out []string) {
	for _, line := range lines {
		words := strings.Fields(line)
		slices.Sort(words)
		out = append(out, strings.Join(words, " "))
	}
	return out
}

// A handler that panics has its span ended.
func TestServerSpanOfAPanic(t *testing.T) {
	r := newTraced(timeout.New(time.Second))
	interceptor := firebreakgrpc.UnaryServerInterceptor(r.Stack)
	func() {
		defer func() { _ = recover() }()
		_, _ = interceptor(t.Context(), new(text), &grpc.UnaryServerInfo{FullMethod: methodGet}, func(context.Context, any) (any, error) { panic("a panic") })
	}()
	got := strings.Join(r.texts(), "\n")
	if !strings.HasPrefix(got, "test.Backend/Get [server, Error] error.type=*errors.errorString firebreak.attempts=1") || strings.Contains(got, "status_code") {
		t.Errorf("got %s, want an error without a status", got)
	}
}

// Whose span is there already, as that of otelgrpc, has it added to.
func TestServerSpanThatIsThere(t *testing.T) {
	r := newTraced(one(), timeout.New(time.Second))
	interceptor := firebreakgrpc.UnaryServerInterceptor(r.Stack)
	ctx, span := r.provider.Tracer("otelgrpc").Start(t.Context(), "test.Backend/Get", trace.WithSpanKind(trace.SpanKindServer))
	if _, err := interceptor(ctx, new(text), &grpc.UnaryServerInfo{FullMethod: methodGet}, func(context.Context, any) (any, error) { return new(text), nil }); err != nil {
		t.Fatal(err)
	}
	if n := len(r.spans.GetSpans()); n != 0 {
		t.Errorf("%d spans have ended, want that of the server to go on", n)
	}
	span.End()
	if got := strings.Join(r.texts(), "\n"); strings.Contains(got, "\n") || !strings.Contains(got, "firebreak.outcome=ok") || strings.Contains(got, "rpc.") {
		t.Errorf("got %s, want the server's span with the outcome", got)
	}
}

// The span goes on from the caller's, also that of a call which is refused in the tap, and
// a trace that is not sampled stays so.
func TestServerSpanOfACaller(t *testing.T) {
	otel.SetTextMapPropagator(propagation.TraceContext{})
	t.Cleanup(func() { otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator()) })
	for _, policy := range []firebreak.Policy{one(), &seats{"taken"}} {
		for flags, want := range map[string]int{"01": 1, "00": 0} {
			r := newTraced(policy, timeout.New(time.Second))
			var seen trace.SpanContext
			s := serve(t, &backend{get: func(ctx context.Context, in *text) (*text, error) {
				seen = trace.SpanContextFromContext(ctx)
				return in, nil
			}}, firebreakgrpc.ServerOptions(r.Stack)...)
			_, err := s.get(metadata.AppendToOutgoingContext(t.Context(), "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-"+flags))
			s.server.GracefulStop()
			servers := 0
			for _, span := range r.spans.GetSpans() {
				if span.SpanContext.TraceID().String() != "0af7651916cd43dd8448eb211c80319c" {
					t.Errorf("the span %q is of the trace %v, want that of the caller", span.Name, span.SpanContext.TraceID())
				}
				if span.SpanKind == trace.SpanKindServer {
					servers++
					if got := span.Parent.SpanID().String(); got != "b7ad6b7169203331" {
						t.Errorf("the parent is %v, want the caller's span", got)
					}
				}
			}
			if servers != want || err == nil && (seen.TraceID().String() != "0af7651916cd43dd8448eb211c80319c" || seen.IsSampled() != (want == 1)) {
				t.Errorf("flags %s: %d spans, the handler sees %v, want %d of the same trace", flags, servers, seen, want)
			}
		}
	}
}
