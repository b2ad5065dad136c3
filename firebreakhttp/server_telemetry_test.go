package firebreakhttp_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/firebreakhttp"
	"github.com/firebreak-go/firebreak/timeout"
)

// withPropagation has the global propagator be that of W3C for the test.
func withPropagation(t *testing.T) {
	t.Helper()
	otel.SetTextMapPropagator(propagation.TraceContext{})
	t.Cleanup(func() { // what was there before passes on to the first that is set, for good
		otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator())
	})
}

// A server without instrumentation gets a SERVER span by the conventions, with what the
// policies say of it.
func TestServerSpan(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{id}", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/broken", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) })
	mux.HandleFunc("/slow", untilDone)
	mux.HandleFunc("/half", func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("half"))
		<-r.Context().Done()
	})
	const common = " http.request.method=GET network.protocol.version=1.1 server.address=example.com url.scheme=http user_agent.original=test"
	for _, c := range []struct {
		path, want string
		policies   []firebreak.Policy
	}{
		{path: "/orders/7?secret=1", want: "GET /orders/{id} [server, Unset] firebreak.attempts=1 firebreak.op=GET /orders/{id} firebreak.outcome=ok" +
			" http.response.status_code=200 http.route=/orders/{id} url.path=/orders/7"},
		{path: "/nothing", want: "GET [server, Unset] firebreak.attempts=1 firebreak.op=GET firebreak.outcome=ok http.response.status_code=404 url.path=/nothing"},
		{path: "/broken", want: "GET /broken [server, Error] error.type=502 firebreak.attempts=1 firebreak.op=/broken firebreak.outcome=failed" +
			" http.response.status_code=502 http.route=/broken url.path=/broken"},
		{path: "/slow", want: "GET /slow [server, Error] error.type=503 firebreak.attempts=1 firebreak.op=/slow firebreak.outcome=timeout" +
			" http.response.status_code=503 http.route=/slow url.path=/slow\n  firebreak.timeout [internal, Unset]"},
		{path: "/half", want: "GET /half [server, Error] error.type=timeout firebreak.attempts=1 firebreak.op=/half firebreak.outcome=timeout" +
			" http.response.status_code=200 http.route=/half url.path=/half\n  firebreak.timeout [internal, Unset]"},
		{path: "/orders/7", policies: []firebreak.Policy{fullBulkhead()}, want: "GET /orders/{id} [server, Error] error.type=503 firebreak.attempts=0 firebreak.op=GET /orders/{id}" +
			" firebreak.outcome=rejected http.response.status_code=503 http.route=/orders/{id} url.path=/orders/7\n  firebreak.reject [internal, Unset]"},
	} {
		t.Run(c.path, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRecorder()
				h := firebreakhttp.Handler(mux, r.stack(append(c.policies, second())...))
				serveTo(h, incoming("GET", c.path, "User-Agent", "test"))
				want := strings.Fields(c.want + common + " client.address=192.0.2.1 firebreak.stack=payments firebreak.deadline.source=policy")
				first, rest, _ := strings.Cut(r.tree(), "\n")
				got := strings.Fields(first)
				for line := range strings.SplitSeq(strings.TrimSpace(rest), "\n") {
					got = append(got, strings.Fields(line)[:min(3, len(strings.Fields(line)))]...)
				}
				slices.Sort(got)
				slices.Sort(want)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("span (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func fullBulkhead() firebreak.Policy {
	full := one()
	_, _ = full.Allow(context.Background(), firebreak.Call{})
	return full
}

// Whose span is there already, as that of otelhttp, has it added to.
func TestServerSpanThatIsThere(t *testing.T) {
	r := newRecorder()
	h := firebreakhttp.Handler(http.NotFoundHandler(), r.stack())
	ctx, span := r.tracer.Tracer("otelhttp").Start(t.Context(), "GET", trace.WithSpanKind(trace.SpanKindServer))
	serveTo(h, incoming("GET", "/").WithContext(ctx))
	if n := len(r.spans.GetSpans()); n != 0 {
		t.Errorf("%d spans have ended, want that of the server to go on", n)
	}
	span.End()
	if got := r.tree(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "firebreak.outcome=ok") || strings.Contains(got, "http.response.status_code") {
		t.Errorf("got\n%swant the server's span with the outcome", got)
	}
}

// The span goes on from the caller's, and a trace that is not sampled stays so further on.
func TestServerSpanOfACaller(t *testing.T) {
	withPropagation(t)
	for flags, want := range map[string]int{"01": 1, "00": 0} {
		r := newRecorder()
		var seen trace.SpanContext
		h := firebreakhttp.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			seen = trace.SpanContextFromContext(r.Context())
		}), r.stack())
		serveTo(h, incoming("GET", "/", "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-"+flags))
		spans := r.spans.GetSpans()
		if len(spans) != want || seen.TraceID().String() != "0af7651916cd43dd8448eb211c80319c" || seen.IsSampled() != (want == 1) {
			t.Errorf("flags %s: %d spans, the handler sees %v, want %d of the same trace", flags, len(spans), seen, want)
		}
		if want == 1 && spans[0].Parent.SpanID().String() != "b7ad6b7169203331" {
			t.Errorf("the parent is %v, want the caller's span", spans[0].Parent)
		}
	}
}

// A client that has gone is no error: 499, as servers write that down.
func TestServerSpanOfAClientThatIsGone(t *testing.T) {
	for name, policies := range map[string][]firebreak.Policy{"in the handler": nil, "in the queue": {fullBulkhead()}} {
		r := newRecorder()
		ctx, cancel := context.WithCancel(t.Context())
		h := firebreakhttp.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { cancel() }), r.stack(policies...))
		if len(policies) > 0 {
			cancel()
		}
		serveTo(h, incoming("GET", "/").WithContext(ctx))
		got := r.tree()
		if !strings.Contains(got, "http.response.status_code=499") || !strings.Contains(got, "[server, Unset]") || !strings.Contains(got, "firebreak.outcome=canceled") {
			t.Errorf("%s: got\n%s", name, got)
		}
	}
}

// A span ends also if the handler does not return.
func TestServerSpanOfAPanic(t *testing.T) {
	r := newRecorder()
	h := firebreakhttp.Handler(panicking("a panic"), r.stack())
	_, _ = panics(h, incoming("GET", "/"))
	if got := r.tree(); !strings.Contains(got, "[server, Error]") || strings.Contains(got, "http.response.status_code") {
		t.Errorf("got\n%swant an error without a status", got)
	}
}

// What a stranger writes into Host is a server's address only if it may be one.
func TestServerSpanOfHostileRequests(t *testing.T) {
	for host, want := range map[string]string{
		"example.com":              "example.com",
		"example.com:8443":         "example.com 8443",
		"[::1]:8080":               "::1 8080",
		"127.0.0.1":                "127.0.0.1",
		"evil\nhost":               "",
		"a b":                      "",
		"<script>":                 "",
		"example.com:99999":        "",
		"example.com:http":         "",
		strings.Repeat("a", 1_000): "",
		"":                         "",
	} {
		r := newRecorder()
		req := incoming("BREW", "/")
		req.Host, req.RemoteAddr = host, "not an address"
		serveTo(firebreakhttp.Handler(http.NotFoundHandler(), r.stack()), req)
		span, got := r.spans.GetSpans()[0], []string{}
		for _, kv := range span.Attributes {
			switch kv.Key {
			case "server.address", "server.port":
				got = append(got, kv.Value.String())
			case "http.request.method":
				if kv.Value.AsString() != "_OTHER" {
					t.Errorf("the method is %v, want _OTHER", kv.Value.String())
				}
			case "client.address":
				t.Errorf("the client's address is %v, want none", kv.Value.String())
			}
		}
		if strings.Join(got, " ") != want || span.Name != "HTTP" {
			t.Errorf("host %.20q: got %q in %q, want %q in HTTP", host, got, span.Name, want)
		}
	}
}

// Metrics have no series per path: names of calls come from the configuration.
func TestServerMetrics(t *testing.T) {
	r := newRecorder()
	h := firebreakhttp.Handler(http.NotFoundHandler(), r.stack(fullBulkhead(), timeout.New(time.Second)), firebreakhttp.Exempt(firebreakhttp.Routes("/ok")))
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for range 100 {
		serveTo(h, incoming("GET", "/"+strings.Repeat("x", 1+len(r.spans.GetSpans()))))
		serveTo(h, incoming("GET", "/ok"))
		serveTo(h, incoming("GET", "/").WithContext(ctx))
	}
	got := strings.Join(r.series(t), "\n")
	for _, want := range []string{
		"firebreak.rejections{firebreak.policy=bulkhead firebreak.priority=default firebreak.reason=full firebreak.stack=payments}",
		"firebreak.rejections{firebreak.policy=deadline firebreak.priority=default firebreak.reason=dead_on_arrival firebreak.stack=payments}",
		"firebreak.call.duration{firebreak.op=GET firebreak.outcome=ok firebreak.stack=payments}",
		"firebreak.call.duration{firebreak.op=GET firebreak.outcome=rejected firebreak.stack=payments}",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if n := len(r.series(t)); n > 10 {
		t.Errorf("%d series, want a few:\n%s", n, got)
	}
}
