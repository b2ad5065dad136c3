package firebreakgrpc_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/timeout"
)

// Where otelgrpc makes the span of a call, firebreak adds to it and makes none. It does not
// know of calls that are refused in the tap, nor of those that it is told to leave out:
// those have firebreak's.
func TestServerWithOtelgrpc(t *testing.T) {
	const theirs, ours = "otelgrpc", "firebreak"
	for _, test := range []struct {
		name    string
		method  string
		refused bool
		filter  bool // otelgrpc leaves it out
		way     string
		want    string // whose span it is
	}{
		{"unary", methodGet, false, false, "tap", theirs},
		{"stream", methodList, false, false, "tap", theirs},
		{"refused by the interceptor", methodGet, true, false, "interceptors", theirs},
		{"refused in the tap", methodGet, true, false, "tap", ours},
		{"left out", methodGet, false, true, "tap", ours},
		{"left out and refused", methodGet, true, true, "interceptors", ours},
	} {
		t.Run(test.name, func(t *testing.T) {
			slots := one()
			r := newTraced(slots, timeout.New(time.Second))
			if test.refused {
				if _, rejection := slots.Reserve(t.Context(), firebreak.Call{}); rejection != nil {
					t.Fatal(rejection)
				}
			}
			otel := otelgrpc.NewServerHandler(otelgrpc.WithTracerProvider(r.provider), otelgrpc.WithFilter(func(*stats.RPCTagInfo) bool { return !test.filter }))
			var seen trace.Span
			b := &backend{
				get: func(ctx context.Context, in *text) (*text, error) {
					seen = trace.SpanFromContext(ctx)
					return in, nil
				},
				list: func(_ *text, stream grpc.ServerStream) error {
					seen = trace.SpanFromContext(stream.Context())
					return nil
				},
			}
			s := serve(t, b, append([]grpc.ServerOption{grpc.StatsHandler(otel)}, ways[test.way](r.Stack)...)...)
			err := s.Invoke(t.Context(), test.method, new(text), new(text))
			if test.refused {
				wantCode(t, err, codes.ResourceExhausted, "the call")
			}
			s.server.GracefulStop()
			var servers, whose []string
			for _, span := range r.spans.GetSpans() {
				if span.SpanKind != trace.SpanKindServer {
					continue
				}
				servers = append(servers, span.Name)
				whose = append(whose, theirs)
				if !strings.Contains(span.InstrumentationScope.Name, theirs) {
					whose[len(whose)-1] = ours
				}
				attrs := make(map[string]string)
				for _, a := range span.Attributes {
					attrs[string(a.Key)] = a.Value.String()
				}
				if attrs["firebreak.stack"] != "server" || attrs["firebreak.outcome"] == "" || attrs["rpc.response.status_code"] == "" {
					t.Errorf("the span has %v, want what the policies and gRPC say of it", attrs)
				}
				if seen != nil && seen.SpanContext().SpanID() != span.SpanContext.SpanID() {
					t.Error("the handler has another span than the server's")
				}
			}
			if len(servers) != 1 || whose[0] != test.want {
				t.Errorf("the server's spans are %v, of %v, want one, of %s", servers, whose, test.want)
			}
		})
	}
}
