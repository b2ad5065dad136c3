package firebreakhttp

import (
	"context"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/internal/errtext"
)

// attemptSpan is the CLIENT span of an attempt, by the HTTP semantic conventions.
// The zero value records nothing.
type attemptSpan struct{ span trace.Span }

// instrumented reports whether base makes a span for each request: then firebreak
// makes none and adds to that one.
func instrumented(base http.RoundTripper) bool {
	t := reflect.TypeOf(base)
	if t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t != nil && strings.HasSuffix(t.PkgPath(), "/net/http/otelhttp")
}

// startSpan opens the span of an attempt, if it would be kept, and writes the
// trace context into header.
func (t *RoundTripper) startSpan(ctx context.Context, c firebreak.Call, req *http.Request, header http.Header) (context.Context, attemptSpan) {
	if t.instrumented {
		return ctx, attemptSpan{}
	}
	var s attemptSpan
	if tracer := c.Tracer(ctx); tracer != nil {
		ctx, s.span = tracer.Start(ctx, spanName(c.Op), trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(requestAttributes(c, req)...))
	}
	p := t.propagator
	if p == nil {
		p = otel.GetTextMapPropagator()
	}
	if trace.SpanContextFromContext(ctx).IsValid() && len(p.Fields()) > 0 {
		p.Inject(ctx, propagation.HeaderCarrier(header))
	}
	return ctx, s
}

// spanName returns the name of the span of an attempt: the method, or "HTTP" for
// one that is not of the closed set.
func spanName(op string) string {
	if op == otherMethod {
		return "HTTP"
	}
	return op
}

func requestAttributes(c firebreak.Call, req *http.Request) []attribute.KeyValue {
	attrs := []attribute.KeyValue{
		attribute.String("http.request.method", c.Op),
		attribute.String("server.address", req.URL.Hostname()),
		attribute.String("url.full", bareURL(req.URL)),
	}
	if port := portOf(req.URL); port > 0 {
		attrs = append(attrs, attribute.Int("server.port", port))
	}
	if c.Op == otherMethod {
		attrs = append(attrs, attribute.String("http.request.method_original", req.Method))
	}
	return append(attrs, resendCount(c.Attempt)...)
}

// resendCount returns http.request.resend_count, from the second attempt on.
func resendCount(attempt int) []attribute.KeyValue {
	if attempt < 2 {
		return nil
	}
	return []attribute.KeyValue{attribute.Int("http.request.resend_count", attempt-1)}
}

// bareURL returns u without what may be secret: user, password and query.
func bareURL(u *url.URL) string {
	bare := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	if u.RawQuery != "" {
		return bare.String() + "?REDACTED"
	}
	return bare.String()
}

func portOf(u *url.URL) int {
	if port, err := strconv.Atoi(u.Port()); err == nil {
		return port
	}
	switch u.Scheme {
	case "https":
		return 443
	case "http":
		return 80
	default:
		return 0
	}
}

// answered notes what the server answered: on the span at hand, or on the one
// that the base made.
func (s attemptSpan) answered(t *RoundTripper, attempt int, resp *http.Response) {
	if t.instrumented && attempt > 1 && resp.Request != nil {
		if theirs := trace.SpanFromContext(resp.Request.Context()); theirs.IsRecording() {
			theirs.SetAttributes(resendCount(attempt)...)
		}
	}
	if s.span == nil {
		return
	}
	s.span.SetAttributes(attribute.Int("http.response.status_code", resp.StatusCode))
	if resp.ProtoMajor > 0 {
		s.span.SetAttributes(attribute.String("network.protocol.version", protocol(resp)))
	}
	if resp.StatusCode >= 400 {
		s.span.SetAttributes(attribute.String("error.type", strconv.Itoa(resp.StatusCode)))
		s.span.SetStatus(codes.Error, "")
	}
}

func protocol(resp *http.Response) string {
	if resp.ProtoMajor >= 2 {
		return strconv.Itoa(resp.ProtoMajor)
	}
	return strconv.Itoa(resp.ProtoMajor) + "." + strconv.Itoa(resp.ProtoMinor)
}

// endWith ends the span when the body has ended.
func (s attemptSpan) endWith(x *exchange) {
	if s.span == nil {
		return
	}
	status := x.end.Err
	x.OnDone(func(o firebreak.Outcome) {
		if o.Err != nil && o.Err != status { //nolint:errorlint // whether it is another one
			s.fail(o.Err)
			return
		}
		s.span.End()
	})
}

// fail ends the span of an attempt without an answer, or whose body broke off. A
// caller who gave up is no error.
func (s attemptSpan) fail(err error) {
	if s.span == nil {
		return
	}
	s.span.SetAttributes(attribute.String("error.type", firebreak.ErrorType(err)))
	if firebreak.Classify(err) != firebreak.Ignored {
		s.span.SetStatus(codes.Error, errtext.Of(err))
	}
	s.span.End()
}
