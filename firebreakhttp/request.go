package firebreakhttp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"reflect"
	"strings"
	"sync/atomic"
)

// idempotent reports whether sending req twice is as good as sending it once: by
// its method, or because it carries a key by which the server knows it again. It
// is the rule of net/http for its own replays.
func idempotent(req *http.Request) bool {
	if once(req) {
		return false
	}
	switch req.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	return has(req.Header, "Idempotency-Key") || has(req.Header, "X-Idempotency-Key")
}

// once reports whether req opens a tunnel, which is tried once, whatever happens.
func once(req *http.Request) bool {
	return req.Method == http.MethodConnect || has(req.Header, "Upgrade")
}

func has(h http.Header, key string) bool {
	_, ok := h[key]
	return ok
}

// otherMethod stands for the methods that are not of the closed set.
const otherMethod = "_OTHER"

// operation returns the name of the call: the method, or otherMethod for one that
// is not of the closed set that attributes may hold.
func operation(method string) string {
	switch method {
	case "":
		return http.MethodGet
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace:
		return method
	default:
		return otherMethod
	}
}

// maxTarget is the longest target; longer ones, which no DNS name is, are one.
const (
	maxTarget = 262
	tooLong   = "(too long)"
)

// target returns the host and, if it is not the scheme's, the port of u in one
// spelling: "Example.com.:443" is "example.com" for https.
func target(u *url.URL) string {
	if len(u.Host) > maxTarget {
		return tooLong
	}
	usual := ""
	switch u.Scheme {
	case "https":
		usual = ":443"
	case "http":
		usual = ":80"
	}
	host := strings.ToLower(u.Host)
	for before := ""; host != before; { // until there is nothing left to take off
		before = host
		host = strings.TrimRight(strings.TrimSuffix(host, usual), ".:")
		host = strings.ReplaceAll(host, ".:", ":")
	}
	if len(host) > maxTarget { // some letters are longer in lower case
		return tooLong
	}
	return host
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

// upload is a request with a body: the first attempt sends the body itself,
// later ones a copy of GetBody each. It is the firebreak.Rewinder of the call.
type upload struct {
	req   *http.Request
	watch bool
	sent  bool          // the body itself was handed out
	next  io.ReadCloser // a copy that was not handed out yet
	first sentBody      // watches the body itself, in one piece with the rest
}

var errOneShot = errors.New("firebreakhttp: request body can be sent once only: Request.GetBody is nil")

// Rewind gets the copy of the body that the next attempt sends.
func (u *upload) Rewind() error {
	if u.next != nil || !u.sent {
		return nil
	}
	if u.req.GetBody == nil {
		return errOneShot
	}
	body, err := u.req.GetBody()
	if err != nil {
		return err
	}
	if body == nil {
		return errors.New("firebreakhttp: Request.GetBody returned nil")
	}
	u.next = body
	return nil
}

// give gives req the body of the next attempt, which has to close it, and returns
// what watches it, if anything does. The copies that a transport makes with
// GetBody, to replay the request itself, are watched as well.
func (u *upload) give(req *http.Request) (*sentBody, error) {
	if err := u.Rewind(); err != nil {
		return nil, err
	}
	watched := &u.first
	req.Body = u.req.Body
	if u.sent {
		watched = nil
		req.Body = u.next
	}
	u.sent, u.next = true, nil
	if !u.watch || !canBreak(req) {
		return nil, nil
	}
	if watched == nil {
		watched = new(sentBody)
	}
	watched.ReadCloser = req.Body
	req.Body = watched
	if copyOf := u.req.GetBody; copyOf != nil {
		req.GetBody = func() (io.ReadCloser, error) {
			body, err := copyOf()
			if err != nil || body == nil {
				return body, err
			}
			return &sentBody{ReadCloser: body, replays: watched}, nil
		}
	}
	return watched, nil
}

// canBreak reports whether a read of req's body may fail by the caller's fault, so
// that it must be watched. What lies in memory cannot. A file that is sent once
// says so itself, with an *fs.PathError. Both are left as they are: net/http
// sends them with fewer system calls if it knows what they are.
func canBreak(req *http.Request) bool {
	switch reflect.TypeOf(req.Body) {
	case noBodyType:
		return false
	case fileType:
		return req.GetBody != nil
	case nopCloser, nopCloserWriterTo:
		switch reflect.ValueOf(req.Body).Field(0).Interface().(type) {
		case *bytes.Reader, *bytes.Buffer, *strings.Reader:
			return false
		}
	}
	return true
}

// The types of bodies that canBreak knows. io.NopCloser has two: which it is
// depends on whether the reader is an io.WriterTo.
var (
	noBodyType        = reflect.TypeOf(http.NoBody)
	fileType          = reflect.TypeFor[*os.File]()
	nopCloser         = reflect.TypeOf(io.NopCloser(nil))
	nopCloserWriterTo = reflect.TypeOf(io.NopCloser(new(bytes.Reader)))
)

// finish closes what was not handed out to somebody who closes it.
func (u *upload) finish() {
	if !u.sent {
		u.sent = true
		_ = u.req.Body.Close()
	}
	if u.next != nil {
		_ = u.next.Close()
		u.next = nil
	}
}

// sentBody remembers the error with which a request body broke off: that is the
// caller's failure, not the dependency's. It closes the body once, however often
// it is closed itself.
type sentBody struct {
	io.ReadCloser
	replays *sentBody // the body that this one is a copy of, within one attempt; or nil
	closed  atomic.Bool
	broken  atomic.Pointer[error]
}

func (b *sentBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF && !b.closed.Load() { // an EOF that is wrapped is none to those who read
		b.breakOff(err)
	}
	return n, err //nolint:wrapcheck // a reader's errors are its caller's to compare
}

func (b *sentBody) breakOff(err error) {
	if b.replays != nil {
		b = b.replays
	}
	b.broken.CompareAndSwap(nil, &err)
}

// Close closes the body. What reads say from here on is no failure.
func (b *sentBody) Close() error {
	if b.closed.Swap(true) {
		return nil
	}
	return b.ReadCloser.Close() //nolint:wrapcheck // as it is
}

// sentTrace watches whether a request got a connection. Without one nothing can
// have left; with one it may have, also if the write seems to have failed.
type sentTrace struct {
	asked, connected atomic.Bool
}

func (s *sentTrace) attach(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { s.asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { s.connected.Store(true) },
	})
}

// unsent reports whether it is proved that nothing left: the base asked for a
// connection and got none. A base that does not tell proves nothing.
func (s *sentTrace) unsent() bool {
	return s != nil && s.asked.Load() && !s.connected.Load()
}

// mayHaveLeft reports whether the request got a connection.
func (s *sentTrace) mayHaveLeft() bool { return s != nil && s.connected.Load() }
