package firebreakhttp

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/firebreak-go/firebreak"
)

// startSpan starts the SERVER span of the request, by the HTTP semantic conventions,
// if there is none yet and it would be kept.
func (g *guard) startSpan(ctx context.Context, c firebreak.Call) context.Context {
	if trace.SpanFromContext(ctx).IsRecording() {
		return ctx
	}
	if !trace.SpanContextFromContext(ctx).IsValid() {
		ctx = otel.GetTextMapPropagator().Extract(ctx, propagation.HeaderCarrier(g.req.Header))
	}
	tracer := g.stack.Tracer(ctx)
	if tracer == nil {
		return ctx
	}
	method, route := operation(g.req.Method), routeOf(c.Op)
	name := spanName(method)
	if route != "" {
		name += " " + route
	}
	ctx, g.span = tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(g.attributes(method, route)...))
	return ctx
}

// routeOf returns the route in the pattern of an http.ServeMux, or "".
func routeOf(op string) string {
	if i := strings.IndexByte(op, '/'); i >= 0 {
		return op[i:]
	}
	return ""
}

func (g *guard) attributes(method, route string) []attribute.KeyValue {
	r := g.req
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	version := strconv.Itoa(r.ProtoMajor)
	if r.ProtoMajor < 2 {
		version += "." + strconv.Itoa(r.ProtoMinor)
	}
	attrs := []attribute.KeyValue{
		attribute.String("http.request.method", method),
		attribute.String("url.scheme", scheme),
		attribute.String("network.protocol.version", version),
	}
	add := func(name, value string) {
		if value != "" {
			attrs = append(attrs, attribute.String(name, value))
		}
	}
	if method == otherMethod {
		add("http.request.method_original", r.Method)
	}
	add("http.route", route)
	if r.URL != nil {
		add("url.path", r.URL.Path)
	}
	add("user_agent.original", r.UserAgent())
	if client, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		add("client.address", client)
	}
	host, port := address(r.Host)
	add("server.address", host)
	if port > 0 {
		attrs = append(attrs, attribute.Int("server.port", port))
	}
	return attrs
}

// address returns host and port of a Host header, or nothing if it is not one: a
// stranger writes it.
func address(hostport string) (host string, port int) {
	if len(hostport) > maxTarget {
		return "", 0
	}
	host = hostport
	if h, p, err := net.SplitHostPort(hostport); err == nil {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return "", 0
		}
		host, port = h, int(n)
	}
	host = strings.Trim(host, "[]")
	for i := range len(host) {
		c := host[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && !strings.ContainsRune("-._:", rune(c)) {
			return "", 0
		}
	}
	return host, port
}

// endSpan ends the span that was started for the request, if one was.
func (g *guard) endSpan() {
	if g.span == nil {
		return
	}
	code, ended := g.status, g.ended
	switch {
	case g.hijacked:
		code = http.StatusSwitchingProtocols
	case g.gone && code == 0:
		code = statusGone
	case code == 0 && ended:
		code = http.StatusOK
	}
	if code != 0 {
		g.span.SetAttributes(attribute.Int("http.response.status_code", code))
	}
	switch {
	case !ended:
		g.span.SetAttributes(attribute.String("error.type", firebreak.ErrorType(firebreak.ErrNoReturn)))
		g.span.SetStatus(codes.Error, "panic")
	case code >= http.StatusInternalServerError:
		g.span.SetAttributes(attribute.String("error.type", strconv.Itoa(code)))
		g.span.SetStatus(codes.Error, "")
	case g.abort:
		g.span.SetAttributes(attribute.String("error.type", "timeout"))
		g.span.SetStatus(codes.Error, "the answer was cut off")
	}
	g.span.End()
}
