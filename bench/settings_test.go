package bench

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

// What all stacks are set up with, as far as they know it. They are firebreak's
// defaults, but for the timeouts and for what peers cannot do.
const (
	callTimeout    = 10 * time.Second
	attemptTimeout = 2 * time.Second

	maxAttempts = 3
	baseDelay   = 50 * time.Millisecond
	maxDelay    = 5 * time.Second

	window              = 30 * time.Second
	buckets             = 10
	minCalls            = 20
	failureRatio        = 0.5
	consecutiveFailures = 10
	probes              = 3

	// openFor is long, so that a breaker that was opened stays open however long
	// the benchmark lasts.
	openFor = time.Hour

	maxCalls = 256
)

// user is what the calls of the Do benchmarks return.
type user struct{ name string }

var errUnavailable = errors.New("unavailable")

// lookUp is the function that is called. A pointer goes through firebreak's any
// without an allocation; a result of another type costs firebreak one more, and a
// peer with type parameters none.
func lookUp(context.Context) (*user, error) { return theUser, nil }

var theUser = &user{name: "Ada"}

// reply is a base transport that answers at once, with a body of a few bytes. Its
// own cost is part of all measurements; the rows of "no policies" show it.
type reply struct{}

func (reply) RoundTrip(req *http.Request) (*http.Response, error) {
	r := &struct {
		http.Response
		body text
	}{}
	r.Response = http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: replyHeader, ContentLength: int64(len(replyText)), Request: req,
	}
	r.body.Reset(replyText)
	r.Body = &r.body
	return &r.Response, nil
}

const replyText = `{"name":"Ada"}`

var replyHeader = http.Header{"Content-Type": {"application/json"}}

// text is a response body that costs nothing to close.
type text struct{ strings.Reader }

func (*text) Close() error { return nil }

// newRequest returns a request as an API client sends it.
func newRequest(ctx context.Context) *http.Request {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://api.example.com/users/42", nil)
	must(err)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Authorization", "Bearer 0123456789abcdef")
	return req
}

// exchange sends req through t and reads and closes the body, as a caller does.
func exchange(t http.RoundTripper, req *http.Request, buf []byte) error {
	resp, err := t.RoundTrip(req)
	if err != nil {
		return err
	}
	for err == nil {
		_, err = resp.Body.Read(buf)
	}
	return resp.Body.Close()
}

// must panics with err, if there is one, of what cannot fail.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// serial and parallel run f, b.N times in all. newF is called once for each
// goroutine and returns its f.
func serial(b *testing.B, newF func() func() error) {
	b.Helper()
	b.ReportAllocs()
	f := newF()
	for b.Loop() {
		if err := f(); err != nil {
			b.Fatal(err)
		}
	}
}

func parallel(b *testing.B, newF func() func() error) {
	b.Helper()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		f := newF()
		for pb.Next() {
			if err := f(); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// contestant is who takes part in a benchmark.
type contestant struct {
	name string
	newF func() func() func() error
}

// compare runs the contestants one after the other, so that they meet the same
// weather: first each alone in one goroutine, then each in one per processor.
func compare(b *testing.B, contestants []contestant) {
	b.Helper()
	for _, c := range contestants {
		b.Run("serial/"+c.name, func(b *testing.B) { serial(b, c.newF()) })
	}
	for _, c := range contestants {
		b.Run("parallel/"+c.name, func(b *testing.B) { parallel(b, c.newF()) })
	}
}
