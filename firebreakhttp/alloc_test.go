package firebreakhttp_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakhttp"
	"github.com/firebreak-go/firebreak/retry"
	"github.com/firebreak-go/firebreak/timeout"
)

// fivePolicies are those of a stack composed by hand, in their usual order.
func fivePolicies() []firebreak.Policy {
	return []firebreak.Policy{
		timeout.New(10 * time.Second),
		retry.New(retry.Config{}),
		breaker.New(breaker.Config{}),
		bulkhead.New(bulkhead.Config{MaxCalls: 64}),
		timeout.New(2 * time.Second),
	}
}

// replying is a base that answers at once with a short body. The response and its
// body are one allocation each.
type replying struct{ code int }

// reply is a response body.
type reply struct{ strings.Reader }

func (*reply) Close() error { return nil }

var replyHeader = http.Header{"Content-Type": {"text/plain"}}

func (r replying) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		_, _ = io.Copy(io.Discard, req.Body)
		_ = req.Body.Close()
	}
	body := new(reply)
	body.Reset("content")
	return &http.Response{
		StatusCode: r.code, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: replyHeader, Body: body, ContentLength: 7, Request: req,
	}, nil
}

// rereadable is a request body for any number of calls.
type rereadable struct{ strings.Reader }

func (b *rereadable) Close() error {
	b.Reset("content")
	return nil
}

// The budget is 14 for a request with a header whose response body is read. The
// header's copy is three of them, the deadline four; a request body costs one or
// two more.
func TestAllocationsOfARoundTrip(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	newGet := func() *http.Request {
		req := newRequest(t, "GET", nil)
		req.Header.Set("Accept", "application/json")
		req.Header.Set("Authorization", "Bearer token")
		return req.WithContext(context.Background()) // as bare as a caller's may be
	}
	newPut := func(body io.ReadCloser, copied func() (io.ReadCloser, error)) *http.Request {
		req := newGet()
		req.Method, req.Body, req.GetBody, req.ContentLength = "PUT", body, copied, 7
		return req
	}
	watched := new(rereadable)
	watched.Reset("content")
	inMemory := new(rereadable)
	inMemory.Reset("content")
	memory := io.NopCloser(&inMemory.Reader)
	unopened := breaker.New(breaker.Config{ConsecutiveFailures: 1 << 20, MinCalls: 1 << 20})
	buf := make([]byte, 512)
	for name, c := range map[string]struct {
		req      *http.Request
		policies []firebreak.Policy
		code     int
		want     float64 // two of them the base's
	}{
		"five policies":            {newGet(), fivePolicies(), 200, 14},
		"five policies, a failure": {newGet(), append(fivePolicies()[:2:2], unopened, fivePolicies()[3], fivePolicies()[4]), 500, 15},
		"body in memory":           {newPut(memory, nil), fivePolicies(), 200, 15},
		"body that is watched":     {newPut(watched, nil), fivePolicies(), 200, 15},
		"body that can be copied":  {newPut(watched, func() (io.ReadCloser, error) { return watched, nil }), fivePolicies(), 200, 16},
		"no timeout, no policy":    {newGet(), []firebreak.Policy{timeout.Unbounded("test")}, 200, 7},
	} {
		t.Run(name, func(t *testing.T) {
			base := replying{c.code}
			exchange := func(rt http.RoundTripper) {
				if c.req.Body == memory {
					inMemory.Reset("content")
				}
				resp, err := rt.RoundTrip(c.req)
				if err != nil || resp.StatusCode != c.code {
					t.Fatalf("got %v and %v, want status %d", resp, err, c.code)
				}
				for {
					if _, err := resp.Body.Read(buf); err != nil {
						break
					}
				}
				resp.Body.Close()
			}
			rt := newRT(base, c.policies...)
			if got := testing.AllocsPerRun(200, func() { exchange(rt) }); got > c.want {
				t.Errorf("got %v allocations, want at most %v", got, c.want)
			}
		})
	}
}

// The budget is 2: the state of the call, and the error.
func TestAllocationsOfARejection(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	open := breaker.New(breaker.Config{})
	open.ForceOpen()
	full := one()
	if _, err := full.Allow(t.Context(), firebreak.Call{}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		policies []firebreak.Policy
		want     error
	}{
		"breaker":       {[]firebreak.Policy{timeout.New(10 * time.Second), retry.New(retry.Config{}), open, bulkhead.New(bulkhead.Config{}), timeout.New(2 * time.Second)}, breaker.ErrOpen},
		"bulkhead":      {[]firebreak.Policy{timeout.New(10 * time.Second), retry.New(retry.Config{}), breaker.New(breaker.Config{}), full, timeout.New(2 * time.Second)}, bulkhead.ErrFull},
		"breaker alone": {[]firebreak.Policy{timeout.Unbounded("test"), open}, breaker.ErrOpen},
	} {
		t.Run(name, func(t *testing.T) {
			rt := newRT(replying{200}, c.policies...)
			req := newRequest(t, "GET", nil)
			got := testing.AllocsPerRun(200, func() {
				if _, err := rt.RoundTrip(req); !errors.Is(err, c.want) {
					t.Fatalf("got error %v, want %v", err, c.want)
				}
			})
			if got > 2 {
				t.Errorf("got %v allocations, want at most 2", got)
			}
		})
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	req, err := http.NewRequest(http.MethodGet, "http://dependency.test/", nil)
	if err != nil {
		b.Fatal(err)
	}
	for _, bench := range []struct {
		name string
		rt   http.RoundTripper
	}{
		{"base alone", replying{200}},
		{"five policies", firebreakhttp.Transport(replying{200}, firebreak.New("bench", fivePolicies()...))},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			buf := make([]byte, 512)
			for b.Loop() {
				resp, err := bench.rt.RoundTrip(req)
				if err != nil {
					b.Fatal(err)
				}
				for err == nil {
					_, err = resp.Body.Read(buf)
				}
				resp.Body.Close()
			}
		})
	}
}
