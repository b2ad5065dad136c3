package firebreakgrpc

import (
	"context"
	"net"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/firebreak-go/firebreak"
)

// maxOriginal is how much of a name that a stranger has made up is recorded.
const maxOriginal = 256

// startSpan starts the SERVER span of the call, by the RPC semantic conventions, if there
// is none yet and it would be kept.
func (v *served) startSpan(ctx context.Context) context.Context {
	if trace.SpanFromContext(ctx).IsRecording() {
		return ctx
	}
	if !trace.SpanContextFromContext(ctx).IsValid() {
		if p := otel.GetTextMapPropagator(); len(p.Fields()) > 0 {
			ctx = p.Extract(ctx, incomingCarrier{ctx})
		}
	}
	tracer := v.stack.Tracer(ctx)
	if tracer == nil {
		return ctx
	}
	name := "grpc"
	if v.op != otherMethod {
		name = methodName(v.op)
	}
	ctx, v.span = tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(v.attributes()...)) //nolint:spancheck // endSpan ends it
	return ctx
}

// methodName returns the name of a method as the conventions have it.
func methodName(fullMethod string) string { return strings.TrimPrefix(fullMethod, "/") }

func (v *served) attributes() []attribute.KeyValue {
	attrs := []attribute.KeyValue{
		attribute.String("rpc.system.name", "grpc"),
		attribute.String("rpc.method", methodName(v.op)),
	}
	if v.op == otherMethod {
		original := methodName(v.method)
		attrs = append(attrs, attribute.String("rpc.method_original", strings.ToValidUTF8(original[:min(len(original), maxOriginal)], "")))
	}
	p, ok := peer.FromContext(v.ctx)
	if !ok {
		return attrs
	}
	if host, port := address(p.LocalAddr); host != "" {
		attrs = append(attrs, attribute.String("server.address", host))
		if port > 0 {
			attrs = append(attrs, attribute.Int("server.port", port))
		}
	}
	if host, _ := address(p.Addr); host != "" {
		attrs = append(attrs, attribute.String("client.address", host))
	}
	return attrs
}

// address returns host and port of a, or what it is if it has none.
func address(a net.Addr) (host string, port int) {
	if a == nil {
		return "", 0
	}
	host, text, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String(), 0
	}
	port, _ = strconv.Atoi(text)
	return host, port
}

// endSpan ends the span that was started for the call, if one was, with the error that its
// caller is told.
func (v *served) endSpan(err error) {
	if v.span == nil {
		return
	}
	defer v.span.End()
	if err == firebreak.ErrNoReturn { //nolint:errorlint // it is that itself, and no answer
		v.span.SetAttributes(attribute.String("error.type", firebreak.ErrorType(err)))
		v.span.SetStatus(otelcodes.Error, "panic")
		return
	}
	s := statusOf(err)
	code := codeText(s.Code())
	v.span.SetAttributes(attribute.String("rpc.response.status_code", code))
	if serversFault(s.Code()) {
		v.span.SetAttributes(attribute.String("error.type", code))
		v.span.SetStatus(otelcodes.Error, s.Message())
	}
}

// statusOf returns the status that gRPC sends for err.
func statusOf(err error) *status.Status {
	if s, ok := status.FromError(err); ok {
		return s
	}
	return status.FromContextError(err)
}

// serversFault reports whether the conventions count a code as an error of the server.
func serversFault(code codes.Code) bool {
	switch code {
	case codes.Unknown, codes.DeadlineExceeded, codes.Unimplemented, codes.Internal, codes.Unavailable, codes.DataLoss:
		return true
	default:
		return false
	}
}

// codeText returns the name of a code as the protocol has it, as in "NOT_FOUND".
func codeText(code codes.Code) string {
	if int(code) < len(codeNames) {
		return codeNames[code]
	}
	return "CODE(" + strconv.FormatUint(uint64(code), 10) + ")"
}

var codeNames = [...]string{
	codes.OK: "OK", codes.Canceled: "CANCELLED", codes.Unknown: "UNKNOWN", codes.InvalidArgument: "INVALID_ARGUMENT",
	codes.DeadlineExceeded: "DEADLINE_EXCEEDED", codes.NotFound: "NOT_FOUND", codes.AlreadyExists: "ALREADY_EXISTS",
	codes.PermissionDenied: "PERMISSION_DENIED", codes.ResourceExhausted: "RESOURCE_EXHAUSTED",
	codes.FailedPrecondition: "FAILED_PRECONDITION", codes.Aborted: "ABORTED", codes.OutOfRange: "OUT_OF_RANGE",
	codes.Unimplemented: "UNIMPLEMENTED", codes.Internal: "INTERNAL", codes.Unavailable: "UNAVAILABLE",
	codes.DataLoss: "DATA_LOSS", codes.Unauthenticated: "UNAUTHENTICATED",
}

// incomingCarrier reads the trace context of a caller.
type incomingCarrier struct{ ctx context.Context } //nolint:containedctx // for one use

var _ propagation.TextMapCarrier = incomingCarrier{}

// Get returns the first value for key.
func (c incomingCarrier) Get(key string) string {
	if values := metadata.ValueFromIncomingContext(c.ctx, key); len(values) > 0 {
		return values[0]
	}
	return ""
}

// Values returns all values for key: baggage may have several.
func (c incomingCarrier) Values(key string) []string {
	return metadata.ValueFromIncomingContext(c.ctx, key)
}

// Set does nothing: what came in is not changed.
func (incomingCarrier) Set(string, string) {}

// Keys returns the keys of the metadata.
func (c incomingCarrier) Keys() []string {
	md, _ := metadata.FromIncomingContext(c.ctx)
	keys := make([]string, 0, len(md))
	for key := range md {
		keys = append(keys, key)
	}
	return keys
}
