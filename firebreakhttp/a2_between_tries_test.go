package firebreakhttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/timeout"
)

// R: "Discarded bodies are closed."
func TestA2_23_DiscardedBodiesAreClosed(t *testing.T) {
	for name, bodies := range map[string][]*tracked{
		"short":      {newTracked("a"), newTracked("b")},
		"empty":      {newTracked(""), newTracked("")},
		"broken off": {newBroken("a", io.ErrUnexpectedEOF), newBroken("b", errReset)},
		"long":       {newTracked(strings.Repeat("x", 65<<10)), newEndless()},
	} {
		t.Run(name, func(t *testing.T) {
			base := script(respond(503, bodies[0]), respond(503, bodies[1]), status(200))
			mustSend(t, newRT(base, retrying(3, time.Nanosecond), breaker.New(breaker.Config{})), newRequest(t, "GET", nil), 200).Body.Close()
			bodies[0].wantClosed(t, "the first body")
			bodies[1].wantClosed(t, "the second body")
		})
	}
	t.Run("without content", func(t *testing.T) { // a base may count on Close all the same
		body := newTracked("")
		base := script(respond(503, body), status(200))
		mustSend(t, newRT(base, retrying(2, time.Nanosecond)), newRequest(t, "HEAD", nil), 200).Body.Close()
		body.wantClosed(t, "the body of the answer to HEAD")
	})
	t.Run("one connection", func(t *testing.T) {
		for _, size := range []int{0, 100, 1 << 20} {
			n := 0
			server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				if n++; n < 3 {
					w.WriteHeader(503)
					_, _ = w.Write(make([]byte, size))
				}
			})
			base := newBase(t)
			base.MaxConnsPerHost = 1 // a body that is left open keeps the next try waiting
			mustSend(t, newRT(base, timeout.New(10*time.Second), retrying(3, time.Nanosecond)), requestTo(t, "GET", server, nil), 200).Body.Close()
			if n != 3 {
				t.Errorf("with error bodies of %d bytes the server got %d requests, want 3", size, n)
			}
		}
	})
}

// R: "small bodies are drained so that 4 tries use one connection."
func TestA2_24_ConnectionReuse(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter){
		"short": func(w http.ResponseWriter) {
			w.WriteHeader(503)
			_, _ = io.WriteString(w, "sorry")
		},
		"chunked, 60 KiB": func(w http.ResponseWriter) {
			w.WriteHeader(503)
			_, _ = w.Write(make([]byte, 60<<10))
		},
		"64 KiB": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "65536")
			w.WriteHeader(503)
			_, _ = w.Write(make([]byte, 64<<10))
		},
		"empty": func(w http.ResponseWriter) { w.WriteHeader(503) },
	} {
		t.Run(name, func(t *testing.T) {
			var peers []string
			server := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if peers = append(peers, r.RemoteAddr); len(peers) < 4 {
					answer(w)
				}
			})
			mustSend(t, newRT(newBase(t), retrying(4, time.Nanosecond)), requestTo(t, "GET", server, nil), 200).Body.Close()
			if len(peers) != 4 || len(slices.Compact(peers)) != 1 {
				t.Errorf("the tries came from %q, want 4 over one connection", peers)
			}
		})
	}
}

// R: "at most ~64 KiB, then Close."
func TestA2_25_DrainBoundedInBytes(t *testing.T) {
	for name, c := range map[string]struct {
		body *tracked
		most int64
	}{
		"endless":        {newEndless(), 64 << 10},
		"known too long": {track(1<<20, func(*tracked) io.Reader { return newEndless() }), 0},
	} {
		t.Run(name, func(t *testing.T) {
			base := script(respond(503, c.body), status(200))
			mustSend(t, newRT(base, retrying(2, time.Nanosecond)), newRequest(t, "GET", nil), 200).Body.Close()
			if got := c.body.bytes.Load(); got > c.most {
				t.Errorf("%d bytes of a body that nobody wants were read, want at most %d", got, c.most)
			}
			c.body.wantClosed(t, "the body")
		})
	}
}

// R: "~50 ms, then cancel the try's context and Close."
func TestA2_26_DrainBoundedInTime(t *testing.T) {
	// cancelOnly is a body that ends with its context, and not by Close.
	cancelOnly := func(tr *try) *tracked {
		return track(1000, func(*tracked) io.Reader {
			return readerFunc(func([]byte) (int, error) { <-tr.ctx.Done(); return 0, tr.ctx.Err() })
		})
	}
	for name, stalled := range map[string]func(tr *try) *tracked{
		"ends with Close":   func(*try) *tracked { return newStalled(nil, "part") },
		"ends with either":  func(tr *try) *tracked { return newStalled(tr.ctx, "part") },
		"ends with context": cancelOnly,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				base := script(func(tr *try) (*http.Response, error) {
					body := stalled(tr)
					time.AfterFunc(49*time.Millisecond, func() {
						if got := body.closes.Load(); got != 0 {
							t.Errorf("after 49ms the body was closed %d times, want never", got)
						}
					})
					time.AfterFunc(51*time.Millisecond, func() {
						body.wantClosed(t, "the body, after 51ms,")
						if tr.ctx.Err() == nil {
							t.Error("after 51ms the context of the try is alive, want it cancelled")
						}
					})
					return response(503, body), nil
				}, status(200))
				begin := time.Now()
				rt := newRT(base, timeout.New(time.Minute), retrying(2, time.Second), timeout.New(10*time.Second))
				mustSend(t, rt, newRequest(t, "GET", nil), 200).Body.Close()
				if got := base.tries()[1].begin.Sub(begin); got != time.Second {
					t.Errorf("the second try began after %v, want 1s: the drain is part of the wait", got)
				}
			})
		})
	}
}

// R: "drain+close before sleeping."
func TestA2_27_ReleaseBeforeTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bulkhead.New(bulkhead.Config{MaxCalls: 1})
		body := newTracked("sorry")
		base := script(respond(503, body), status(200))
		time.AfterFunc(5*time.Second, func() { // in the middle of the wait
			body.wantClosed(t, "the first body")
			if got := body.bytes.Load(); got != 5 {
				t.Errorf("%d bytes of the first body were read, want 5", got)
			}
			if got := inFlight(b); got != 0 {
				t.Errorf("%d slots are held in the wait, want 0", got)
			}
			if base.tries()[0].ctx.Err() == nil {
				t.Error("the context of the first try is alive in the wait, want it ended")
			}
		})
		rt := newRT(base, timeout.New(time.Minute), retrying(2, 10*time.Second), b, timeout.New(20*time.Second))
		mustSend(t, rt, newRequest(t, "GET", nil), 200).Body.Close()
	})
}

// inFlight returns how many slots of b are held.
func inFlight(b *bulkhead.Bulkhead) int {
	n := 0
	b.Report(func(s firebreak.Status) { n = s.InFlight })
	return n
}

// R: "cancel in backoff, check Close."
func TestA2_28_HeldResponseClosedWhenTheWaitIsCancelled(t *testing.T) {
	for name, legacy := range map[string]bool{"context": false, "Request.Cancel": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				body := newTracked("sorry")
				base := script(respond(503, body))
				ctx, cancel := context.WithCancel(t.Context())
				req := newRequest(t, "GET", nil)
				if legacy {
					gone := make(chan struct{})
					req.Cancel = gone //nolint:staticcheck // callers still use it
					time.AfterFunc(time.Second, func() { close(gone) })
				} else {
					req = req.WithContext(ctx)
					time.AfterFunc(time.Second, cancel)
				}
				defer cancel()
				begin := time.Now()
				_, err := send(t, newRT(base, retrying(3, 10*time.Second)), req)
				if !errors.Is(err, context.Canceled) {
					t.Errorf("error is %v, want %v", err, context.Canceled)
				}
				if got := time.Since(begin); got != time.Second {
					t.Errorf("the call ended after %v, want 1s", got)
				}
				body.wantClosed(t, "the body")
				base.wantTries(t, 1)
			})
		})
	}
}

// R: "(resp 503, nil), body readable, headers intact."
func TestA2_29_ExhaustedIsTheLastResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := newTracked("one")
		base := script(respond(503, first), status(502), respond(503, newTracked("three"), "Set-Cookie", "secret", "X-Number", "3"))
		rt := newRT(base, timeout.New(time.Minute), retrying(3, time.Second), breaker.New(breaker.Config{}), bulkhead.New(bulkhead.Config{}), timeout.New(10*time.Second))
		resp := mustSend(t, rt, newRequest(t, "GET", nil), 503)
		base.wantTries(t, 3)
		time.Sleep(5 * time.Second)
		if got := content(t, resp.Body); got != "three" {
			t.Errorf("body is %q, want %q", got, "three")
		}
		want := http.Header{"Set-Cookie": {"secret"}, "X-Number": {"3"}}
		if diff := cmp.Diff(want, resp.Header); diff != "" {
			t.Errorf("header (-want +got):\n%s", diff)
		}
		first.wantClosed(t, "the first body")
	})
}

// errUsers is an error of a user's policy.
var errUsers = errors.New("a user's policy failed")

// R: "Never response and error, never neither." The helper send holds it in all
// tests; here are the bases and policies that break the rule themselves.
func TestA2_30_NeverBothNeverNeither(t *testing.T) {
	answering := func(resp *http.Response, err error) policyFunc {
		return func(context.Context, firebreak.Call, firebreak.Handler) (any, error) { return resp, err }
	}
	after := func(f func(result any, err error) (any, error)) policyFunc {
		return func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
			return f(next(ctx, c))
		}
	}
	body := newTracked("content")
	for name, c := range map[string]struct {
		base   step
		policy firebreak.Policy
		code   int
		err    error
		closed bool // body
	}{
		"base returns neither":             {base: func(*try) (*http.Response, error) { return nil, nil }, err: errAny},
		"base returns no body":             {base: func(*try) (*http.Response, error) { return &http.Response{StatusCode: 200}, nil }, code: 200},
		"base returns a failure, no body":  {base: func(*try) (*http.Response, error) { return &http.Response{StatusCode: 503}, nil }, code: 503},
		"policy returns neither":           {base: respond(200, body), policy: answering(nil, nil), err: errAny},
		"policy answers itself":            {base: respond(200, body), policy: answering(&http.Response{StatusCode: 418}, nil), code: 418},
		"policy answers and fails":         {base: respond(200, body), policy: answering(response(418, body), errUsers), err: errUsers, closed: true},
		"policy fails after an answer":     {base: respond(200, body), policy: after(func(r any, _ error) (any, error) { return r, errUsers }), err: errUsers, closed: true},
		"policy forgets the error":         {base: respond(503, body), policy: after(func(r any, _ error) (any, error) { return r, nil }), code: 503, closed: true},
		"policy wraps the error":           {base: respond(503, body), policy: after(func(r any, err error) (any, error) { return r, fmt.Errorf("503: %w", err) }), err: errAny, closed: true},
		"policy drops the failed response": {base: respond(503, body), policy: after(func(r any, err error) (any, error) { firebreak.Discard(r); return nil, err }), err: errAny, closed: true},
	} {
		t.Run(name, func(t *testing.T) {
			body.closes.Store(0)
			base := script(c.base)
			var policies []firebreak.Policy
			if c.policy != nil {
				policies = append(policies, c.policy)
			}
			resp, err := send(t, newRT(base, policies...), newRequest(t, "GET", nil))
			if resp != nil {
				resp.Body.Close()
			}
			switch {
			case c.err == nil && (err != nil || resp.StatusCode != c.code):
				t.Errorf("RoundTrip returned %v and %v, want status %d", resp, err, c.code)
			case c.err != nil && !errors.Is(err, c.err) && (c.err != errAny || err == nil): //nolint:errorlint // errAny stands for any error
				t.Errorf("RoundTrip returned %v and %v, want error %v", resp, err, c.err)
			}
			if got := body.closes.Load() == 1; got != c.closed {
				t.Errorf("the body was closed: %t, want %t", got, c.closed)
			}
		})
	}
}

// R: "close it."
func TestA2_31_LateResponse(t *testing.T) {
	for name, policies := range map[string][]firebreak.Policy{
		"timeout":             {timeout.New(time.Second)},
		"timeout and breaker": {timeout.New(time.Second), breaker.New(breaker.Config{ConsecutiveFailures: 1})},
		"attempt timeout":     {timeout.New(time.Minute), breaker.New(breaker.Config{ConsecutiveFailures: 1}), timeout.New(time.Second)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				body := newTracked("late")
				base := script(func(*try) (*http.Response, error) {
					time.Sleep(3 * time.Second) // whatever the context says
					return response(200, body), nil
				})
				_, err := send(t, newRT(base, policies...), newRequest(t, "GET", nil))
				if te, ok := errors.AsType[*timeout.Error](err); !ok || te.After != time.Second {
					t.Errorf("error is %v, want the timeout of 1s", err)
				}
				body.wantClosed(t, "the body")
				for _, p := range policies {
					if b, ok := p.(*breaker.Breaker); ok && b.State() != breaker.Open {
						t.Errorf("the breaker is %v, want %v: an answer that comes too late is none", b.State(), breaker.Open)
					}
				}
			})
		})
	}
}

// R: "close the body, return the error."
func TestA2_32_ErrorWithResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := newTracked("content")
		base := script(func(*try) (*http.Response, error) { return response(200, body), errReset })
		_, err := send(t, newRT(base, bulkhead.New(bulkhead.Config{MaxCalls: 1})), newRequest(t, "GET", nil))
		if err != error(errReset) { //nolint:errorlint // the base's own error comes back as it is
			t.Errorf("error is %v, want %v", err, errReset)
		}
		body.wantClosed(t, "the body")
		_, err = send(t, newRT(script(func(*try) (*http.Response, error) { return &http.Response{}, errReset })), newRequest(t, "GET", nil))
		if err != error(errReset) { //nolint:errorlint // the base's own error comes back as it is
			t.Errorf("error is %v, want %v", err, errReset)
		}
	})
}

// A body that never ends costs what is read of it, and no more, however the call
// ends; the server sees the connection close.
func TestEndlessBodyOverAConnection(t *testing.T) {
	var gone sync.WaitGroup
	n := 0
	address := listen(t, func(conn net.Conn) {
		if readHead(conn) != nil {
			return
		}
		if n++; n == 2 {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			return
		}
		defer gone.Done()
		_, _ = io.WriteString(conn, "HTTP/1.1 503 Service Unavailable\r\n\r\n")
		for {
			if _, err := conn.Write(make([]byte, 4<<10)); err != nil {
				return
			}
		}
	})
	gone.Add(1)
	rt := newRT(newBase(t), timeout.New(30*time.Second), retrying(2, time.Nanosecond), timeout.New(20*time.Second))
	mustSend(t, rt, requestTo(t, "GET", "http://"+address, nil), 200).Body.Close()
	gone.Wait()
}
