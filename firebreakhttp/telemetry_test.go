package firebreakhttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakhttp"
	"github.com/firebreak-go/firebreak/retry"
	"github.com/firebreak-go/firebreak/timeout"
)

// recorder keeps what a Stack reports.
type recorder struct {
	spans   *tracetest.InMemoryExporter
	tracer  *sdktrace.TracerProvider
	metrics *sdkmetric.ManualReader
	meter   *sdkmetric.MeterProvider
}

func newRecorder() *recorder {
	r := &recorder{spans: tracetest.NewInMemoryExporter(), metrics: sdkmetric.NewManualReader()}
	r.tracer = sdktrace.NewTracerProvider(sdktrace.WithSyncer(r.spans))
	r.meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(r.metrics))
	return r
}

func (r *recorder) stack(policies ...firebreak.Policy) *firebreak.Stack {
	return firebreak.New("payments", policies...).WithProviders(r.tracer, r.meter)
}

// tree writes the spans as an indented tree in the order in which they began:
// name, kind, status, attributes.
func (r *recorder) tree() string {
	spans := r.spans.GetSpans()
	slices.SortStableFunc(spans, func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) })
	var b strings.Builder
	var write func(parent trace.SpanID, indent string)
	write = func(parent trace.SpanID, indent string) {
		for _, s := range spans {
			if s.Parent.SpanID() != parent {
				continue
			}
			fmt.Fprintf(&b, "%s%s [%s, %s] %s\n", indent, s.Name, s.SpanKind, s.Status.Code, attributes(s.Attributes))
			write(s.SpanContext.SpanID(), indent+"  ")
		}
	}
	write(trace.SpanID{}, "")
	return b.String()
}

func attributes(attrs []attribute.KeyValue) string {
	set := attribute.NewSet(attrs...)
	var texts []string
	for _, kv := range set.ToSlice() {
		texts = append(texts, string(kv.Key)+"="+kv.Value.String())
	}
	return strings.Join(texts, " ")
}

// series lists the series as "name{attributes}".
func (r *recorder) series(t *testing.T) []string {
	t.Helper()
	var data metricdata.ResourceMetrics
	if err := r.metrics.Collect(t.Context(), &data); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, scope := range data.ScopeMetrics {
		if scope.Scope.Name != "github.com/firebreak-go/firebreak" {
			t.Errorf("scope: got %q, want the module path", scope.Scope.Name)
		}
		for _, m := range scope.Metrics {
			for _, set := range attributeSets(m.Data) {
				all = append(all, m.Name+"{"+attributes(set.ToSlice())+"}")
			}
		}
	}
	slices.Sort(all)
	return all
}

func attributeSets(data metricdata.Aggregation) []attribute.Set {
	var sets []attribute.Set
	switch d := data.(type) {
	case metricdata.Sum[int64]:
		for _, p := range d.DataPoints {
			sets = append(sets, p.Attributes)
		}
	case metricdata.Histogram[float64]:
		for _, p := range d.DataPoints {
			sets = append(sets, p.Attributes)
		}
	case metricdata.Gauge[int64]:
		for _, p := range d.DataPoints {
			sets = append(sets, p.Attributes)
		}
	case metricdata.Gauge[float64]:
		for _, p := range d.DataPoints {
			sets = append(sets, p.Attributes)
		}
	}
	return sets
}

// fetch makes a call through rt and reads its body.
func fetch(ctx context.Context, rt http.RoundTripper, url string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp, err
}

func reset() step { return fail(errors.New("connection reset by peer")) }

func headersOf(b *scriptedBase) []http.Header {
	var headers []http.Header
	for _, tr := range b.tries() {
		headers = append(headers, tr.req.Header)
	}
	return headers
}

func constant(d time.Duration) func() backoff.BackOff {
	return func() backoff.BackOff { return backoff.NewConstantBackOff(d) }
}

// noJitter waits exactly 10ms before each retry.
var noJitter = retry.Config{NewBackOff: constant(10 * time.Millisecond)}

// "Operation span, one per call through a Stack, INTERNAL ... Attempt span, one per
// attempt, CLIENT, named and attributed by the HTTP conventions, with
// http.request.resend_count from the second on ... Policy spans ... child of the
// operation."
func TestTelemetryTraceOfARetriedCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder()
		stack := r.stack(timeout.New(10*time.Second), retry.New(noJitter), breaker.New(breaker.Config{}),
			bulkhead.New(bulkhead.Config{}), timeout.New(2*time.Second))
		rt := firebreakhttp.Transport(script(status(503), reset(), status(200)), stack)
		if _, err := fetch(t.Context(), rt, "https://user:secret@api.example.com:8443/charge/42?key=secret"); err != nil {
			t.Fatal(err)
		}
		want := `firebreak payments [internal, Unset] firebreak.attempts=3 firebreak.deadline.source=policy firebreak.op=GET firebreak.outcome=ok_after_retry firebreak.stack=payments server.address=api.example.com
  GET [client, Error] error.type=503 http.request.method=GET http.response.status_code=503 network.protocol.version=1.1 server.address=api.example.com server.port=8443 url.full=https://api.example.com:8443/charge/42?REDACTED
  firebreak.retry.backoff [internal, Unset] error.type=503 firebreak.attempt=2 firebreak.policy=retry firebreak.reason=transient
  GET [client, Error] error.type=*errors.errorString http.request.method=GET http.request.resend_count=1 server.address=api.example.com server.port=8443 url.full=https://api.example.com:8443/charge/42?REDACTED
  firebreak.retry.backoff [internal, Unset] error.type=*errors.errorString firebreak.attempt=3 firebreak.policy=retry firebreak.reason=transient
  GET [client, Unset] http.request.method=GET http.request.resend_count=2 http.response.status_code=200 network.protocol.version=1.1 server.address=api.example.com server.port=8443 url.full=https://api.example.com:8443/charge/42?REDACTED
`
		if diff := cmp.Diff(want, r.tree()); diff != "" {
			t.Errorf("trace (-want +got):\n%s", diff)
		}
		for _, s := range r.spans.GetSpans() {
			if s.Name == "firebreak.retry.backoff" && s.EndTime.Sub(s.StartTime) != 10*time.Millisecond {
				t.Errorf("backoff span: got %v, want 10ms", s.EndTime.Sub(s.StartTime))
			}
			if scope := s.InstrumentationScope.Name; scope != "github.com/firebreak-go/firebreak" {
				t.Errorf("scope of %s: got %q, want the module path", s.Name, scope)
			}
		}
	})
}

// "Each of the five policies, used alone in a Stack, is visible in the trace."
func TestTelemetryEachPolicyAloneIsVisible(t *testing.T) {
	full := bulkhead.New(bulkhead.Config{MaxCalls: 1})
	queued := bulkhead.New(bulkhead.Config{MaxCalls: 1, MaxQueue: 1})
	open := breaker.New(breaker.Config{})
	tests := []struct {
		name   string
		policy firebreak.Policy
		setUp  func(t *testing.T, rt http.RoundTripper)
		base   *scriptedBase
		want   string // the line of the policy
	}{
		{"timeout", timeout.New(time.Second), nil, script(hang()),
			"  firebreak.timeout [internal, Unset] firebreak.after=1 firebreak.policy=timeout firebreak.scope=call\n"},
		{"retry", retry.New(noJitter), nil, script(reset(), status(200)),
			"  firebreak.retry.backoff [internal, Unset] error.type=*errors.errorString firebreak.attempt=2 firebreak.policy=retry firebreak.reason=transient\n"},
		{"budget", retry.New(retry.Config{NewBackOff: constant(0), Budget: retry.NewBudget(retry.BudgetConfig{Floor: 1})}), func(t *testing.T, rt http.RoundTripper) {
			t.Helper()
			_, _ = fetch(t.Context(), rt, "https://api.example.com/")
		}, script(reset()),
			"  firebreak.reject [internal, Unset] firebreak.attempt=1 firebreak.policy=budget firebreak.reason=spent\n"},
		{"breaker", open, func(*testing.T, http.RoundTripper) { open.ForceOpen() }, script(status(200)),
			"  firebreak.reject [internal, Unset] firebreak.policy=breaker firebreak.reason=forced_open\n"},
		{"bulkhead full", full, func(t *testing.T, rt http.RoundTripper) {
			t.Helper()
			occupy(t, full, time.Hour)
		}, script(status(200)),
			"  firebreak.reject [internal, Unset] firebreak.limit=1 firebreak.policy=bulkhead firebreak.reason=full firebreak.usage=1\n"},
		{"bulkhead wait", queued, func(t *testing.T, rt http.RoundTripper) {
			t.Helper()
			occupy(t, queued, 20*time.Millisecond)
		}, script(status(200)),
			"  firebreak.bulkhead.wait [internal, Unset] firebreak.policy=bulkhead\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRecorder()
				rt := firebreakhttp.Transport(test.base, r.stack(test.policy))
				if test.setUp != nil {
					test.setUp(t, rt)
				}
				r.spans.Reset()
				_, _ = fetch(t.Context(), rt, "https://api.example.com/")
				if got := r.tree(); !strings.Contains(got, test.want) {
					t.Errorf("got\n%swant a line\n%s", got, test.want)
				}
			})
		})
	}
}

// occupy takes a slot of b for d.
func occupy(t *testing.T, b *bulkhead.Bulkhead, d time.Duration) {
	t.Helper()
	done, err := b.Allow(t.Context(), firebreak.Call{})
	if err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(d, func() { done(firebreak.Outcome{}) })
	t.Cleanup(func() { timer.Stop() })
}

// "firebreak.outcome ... Error status only if the caller gets an error; a failure
// that a retry mended leaves it unset; a caller who cancelled leaves it unset."
func TestTelemetryOutcomeAndStatus(t *testing.T) {
	open := breaker.New(breaker.Config{})
	open.ForceOpen()
	tests := []struct {
		name   string
		policy firebreak.Policy
		base   *scriptedBase
		caller func(context.Context) (context.Context, context.CancelFunc)
		want   string
	}{
		{"ok", retry.New(noJitter), script(status(200)), nil, "Unset ok"},
		{"an answer that says no", retry.New(noJitter), script(status(404)), nil, "Unset ok"},
		{"ok after retry", retry.New(noJitter), script(reset(), status(200)), nil, "Unset ok_after_retry"},
		{"failed", retry.New(noJitter), script(reset()), nil, "Error failed *errors.errorString"},
		{"failed with a response", retry.New(noJitter), script(status(503)), nil, "Error failed 503"},
		{"rejected", open, script(status(200)), nil, "Error rejected breaker.forced_open"},
		{"timeout", timeout.New(time.Second), script(hang()), nil, "Error timeout timeout"},
		{"caller's deadline", timeout.New(time.Hour), script(hang()), func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Second)
		}, "Error timeout timeout"},
		{"canceled", timeout.New(time.Hour), script(hang()), func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second, cancel)
			return ctx, cancel
		}, "Unset canceled"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRecorder()
				ctx, cancel := t.Context(), context.CancelFunc(func() {})
				if test.caller != nil {
					ctx, cancel = test.caller(ctx)
				}
				defer cancel()
				_, _ = fetch(ctx, firebreakhttp.Transport(test.base, r.stack(test.policy)), "https://api.example.com/")
				if got := operation(r); got != test.want {
					t.Errorf("got %q, want %q", got, test.want)
				}
			})
		})
	}
}

// operation returns status, outcome and error type of the operation span.
func operation(r *recorder) string {
	for _, s := range r.spans.GetSpans() {
		if s.Name == "firebreak payments" {
			text := s.Status.Code.String()
			set := attribute.NewSet(s.Attributes...)
			for _, name := range []attribute.Key{"firebreak.outcome", "error.type"} {
				if v, ok := set.Value(name); ok {
					text += " " + v.AsString()
				}
			}
			return text
		}
	}
	return "no operation span"
}

// "firebreak.deadline.source" says what ends the call first; a Stack without any
// end shows its reason and counts.
func TestTelemetryDeadlineSource(t *testing.T) {
	tests := []struct {
		name     string
		policies []firebreak.Policy
		callers  time.Duration
		want     string
		missing  bool
	}{
		{"default", nil, 0, "default", false},
		{"policy", []firebreak.Policy{timeout.New(time.Second)}, 0, "policy", false},
		{"later deadline of the caller", []firebreak.Policy{timeout.New(time.Second)}, time.Minute, "policy", false},
		{"earlier deadline of the caller", []firebreak.Policy{timeout.New(time.Minute)}, time.Second, "caller", false},
		{"of attempts only", []firebreak.Policy{retry.New(noJitter), timeout.New(time.Second)}, 0, "policy", false},
		{"the caller's, and of attempts", []firebreak.Policy{retry.New(noJitter), timeout.New(time.Second)}, time.Minute, "caller", false},
		{"none", []firebreak.Policy{timeout.Unbounded("long poll")}, 0, "none", true},
		{"unbounded with the caller's", []firebreak.Policy{timeout.Unbounded("long poll")}, time.Second, "caller", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRecorder()
				ctx := t.Context()
				if test.callers > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, test.callers)
					defer cancel()
				}
				stack := r.stack(test.policies...)
				if _, err := fetch(ctx, firebreakhttp.Transport(script(status(200)), stack), "https://api.example.com/"); err != nil {
					t.Fatal(err)
				}
				if got := r.tree(); !strings.Contains(got, "firebreak.deadline.source="+test.want+" ") {
					t.Errorf("got\n%swant source %s", got, test.want)
				}
				if got := slices.Contains(r.series(t), "firebreak.deadline.missing{firebreak.stack=payments}"); got != test.missing {
					t.Errorf("firebreak.deadline.missing: got %v, want %v", got, test.missing)
				}
				if test.missing && !strings.Contains(r.tree(), "firebreak.unbounded.reason=long poll") {
					t.Errorf("got\n%swant the reason", r.tree())
				}
			})
		})
	}
}

// "Metrics: ... Attributes only from configuration or closed sets."
func TestTelemetryMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder()
		b := breaker.New(breaker.Config{ConsecutiveFailures: 3})
		stack := r.stack(timeout.New(10*time.Second), retry.New(noJitter), b,
			bulkhead.New(bulkhead.Config{MaxCalls: 1, MaxQueue: 1}), timeout.New(time.Second))
		rt := firebreakhttp.Transport(script(status(200), hang(), reset(), reset()), stack)
		for range 3 {
			_, _ = fetch(t.Context(), rt, "https://api.example.com/")
		}
		want := []string{
			"firebreak.attempt.duration{firebreak.class=failure firebreak.stack=payments}",
			"firebreak.attempt.duration{firebreak.class=success firebreak.stack=payments}",
			"firebreak.breaker.state{firebreak.stack=payments firebreak.state=open}",
			"firebreak.breaker.transitions{firebreak.from=closed firebreak.stack=payments firebreak.to=open}",
			"firebreak.budget.available{firebreak.stack=payments}",
			"firebreak.call.duration{firebreak.op=GET firebreak.outcome=failed firebreak.stack=payments}",
			"firebreak.call.duration{firebreak.op=GET firebreak.outcome=ok firebreak.stack=payments}",
			"firebreak.call.duration{firebreak.op=GET firebreak.outcome=rejected firebreak.stack=payments}",
			"firebreak.concurrency.limit{firebreak.policy=bulkhead firebreak.stack=payments}",
			"firebreak.concurrency.usage{firebreak.policy=bulkhead firebreak.stack=payments}",
			"firebreak.rejections{firebreak.policy=breaker firebreak.priority=default firebreak.reason=open firebreak.stack=payments}",
			"firebreak.retries{firebreak.reason=transient firebreak.stack=payments}",
			"firebreak.timeouts{firebreak.scope=attempt firebreak.stack=payments}",
		}
		if diff := cmp.Diff(want, r.series(t)); diff != "" {
			t.Errorf("series (-want +got):\n%s", diff)
		}
	})
}

// "≤ 200 series per Stack", whatever comes from outside: methods, hosts, paths.
func TestTelemetrySeriesAreBounded(t *testing.T) {
	r := newRecorder()
	perHost := firebreak.Keyed(firebreak.ByTarget, func(string) firebreak.Policy {
		return firebreak.New("payments", retry.New(retry.Config{}), breaker.New(breaker.Config{}), bulkhead.New(bulkhead.Config{}))
	})
	rt := firebreakhttp.Transport(script(status(200), reset(), status(404), status(500)), r.stack(perHost))
	for i := range 2000 {
		req, err := http.NewRequestWithContext(t.Context(), fmt.Sprintf("M%d", i), fmt.Sprintf("https://h%d.example.com/%d", i, i), nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := rt.RoundTrip(req); err == nil {
			_ = resp.Body.Close()
		}
	}
	if n := len(r.series(t)); n > 200 {
		t.Errorf("got %d series, want at most 200", n)
	}
}

// "No SDK, or an unsampled parent: no allocation and no span creation from
// telemetry."
func TestTelemetryCostsNothingUnlessItIsKept(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	policies := func() []firebreak.Policy {
		return []firebreak.Policy{timeout.New(10 * time.Second), retry.New(retry.Config{}), breaker.New(breaker.Config{}),
			bulkhead.New(bulkhead.Config{}), timeout.New(2 * time.Second)}
	}
	unsampled := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}}))
	allocs := func(ctx context.Context, s *firebreak.Stack) float64 {
		rt := firebreakhttp.Transport(script(status(200)), s)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://api.example.com/", nil)
		if err != nil {
			t.Fatal(err)
		}
		return testing.AllocsPerRun(500, func() {
			resp, err := rt.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		})
	}
	none := allocs(t.Context(), firebreak.New("payments", policies()...).WithProviders(tracenoop.NewTracerProvider(), noop.NewMeterProvider()))
	if got := allocs(t.Context(), firebreak.New("payments", policies()...)); got != none {
		t.Errorf("without an SDK: got %v allocations, want %v", got, none)
	}
	r := newRecorder()
	if got := allocs(unsampled, r.stack(policies()...)); got != none {
		t.Errorf("under an unsampled parent, with traces and metrics: got %v allocations, want %v", got, none)
	}
	if n := len(r.spans.GetSpans()); n != 0 {
		t.Errorf("under an unsampled parent: got %d spans, want none", n)
	}
	if got := allocs(t.Context(), r.stack(policies()...)); got <= none {
		t.Errorf("with an SDK: got %v allocations, want more than %v: the test measures nothing", got, none)
	}
}

// The same for a rejection, with what counts it.
func TestTelemetryOfARejectionCostsNothingUnlessItIsKept(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	open := breaker.New(breaker.Config{})
	open.ForceOpen()
	r := newRecorder()
	unsampled := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}}))
	rt := firebreakhttp.Transport(script(status(200)), r.stack(open))
	req := newRequest(t, http.MethodGet, nil).WithContext(unsampled)
	plain := firebreakhttp.Transport(script(status(200)), firebreak.New("payments", open))
	reject := func(rt http.RoundTripper) float64 {
		return testing.AllocsPerRun(500, func() {
			if _, err := rt.RoundTrip(req); !errors.Is(err, breaker.ErrOpen) {
				t.Fatal(err)
			}
		})
	}
	if got, want := reject(rt), reject(plain); got != want {
		t.Errorf("with metrics, under an unsampled parent: got %v allocations, want the %v without an SDK", got, want)
	}
	if want := "firebreak.rejections{firebreak.policy=breaker firebreak.priority=default firebreak.reason=forced_open firebreak.stack=payments}"; !slices.Contains(r.series(t), want) {
		t.Errorf("got series %v, want %s", r.series(t), want)
	}
}

// "global providers by default (resolved late)"
func TestTelemetryGlobalProvidersAreResolvedLate(t *testing.T) {
	rt := firebreakhttp.Transport(script(status(200)), firebreak.New("payments"))
	if _, err := fetch(t.Context(), rt, "https://api.example.com/"); err != nil {
		t.Fatal(err)
	}
	tracers, meters := otel.GetTracerProvider(), otel.GetMeterProvider()
	t.Cleanup(func() {
		otel.SetTracerProvider(tracers)
		otel.SetMeterProvider(meters)
	})
	for range 2 { // the second time the provider changes again
		r := newRecorder()
		otel.SetTracerProvider(r.tracer)
		otel.SetMeterProvider(r.meter)
		if _, err := fetch(t.Context(), rt, "https://api.example.com/"); err != nil {
			t.Fatal(err)
		}
		if got := operation(r); got != "Unset ok" {
			t.Errorf("after SetTracerProvider: got %q, want %q", got, "Unset ok")
		}
	}
}

// The trace context of each attempt travels, also the decision not to sample.
func TestTelemetryPropagation(t *testing.T) {
	r := newRecorder()
	b := script(status(503), status(200))
	rt := firebreakhttp.Transport(b, r.stack(retry.New(noJitter)), firebreakhttp.Propagator(propagation.TraceContext{}))
	if _, err := fetch(t.Context(), rt, "https://api.example.com/"); err != nil {
		t.Fatal(err)
	}
	var attempts []string
	for _, s := range r.spans.GetSpans() {
		if s.SpanKind == trace.SpanKindClient {
			attempts = append(attempts, fmt.Sprintf("00-%s-%s-01", s.SpanContext.TraceID(), s.SpanContext.SpanID()))
		}
	}
	var sent []string
	for _, h := range headersOf(b) {
		sent = append(sent, h.Get("Traceparent"))
	}
	if diff := cmp.Diff(attempts, sent); diff != "" {
		t.Errorf("traceparent (-spans +sent):\n%s", diff)
	}

	parent := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	b = script(status(200))
	rt = firebreakhttp.Transport(b, r.stack(), firebreakhttp.Propagator(propagation.TraceContext{}))
	if _, err := fetch(trace.ContextWithSpanContext(t.Context(), parent), rt, "https://api.example.com/"); err != nil {
		t.Fatal(err)
	}
	if got, want := headersOf(b)[0].Get("Traceparent"), "00-01000000000000000000000000000000-0200000000000000-00"; got != want {
		t.Errorf("unsampled parent: got traceparent %q, want %q", got, want)
	}

	b = script(status(200))
	rt = firebreakhttp.Transport(b, r.stack(), firebreakhttp.Propagator(propagation.NewCompositeTextMapPropagator()))
	if _, err := fetch(t.Context(), rt, "https://api.example.com/"); err != nil {
		t.Fatal(err)
	}
	if len(headersOf(b)[0]) != 0 {
		t.Errorf("empty propagator: got header %v, want none", headersOf(b)[0])
	}
}

// "{method} ... HTTP if the method is not known": of the HTTP semantic conventions,
// so that a client cannot make names of spans.
func TestTelemetryUnknownMethod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder()
		req, err := http.NewRequestWithContext(t.Context(), "PROPFIND", "https://api.example.com/", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := firebreakhttp.Transport(script(status(200)), r.stack()).RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		const want = "  HTTP [client, Unset] http.request.method=_OTHER http.request.method_original=PROPFIND http.response.status_code=200"
		if got := r.tree(); !strings.Contains(got, want) {
			t.Errorf("got\n%swant a line that begins with\n%s", got, want)
		}
	})
}
