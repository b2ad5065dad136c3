package withotelhttp_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cenkalti/backoff/v4"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/examples/withotelhttp"
	"github.com/firebreak-go/firebreak/retry"
)

// flaky is a server that answers every first request with 503, and keeps the
// trace context of each.
type flaky struct {
	*httptest.Server
	requests     atomic.Int32
	traceparents []string
}

func newFlaky(t *testing.T) *flaky {
	t.Helper()
	f := &flaky{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.traceparents = append(f.traceparents, r.Header.Get("Traceparent"))
		if f.requests.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = io.WriteString(w, "answer")
	}))
	t.Cleanup(f.Close)
	return f
}

// calls makes a call with client and returns the spans as a tree.
func calls(t *testing.T, client *http.Client, url string, spans *tracetest.InMemoryExporter) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil || string(body) != "answer" || resp.StatusCode != http.StatusOK {
		t.Fatalf("got status %d, body %q, error %v, want 200, answer", resp.StatusCode, body, err)
	}
	return tree(spans.GetSpans(), trace.SpanID{}, "")
}

func tree(spans tracetest.SpanStubs, parent trace.SpanID, indent string) string {
	slices.SortStableFunc(spans, func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) })
	text := ""
	for _, s := range spans {
		if s.Parent.SpanID() != parent {
			continue
		}
		text += fmt.Sprintf("%s%s %s", indent, s.Name, s.SpanKind)
		set := attribute.NewSet(s.Attributes...)
		if v, ok := set.Value("http.request.resend_count"); ok {
			text += " resend " + v.String()
		}
		text += "\n" + tree(spans, s.SpanContext.SpanID(), indent+"  ")
	}
	return text
}

func setUp() (*tracetest.InMemoryExporter, *firebreak.Stack, []otelhttp.Option) {
	spans := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	stack := firebreak.New("payments", retry.New(retry.Config{
		NewBackOff: func() backoff.BackOff { return &backoff.ZeroBackOff{} },
	})).WithProviders(provider, nil)
	return spans, stack, []otelhttp.Option{otelhttp.WithTracerProvider(provider), otelhttp.WithPropagators(propagation.TraceContext{})}
}

// The attempt span is "left out where otelhttp ... sits inside and makes it (then
// attributes are added to theirs)".
func TestInsideTheSpansOfAttemptsAreOtelhttps(t *testing.T) {
	server := newFlaky(t)
	spans, stack, options := setUp()
	got := calls(t, withotelhttp.Inside(http.DefaultTransport, stack, options...), server.URL, spans)
	want := `firebreak payments internal
  HTTP GET client
  firebreak.retry.backoff internal
  HTTP GET client resend 1
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	wantTraced(t, server.traceparents, spans, "HTTP GET")
}

func TestOutsideTheSpanOfTheCallIsAboveFirebreaks(t *testing.T) {
	server := newFlaky(t)
	spans, stack, options := setUp()
	got := calls(t, withotelhttp.Outside(http.DefaultTransport, stack, options...), server.URL, spans)
	want := `HTTP GET client
  firebreak payments internal
    GET client
    firebreak.retry.backoff internal
    GET client resend 1
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// wantTraced holds that each attempt carried the context of its own span.
func wantTraced(t *testing.T, sent []string, spans *tracetest.InMemoryExporter, name string) {
	t.Helper()
	for _, s := range spans.GetSpans() {
		if s.Name != name {
			continue
		}
		id := s.SpanContext.SpanID().String()
		if !slices.ContainsFunc(sent, func(traceparent string) bool { return strings.Contains(traceparent, id) }) {
			t.Errorf("no attempt carried span %s, sent %q", id, sent)
		}
	}
	if len(sent) != 2 {
		t.Errorf("got %d attempts, want 2", len(sent))
	}
}
