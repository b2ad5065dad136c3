package firebreakhttp

import (
	"io"
	"net/http"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/internal/ctxerr"
)

// drainLimit and drainTime bound what is read of a response that nobody wants, so
// that its connection can be used again.
const (
	drainLimit = 64 << 10
	drainTime  = 50 * time.Millisecond
)

// receive takes the response of the base as the result of the attempt.
func (t *RoundTripper) receive(x *exchange, resp *http.Response) (any, error) {
	err := t.judge(&x.req, resp)
	if e, ok := err.(*firebreak.AttemptError); ok && x.ownReadError() != nil { //nolint:errorlint // judge does not wrap
		e.Class, e.Repeat = firebreak.Ignored, firebreak.RepeatNever // the answer to what the caller broke off
	}
	x.resp, x.body = resp, resp.Body
	x.end = firebreak.Outcome{Class: firebreak.Classify(err), Err: err}
	if err != nil {
		x.end.RetryAfter = firebreak.RetryAfter(err)
	}
	x.span.answered(t, x.attempt, resp)
	switch {
	case resp.Body == nil:
		x.body = http.NoBody // against the contract, but callers may rely on it
		resp.Body = x.body
		x.End(x.end)
	case bodiless(&x.req, resp):
		x.End(x.end) // nobody reads or closes it reliably
	default:
		resp.Body = x.wrap()
	}
	x.span.endWith(x)
	return x, err
}

// bodiless reports whether resp has no body, also where its Body is not
// http.NoBody: HTTP/2 has another one, and bases wrap it. A ContentLength of 0
// alone says nothing, for a base made by hand may have left it out.
func bodiless(req *http.Request, resp *http.Response) bool {
	if resp.Body == http.NoBody || req.Method == http.MethodHead {
		return true
	}
	switch resp.StatusCode {
	case http.StatusSwitchingProtocols: // a connection, whatever length is announced
		return false
	case http.StatusNoContent, http.StatusNotModified:
		return true
	}
	return resp.ContentLength == 0 && (resp.ProtoMajor == 2 || resp.Header.Get("Content-Length") == "0")
}

func responseOf(result any) *http.Response {
	switch r := result.(type) {
	case *exchange:
		return r.resp
	case *http.Response: // a policy of the user's may answer itself
		return r
	default:
		return nil
	}
}

// wrap returns the body that the caller gets. After 101 it is a connection: it
// can be written to, and perhaps closed for writing, exactly as the base's can.
func (x *exchange) wrap() io.ReadCloser {
	w, ok := x.body.(io.Writer)
	if !ok {
		return body{x}
	}
	if cw, ok := w.(closeWriter); ok {
		return duplexBody{body{x}, w, cw}
	}
	return writableBody{body{x}, w}
}

type closeWriter interface{ CloseWrite() error }

type writableBody struct {
	body
	io.Writer
}

type duplexBody struct {
	body
	io.Writer
	closeWriter
}

// body ends the result when it was read to its end, broke off or was closed. No
// lock is held while it reads: a stalled read does not keep Close from ending it.
type body struct{ x *exchange }

func (b body) Read(p []byte) (int, error) {
	n, err := b.x.body.Read(p)
	switch {
	case err == nil:
		return n, nil
	case err == io.EOF: // one that is wrapped is no end to those who read
		b.x.End(b.x.end)
		return n, err
	case b.x.closing.Load() || b.x.Ended():
		return n, err //nolint:wrapcheck // what a closed body says
	default:
		o := b.x.brokenOff(err)
		b.x.End(o)
		return n, o.Err
	}
}

func (b body) Close() error {
	err := b.x.close()
	b.x.End(b.x.end)
	return err
}

// brokenOff returns the outcome of a body that ended with err instead of EOF.
func (x *exchange) brokenOff(err error) firebreak.Outcome {
	ended := ctxerr.Of(x.ctx)
	switch {
	case x.resp.StatusCode == http.StatusSwitchingProtocols:
		ended = nil
	case ended == nil && closed(x.cancel):
		ended = x.canceled(err)
	}
	if ended == nil {
		return firebreak.Outcome{Class: firebreak.Failure, Err: err}
	}
	return firebreak.Outcome{Class: firebreak.Classify(ended), Err: ended}
}

// close closes the body once. Reads that are under way fail from here on, which
// says nothing of the dependency.
func (x *exchange) close() error {
	if x.closing.Swap(true) {
		return nil
	}
	return x.body.Close()
}

// Discard ends a response that nobody wants. A short body is read to its end, so
// that the connection can be used again; one that is long or slow is cut off.
func (x *exchange) Discard() {
	o := x.end
	if ended := ctxerr.Of(x.ctx); ended != nil && o.Class == firebreak.Success {
		o = firebreak.Outcome{Class: firebreak.Classify(ended), Err: ended} // it came too late
	}
	if !x.Ended() && x.worthDraining() {
		cut := time.AfterFunc(drainTime, func() {
			x.End(o) // cancels the attempt, for bodies that only heed that
			_ = x.close()
		})
		_, _ = io.CopyN(io.Discard, x.body, drainLimit)
		cut.Stop()
	}
	_ = x.close()
	x.End(o)
}

func (x *exchange) worthDraining() bool {
	return x.resp.ContentLength <= drainLimit && x.resp.StatusCode != http.StatusSwitchingProtocols && x.ctx.Err() == nil
}
