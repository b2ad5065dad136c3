package deadline

import (
	"context"
	"io"
	"net/http"

	"github.com/firebreak-go/firebreak/internal/stack"
)

// httpFrames is how many frames tell the requests of a client apart: those of a call,
// below the ones of http.Client.
const httpFrames = callFrames + 5

// RoundTripper returns an http.RoundTripper that sends requests through next and notes
// those whose context has no deadline; [http.Client.Timeout] is one. A nil next is
// [http.DefaultTransport] at the time of the call.
//
// A request is in flight until its response has been read to the end or closed. One
// that becomes a connection (101 Switching Protocols) is over when it does. At the level
// [Enforce] the deadline covers the reading of the response as well.
//
// To see http.Get as well, give it to http.DefaultClient.Transport. Leave
// http.DefaultTransport as it is: much code expects a *http.Transport there.
func (a *Auditor) RoundTripper(next http.RoundTripper) http.RoundTripper {
	return &roundTripper{auditor: a, next: next, op: a.operations.get("http.client")}
}

type roundTripper struct {
	auditor *Auditor
	next    http.RoundTripper // nil for http.DefaultTransport
	op      *operation
}

// RoundTrip sends req, as an http.RoundTripper does.
func (t *roundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	t.op.calls.Add(1)
	if req == nil || req.URL == nil {
		return t.transport().RoundTrip(req) // it says what it thinks of that
	}
	ctx := req.Context()
	if _, ok := ctx.Deadline(); ok {
		return t.transport().RoundTrip(req)
	}
	var pcs [httpFrames]uintptr
	n := stack.Callers(pcs[:])
	limited, op, err := t.auditor.unbounded(ctx, t.op, req.URL.Host, pcs[:n], hook{tracks: true, adds: true, refuses: true})
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close() // as an http.RoundTripper must, also if it sends nothing
		}
		return nil, err
	}
	return t.send(req, limited, op)
}

// send sends a request that is in flight.
func (t *roundTripper) send(req *http.Request, ctx context.Context, op Op) (*http.Response, error) { //nolint:revive // the context is not that of the request
	sent := req
	if ctx != req.Context() {
		sent = req.WithContext(ctx)
	}
	ends := true
	defer func() {
		if ends {
			op.End()
		}
	}()
	resp, err := t.transport().RoundTrip(sent)
	if resp == nil || err != nil {
		return resp, err
	}
	if resp.Request == sent {
		resp.Request = req
	}
	switch resp.Body.(type) {
	case nil:
	case io.Writer: // a connection from now on, whose deadline does not cut it
		op.land()
		ends = false
	default:
		if !bodiless(req, resp) {
			resp.Body = watched(resp.Body, op)
			ends = false
		}
	}
	return resp, err
}

func (t *roundTripper) transport() http.RoundTripper {
	if t.next == nil {
		return http.DefaultTransport
	}
	return t.next
}

// CloseIdleConnections closes the idle connections of next, for
// http.Client.CloseIdleConnections.
func (t *roundTripper) CloseIdleConnections() {
	if c, ok := t.transport().(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// bodiless reports whether resp has no body that anyone would read or close.
func bodiless(req *http.Request, resp *http.Response) bool {
	return resp.Body == http.NoBody || req.Method == http.MethodHead ||
		resp.StatusCode == http.StatusNoContent || resp.StatusCode == http.StatusNotModified ||
		resp.ContentLength == 0 && (resp.ProtoMajor == 2 || resp.Header.Get("Content-Length") == "0")
}

// watched returns body, with which op ends. It can do what body can.
func watched(inner io.ReadCloser, op Op) io.ReadCloser {
	if w, ok := inner.(io.WriterTo); ok {
		return &writerToBody{body{inner, op}, w}
	}
	return &body{inner, op}
}

// body is that of a response in flight.
type body struct {
	inner io.ReadCloser
	op    Op
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.inner.Read(p)
	if err != nil {
		b.op.End()
	}
	return n, err
}

func (b *body) Close() error {
	defer b.op.End()
	return b.inner.Close()
}

type writerToBody struct {
	body
	to io.WriterTo
}

func (b *writerToBody) WriteTo(w io.Writer) (int64, error) {
	defer b.op.End()
	return b.to.WriteTo(w)
}
