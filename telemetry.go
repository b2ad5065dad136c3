package firebreak

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/firebreak-go/firebreak/internal/errtext"
	"github.com/firebreak-go/firebreak/internal/missing"
)

// scope is the name under which firebreak reports.
const scope = "github.com/firebreak-go/firebreak"

// shortWait is the length of a wait in a queue from which on it has a span.
const shortWait = time.Millisecond

// telemetry makes the spans of a Stack and keeps its metrics. It makes nothing
// and allocates nothing without an SDK, nor spans under an unsampled parent.
type telemetry struct {
	metrics
	spanName  string
	bound     time.Duration // of the whole call; 0 if it has none
	source    string        // where that comes from
	unbounded bool          // a policy says that it has none
	reason    string        // why the call has no bound
	provider  trace.TracerProvider
	cached    atomic.Pointer[cachedTracer]
}

// cachedTracer is the tracer of the provider that was last seen.
type cachedTracer struct {
	provider trace.TracerProvider
	tracer   trace.Tracer // nil if the provider makes no spans
}

func newTelemetry(s *Stack, tp trace.TracerProvider, mp metric.MeterProvider) *telemetry {
	t := &telemetry{spanName: "firebreak " + s.name, provider: tp, source: "policy"}
	if !hasTimeout(describeAll(s.policies())) {
		t.source = "default"
	}
	for _, d := range flatten(describeAll(s.bounded())) {
		if d.Kind == KindRetry {
			break // what is further in bounds an attempt
		}
		if d.Kind == KindTimeout {
			t.bound, t.unbounded, t.reason = d.Timeout, d.Timeout == 0, d.Reason
			break
		}
	}
	t.metrics.init(s, mp)
	return t
}

// Tracer returns the tracer for spans of the call, or nil if none would be kept:
// without an SDK, or under a parent that is not sampled.
func (c Call) Tracer(ctx context.Context) trace.Tracer {
	if c.state == nil {
		return nil
	}
	return c.state.root.tel.tracer(ctx)
}

// Tracer returns the tracer for spans around the calls of s, or nil if none would be
// kept, as [Call.Tracer] does within one.
func (s *Stack) Tracer(ctx context.Context) trace.Tracer { return s.asRoot().tel.tracer(ctx) }

func (t *telemetry) tracer(ctx context.Context) trace.Tracer {
	if parent := trace.SpanContextFromContext(ctx); parent.IsValid() && !parent.IsSampled() {
		return nil
	}
	provider := t.provider
	if provider == nil {
		provider = otel.GetTracerProvider()
	}
	cached := t.cached.Load()
	if cached == nil || !equal(cached.provider, provider) {
		cached = &cachedTracer{provider: provider}
		if !silent(provider) {
			cached.tracer = provider.Tracer(scope)
		}
		t.cached.Store(cached)
	}
	return cached.tracer
}

func equal(a, b trace.TracerProvider) bool {
	return reflect.TypeOf(a) == reflect.TypeOf(b) && reflect.TypeOf(a).Comparable() && a == b
}

// silent reports whether the spans of provider go nowhere: it is the no-op one, or
// what stands in the place of a global provider that was not set.
func silent(provider trace.TracerProvider) bool {
	switch provider.(type) {
	case noop.TracerProvider, *noop.TracerProvider:
		return true
	}
	return standsIn(provider)
}

// standsIn reports whether provider is what stands in the place of a global provider
// that was not set.
func standsIn(provider any) bool {
	t := reflect.TypeOf(provider)
	return t.Kind() == reflect.Pointer && t.Elem().PkgPath() == "go.opentelemetry.io/otel/internal/global"
}

// startCall opens the operation span, or adds to that of the server.
func (t *telemetry) startCall(ctx context.Context, c Call) context.Context {
	if t.callDuration.Enabled(ctx) {
		c.state.start = time.Now()
	}
	deadline, bounded := ctx.Deadline()
	if !bounded && t.unbounded {
		t.missing(ctx)
		ctx, c.state.unwatch = missing.Begin(ctx, missing.Call{
			Stack: c.state.root.stack.name, Op: c.Op, Target: c.Target, Reason: t.reason, Inbound: c.Inbound,
		})
	}
	tracer := t.tracer(ctx)
	if tracer == nil {
		return ctx
	}
	server := trace.SpanFromContext(ctx)
	if c.Inbound && !server.IsRecording() {
		return ctx
	}
	source := t.source
	switch {
	case bounded && (t.bound == 0 || time.Until(deadline) < t.bound):
		source = "caller"
	case t.unbounded:
		source = "none"
	}
	attrs := []attribute.KeyValue{
		attribute.String("firebreak.stack", c.state.root.stack.name),
		attribute.String("firebreak.op", c.Op),
		attribute.String("firebreak.deadline.source", source),
	}
	if c.Target != "" {
		attrs = append(attrs, attribute.String("server.address", host(c.Target)))
	}
	if t.reason != "" {
		attrs = append(attrs, attribute.String("firebreak.unbounded.reason", t.reason))
	}
	if c.Inbound {
		server.SetAttributes(attrs...)
		c.state.span, c.state.borrowed = server, true
		return ctx
	}
	ctx, span := tracer.Start(ctx, t.spanName, trace.WithSpanKind(trace.SpanKindInternal), trace.WithAttributes(attrs...))
	c.state.span = span
	return ctx
}

// host returns target without a port.
func host(target string) string {
	if i := strings.LastIndexByte(target, ':'); i > strings.LastIndexByte(target, ']') {
		target = target[:i]
	}
	return strings.Trim(target, "[]")
}

// endCall closes the operation span and records how long the call took.
func (t *telemetry) endCall(ctx context.Context, st *state, o Outcome) {
	if st.start.IsZero() && st.span == nil {
		return
	}
	outcome := outcomeOf(st, o)
	if !st.start.IsZero() {
		t.called(ctx, st.op, outcome, time.Since(st.start))
	}
	if st.span == nil {
		return
	}
	st.span.SetAttributes(
		attribute.Int("firebreak.attempts", int(st.attempts.Load())),
		attribute.String("firebreak.outcome", outcome),
	)
	switch outcome {
	case "ok", "ok_after_retry", "canceled":
	default:
		st.span.SetAttributes(attribute.String("error.type", ErrorType(o.Err)))
		if !st.borrowed { // the server's own instrumentation knows what its caller got
			st.span.SetStatus(codes.Error, errtext.Of(o.Err))
		}
	}
	if !st.borrowed {
		st.span.End()
	}
}

// outcomeOf returns the value of firebreak.outcome.
func outcomeOf(st *state, o Outcome) string {
	if _, ok := errors.AsType[*RejectedError](o.Err); ok {
		return "rejected"
	}
	switch {
	case o.Err == nil || o.Class == Success:
		if st.attempts.Load() > 1 {
			return "ok_after_retry"
		}
		return "ok"
	case errors.Is(o.Err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(o.Err, context.Canceled):
		return "canceled"
	default:
		return "failed"
	}
}

// ErrorType returns the value of the attribute error.type for err: what its
// method ErrorType says if it has one, "timeout", the policy and the reason of a
// rejection, or else the Go type.
func ErrorType(err error) string {
	if e, ok := errors.AsType[interface {
		error
		ErrorType() string
	}](err); ok {
		return e.ErrorType()
	}
	if e, ok := errors.AsType[*RejectedError](err); ok {
		return e.Policy + "." + e.Reason
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "timeout"
	}
	if e, ok := err.(*AttemptError); ok {
		err = e.Err
	}
	return fmt.Sprintf("%T", err)
}

// emitted puts an event of a policy into the trace and the metrics.
func (t *telemetry) emitted(ctx context.Context, e Event) {
	t.count(ctx, e)
	if e.Kind == EventTransition {
		if span := trace.SpanFromContext(ctx); span.IsRecording() {
			span.AddEvent("firebreak.breaker.transition", trace.WithAttributes(
				attribute.String("firebreak.from", e.From), attribute.String("firebreak.to", e.To)))
		}
		return
	}
	if e.Kind == EventWait && e.Duration < shortWait {
		return
	}
	tracer := t.tracer(ctx)
	if tracer == nil {
		return
	}
	name, attrs := policySpan(e)
	begin := e.Time
	if e.Kind == EventRetry || e.Kind == EventWait {
		begin = begin.Add(-e.Duration)
	}
	_, span := tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindInternal),
		trace.WithTimestamp(begin), trace.WithAttributes(attrs...))
	span.End(trace.WithTimestamp(e.Time))
}

// policySpan returns the name and the attributes of the span of e.
func policySpan(e Event) (name string, attrs []attribute.KeyValue) {
	attrs = append(attrs, attribute.String("firebreak.policy", e.Policy))
	if e.Attempt > 0 {
		attrs = append(attrs, attribute.Int("firebreak.attempt", e.Attempt))
	}
	switch e.Kind {
	case EventRetry:
		name = "firebreak.retry.backoff"
		attrs = append(attrs, attribute.String("firebreak.reason", e.Reason))
		if e.Err != nil {
			attrs = append(attrs, attribute.String("error.type", ErrorType(e.Err)))
		}
	case EventWait:
		name = "firebreak." + e.Policy + ".wait"
	case EventTimeout:
		name = "firebreak.timeout"
		attrs = append(attrs, attribute.String("firebreak.scope", e.Reason), attribute.Float64("firebreak.after", e.Duration.Seconds()))
	default:
		name = "firebreak.reject"
		if e.Kind == EventShadow {
			name = "firebreak.shadow"
		}
		if e.Priority != PriorityDefault {
			attrs = append(attrs, attribute.String("firebreak.priority", e.Priority.String()))
		}
		attrs = append(attrs, attribute.String("firebreak.reason", e.Reason))
		if e.Limit > 0 {
			attrs = append(attrs, attribute.Int("firebreak.limit", e.Limit), attribute.Int("firebreak.usage", e.Usage))
		}
		if e.RetryAfter > 0 {
			attrs = append(attrs, attribute.Float64("firebreak.retry_after", e.RetryAfter.Seconds()))
		}
	}
	return name, attrs
}
