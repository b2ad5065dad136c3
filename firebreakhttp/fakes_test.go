package firebreakhttp_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/retry"
)

// The fakes of this package's tests. A test that waits runs in synctest.Test, with
// a scriptedBase made inside of the bubble; times are exact there.
//
//	base := script(status(503), respond(200, newTracked("hello")))
//	rt := firebreakhttp.Transport(base, firebreak.New("test", retrying(3, time.Second)))
//	resp, err := send(t, rt, newRequest(t, "PUT", oneShot(newTracked("body"))))

// A step is what a scriptedBase does with one request. It may read the request
// body, and the base closes that behind it, as a RoundTripper has to.
type step func(tr *try) (*http.Response, error)

// A try is one request as a scriptedBase saw it.
type try struct {
	req   *http.Request   // as the base was given it
	ctx   context.Context // of req
	begin time.Time
	sent  string // what was read of the request body
	err   error  // with what that reading ended, other than io.EOF

	keepsBody bool // the step closes the request body itself, perhaps later
}

// readBody reads the request body to its end, or up to n bytes if n is not negative.
func (tr *try) readBody(n int64) {
	if tr.req.Body == nil {
		return
	}
	var r io.Reader = tr.req.Body
	if n >= 0 {
		r = io.LimitReader(r, n)
	}
	b, err := io.ReadAll(r)
	tr.sent += string(b)
	tr.err = err
}

// A scriptedBase is an http.RoundTripper that does its steps one after the other,
// and the last one for ever. It is safe for concurrent use.
type scriptedBase struct {
	mu    sync.Mutex // guards the fields below
	steps []step
	log   []*try
}

func script(steps ...step) *scriptedBase { return &scriptedBase{steps: steps} }

func (b *scriptedBase) RoundTrip(req *http.Request) (*http.Response, error) {
	tr := &try{req: req, ctx: req.Context(), begin: time.Now()}
	b.mu.Lock()
	do := b.steps[min(len(b.log), len(b.steps)-1)]
	b.log = append(b.log, tr)
	b.mu.Unlock()
	defer func() {
		if req.Body != nil && !tr.keepsBody {
			_ = req.Body.Close()
		}
	}()
	resp, err := do(tr)
	if resp != nil {
		resp.Request = req
	}
	return resp, err
}

// tries returns what was sent so far.
func (b *scriptedBase) tries() []*try {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]*try(nil), b.log...)
}

// wantTries fails the test unless n requests were sent.
func (b *scriptedBase) wantTries(t *testing.T, n int) {
	t.Helper()
	if got := len(b.tries()); got != n {
		t.Fatalf("the base got %d requests, want %d", got, n)
	}
}

// status answers with code and a short body, after it has read the request body.
func status(code int) step {
	return func(tr *try) (*http.Response, error) {
		return respond(code, newTracked(http.StatusText(code)))(tr)
	}
}

// respond answers with code and body, after it has read the request body. The
// length of body is announced if it is known. header are pairs of name and value.
func respond(code int, body *tracked, header ...string) step {
	return func(tr *try) (*http.Response, error) {
		tr.readBody(-1)
		if tr.err != nil {
			return nil, tr.err
		}
		return response(code, body, header...), nil
	}
}

// response is a response as a base gives it.
func response(code int, body *tracked, header ...string) *http.Response {
	h := make(http.Header)
	for i := 0; i < len(header); i += 2 {
		h.Add(header[i], header[i+1])
	}
	return &http.Response{
		Status: http.StatusText(code), StatusCode: code, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, Body: body, ContentLength: body.length,
	}
}

// fail reads the request body and fails with err.
func fail(err error) step {
	return func(tr *try) (*http.Response, error) {
		tr.readBody(-1)
		return nil, err
	}
}

// hang reads the request body and waits for the end of the context, as a
// transport does whose server does not answer.
func hang() step {
	return func(tr *try) (*http.Response, error) {
		tr.readBody(-1)
		<-tr.ctx.Done()
		return nil, tr.ctx.Err()
	}
}

// after does s once d has passed, and fails like hang if the context ends before.
func after(d time.Duration, s step) step {
	return func(tr *try) (*http.Response, error) {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return s(tr)
		case <-tr.ctx.Done():
			return nil, tr.ctx.Err()
		}
	}
}

// A tracked is a body, of a request or a response, that counts what is done with
// it. Close ends a Read that is stalled.
type tracked struct {
	length int64 // -1 if it is not announced
	r      io.Reader
	closes atomic.Int32
	reads  atomic.Int32
	bytes  atomic.Int64
	closed chan struct{}
	once   sync.Once
}

func track(length int64, r func(b *tracked) io.Reader) *tracked {
	b := &tracked{length: length, closed: make(chan struct{})}
	b.r = r(b)
	return b
}

// newTracked is a body of content.
func newTracked(content string) *tracked {
	return track(int64(len(content)), func(*tracked) io.Reader { return strings.NewReader(content) })
}

// newBroken is a body that fails with err after content.
func newBroken(content string, err error) *tracked {
	return track(-1, func(*tracked) io.Reader {
		return io.MultiReader(strings.NewReader(content), readerFunc(func([]byte) (int, error) { return 0, err }))
	})
}

// newEndless is a body of zeros that never ends.
func newEndless() *tracked {
	return track(-1, func(*tracked) io.Reader {
		return readerFunc(func(p []byte) (int, error) {
			clear(p)
			return len(p), nil
		})
	})
}

// newStalled is a body of 1000 bytes that stalls after content, until it is closed
// or, as those of net/http are, until ctx is done. A nil ctx is not looked at.
func newStalled(ctx context.Context, content string) *tracked {
	return track(1000, func(b *tracked) io.Reader {
		return io.MultiReader(strings.NewReader(content), readerFunc(func([]byte) (int, error) {
			var done <-chan struct{}
			if ctx != nil {
				done = ctx.Done()
			}
			select {
			case <-b.closed:
				return 0, http.ErrBodyReadAfterClose
			case <-done:
				return 0, ctx.Err()
			}
		}))
	})
}

// stall answers with code and a body that stalls after content, and that fails
// when the context of the request ends.
func stall(code int, content string) step {
	return func(tr *try) (*http.Response, error) {
		tr.readBody(-1)
		return response(code, newStalled(tr.ctx, content)), nil
	}
}

func (b *tracked) Read(p []byte) (int, error) {
	b.reads.Add(1)
	n, err := b.r.Read(p)
	b.bytes.Add(int64(n))
	return n, err
}

func (b *tracked) Close() error {
	b.closes.Add(1)
	b.once.Do(func() { close(b.closed) })
	return nil
}

// wantClosed fails the test unless the body was closed once.
func (b *tracked) wantClosed(t *testing.T, what string) {
	t.Helper()
	if got := b.closes.Load(); got != 1 {
		t.Errorf("%s was closed %d times, want once", what, got)
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// copies makes bodies of content, as a Request.GetBody does, and keeps them.
type copies struct {
	content string
	made    []*tracked
}

func (c *copies) get() (io.ReadCloser, error) {
	b := newTracked(c.content)
	c.made = append(c.made, b)
	return b, nil
}

// newRequest returns a request to a host that does not exist. A nil body is none.
func newRequest(t *testing.T, method string, body io.ReadCloser) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://dependency.test/path?q=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, ok := body.(*tracked); ok {
		req.ContentLength = b.length
	}
	if body != nil {
		req.Body = body
	}
	return req
}

// replayable returns a request with a body that GetBody can copy. The first body is
// first; the copies are kept in c.
func replayable(t *testing.T, method, content string) (req *http.Request, first *tracked, c *copies) {
	t.Helper()
	first, c = newTracked(content), &copies{content: content}
	req = newRequest(t, method, first)
	req.GetBody = c.get
	return req, first, c
}

// send sends req and holds what a RoundTripper owes whatever happens (behaviour
// 30): a response with a body or an error, never both, never neither.
func send(t *testing.T, rt http.RoundTripper, req *http.Request) (*http.Response, error) {
	t.Helper()
	resp, err := rt.RoundTrip(req)
	switch {
	case (resp == nil) == (err == nil):
		t.Fatalf("RoundTrip returned response %v and error %v, want exactly one of both", resp, err)
	case resp != nil && resp.Body == nil:
		t.Fatalf("RoundTrip returned a response without a body, want at least http.NoBody")
	}
	return resp, err
}

// mustSend is send for a request that must be answered with code. It returns the
// response, with its body still to be read.
func mustSend(t *testing.T, rt http.RoundTripper, req *http.Request, code int) *http.Response {
	t.Helper()
	resp, err := send(t, rt, req)
	if err != nil {
		t.Fatalf("RoundTrip failed with %v, want status %d", err, code)
	}
	if resp.StatusCode != code {
		t.Fatalf("RoundTrip returned status %d, want %d", resp.StatusCode, code)
	}
	return resp
}

// content reads a body to its end, closes it and returns what it held.
func content(t *testing.T, body io.ReadCloser) string {
	t.Helper()
	defer body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(body); err != nil {
		t.Fatalf("body ended with %v after %q, want EOF", err, b.String())
	}
	return b.String()
}

// retrying is a retry of n attempts with exactly wait between them, and no other
// bound.
func retrying(n int, wait time.Duration) firebreak.Policy {
	return retry.New(retry.Config{
		MaxAttempts: n,
		NewBackOff:  func() backoff.BackOff { return backoff.NewConstantBackOff(wait) },
		Budget:      retry.NewBudget(retry.BudgetConfig{Floor: 1000, FloorRate: 100}),
	})
}
