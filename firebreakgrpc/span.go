package firebreakgrpc

import (
	"context"
	"errors"
	"net"
	"strconv"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/internal/errtext"
)

// attemptTrace is what there is of an attempt in the trace: a CLIENT span, by the RPC
// semantic conventions. Where otelgrpc makes that, attributes are added to it. The zero
// value records nothing.
//
// Whether otelgrpc does is seen only when gRPC begins: its stats.Handler may stand before
// or behind the watcher. The watcher starts the span then, if nobody else has.
type attemptTrace struct {
	tracer  trace.Tracer      // nil if no span would be kept
	parent  trace.SpanContext // of the call
	carrier metadata.MD       // what is sent; the attempt's own
	op      string
	target  string
	span    trace.Span // nil if there is none
}

// begin reports whether there may be anything to do.
func (s *attemptTrace) begin(ctx context.Context, c firebreak.Call, t *client) bool {
	s.tracer = c.Tracer(ctx)
	s.parent = trace.SpanContextFromContext(ctx)
	s.op, s.target = c.Op, c.Target
	return s.tracer != nil || s.parent.IsValid() && len(t.traceContext().Fields()) > 0
}

func (t *client) traceContext() propagation.TextMapPropagator {
	if t.propagator != nil {
		return t.propagator
	}
	return otel.GetTextMapPropagator()
}

// start opens the span and writes the trace context into what is sent.
func (s *attemptTrace) start(ctx context.Context, a *clientAttempt) context.Context {
	if s.carrier == nil {
		return ctx // there was nothing to do
	}
	if s.tracer != nil {
		ctx, s.span = s.tracer.Start(ctx, methodName(s.op),
			trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(s.attributes(a.number)...))
	}
	if p := a.client.traceContext(); trace.SpanContextFromContext(ctx).IsValid() && len(p.Fields()) > 0 {
		p.Inject(ctx, outgoingMetadata(s.carrier))
	}
	return ctx
}

func (s *attemptTrace) attributes(number int) []attribute.KeyValue {
	attrs := []attribute.KeyValue{
		attribute.String("rpc.system.name", "grpc"),
		attribute.String("rpc.method", methodName(s.op)),
	}
	if host, port, err := net.SplitHostPort(s.target); err == nil {
		attrs = append(attrs, attribute.String("server.address", host))
		if n, err := strconv.Atoi(port); err == nil {
			attrs = append(attrs, attribute.Int("server.port", n))
		}
	} else if s.target != "" {
		attrs = append(attrs, attribute.String("server.address", s.target))
	}
	return append(attrs, attemptNumber(number)...)
}

// attemptNumber returns firebreak.attempt, from the second attempt on.
func attemptNumber(number int) []attribute.KeyValue {
	if number < 2 {
		return nil
	}
	return []attribute.KeyValue{attribute.Int("firebreak.attempt", number)}
}

// fail ends the span of an attempt that ended with err, one of attempt.failure.
func (s *attemptTrace) fail(err error) {
	if s.span != nil {
		s.end(err, status.Code(surface(err)))
	}
}

// end ends the span. A caller who gave up is no error.
func (s *attemptTrace) end(err error, code codes.Code) {
	if s.span == nil {
		return
	}
	if !errors.Is(err, firebreak.ErrNoReturn) {
		s.span.SetAttributes(attribute.String("rpc.response.status_code", codeText(code)))
	}
	if err != nil {
		s.span.SetAttributes(attribute.String("error.type", firebreak.ErrorType(err)))
		if firebreak.Classify(err) != firebreak.Ignored {
			s.span.SetStatus(otelcodes.Error, description(err))
		}
	}
	s.span.End()
}

// description returns the text of err, for an answer without its code.
func description(err error) string {
	if a, ok := errors.AsType[*answer](err); ok {
		return status.Convert(a.error).Message()
	}
	return errtext.Of(err)
}

// outgoingMetadata has a propagator write metadata.
type outgoingMetadata metadata.MD

func (c outgoingMetadata) Get(key string) string {
	if values := metadata.MD(c).Get(key); len(values) > 0 {
		return values[0]
	}
	return ""
}

func (c outgoingMetadata) Set(key, value string) { metadata.MD(c).Set(key, value) }

func (c outgoingMetadata) Keys() []string {
	keys := make([]string, 0, len(c))
	for key := range c {
		keys = append(keys, key)
	}
	return keys
}
