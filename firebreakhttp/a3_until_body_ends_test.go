package firebreakhttp_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakhttp"
	"github.com/firebreak-go/firebreak/timeout"
)

// one is a bulkhead with a single slot.
func one() *bulkhead.Bulkhead { return bulkhead.New(bulkhead.Config{MaxCalls: 1}) }

// wantHeld fails the test unless n slots of b are held.
func wantHeld(t *testing.T, b *bulkhead.Bulkhead, n int, when string) {
	t.Helper()
	if got := inFlight(b); got != n {
		t.Errorf("%s: %d slots are held, want %d", when, got, n)
	}
}

// R: "Bulkhead slot until Close/EOF": "hold a body, second call must be refused."
func TestA3_33_SlotUntilClose(t *testing.T) {
	rt := newRT(script(status(200)), one())
	resp := mustSend(t, rt, newRequest(t, "GET", nil), 200)
	if _, err := send(t, rt, newRequest(t, "GET", nil)); !errors.Is(err, bulkhead.ErrFull) {
		t.Errorf("with a body held the second call gives %v, want %v", err, bulkhead.ErrFull)
	}
	resp.Body.Close()
	mustSend(t, rt, newRequest(t, "GET", nil), 200).Body.Close()
}

// R: "release on EOF or any read error too."
func TestA3_34_EOFIsEnough(t *testing.T) {
	for name, c := range map[string]struct {
		body *tracked
		want error
	}{
		"EOF":         {newTracked("content"), nil},
		"error":       {newBroken("content", io.ErrUnexpectedEOF), io.ErrUnexpectedEOF},
		"wrapped EOF": {newBroken("content", errWrappedEOF), errWrappedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			b := one()
			resp := mustSend(t, newRT(script(respond(200, c.body)), b), newRequest(t, "GET", nil), 200)
			wantHeld(t, b, 1, "before the body was read")
			got, err := io.ReadAll(resp.Body)
			if string(got) != "content" || !errors.Is(err, c.want) {
				t.Errorf("body is %q and ends with %v, want %q and %v", got, err, "content", c.want)
			}
			wantHeld(t, b, 0, "after the body was read")
		})
	}
}

// errWrappedEOF is not io.EOF: a reader that returns it has broken off.
var errWrappedEOF = wrapped{io.EOF}

type wrapped struct{ error }

func (w wrapped) Unwrap() error { return w.error }

// R: "one release."
func TestA3_35_ExactlyOnce(t *testing.T) {
	b := one()
	rt := newRT(script(status(200)), b)
	first := mustSend(t, rt, newRequest(t, "GET", nil), 200)
	_, _ = io.ReadAll(first.Body)
	first.Body.Close()
	first.Body.Close()
	wantHeld(t, b, 0, "after EOF, Close and Close")
	second := mustSend(t, rt, newRequest(t, "GET", nil), 200)
	first.Body.Close()
	_, _ = io.ReadAll(first.Body)
	wantHeld(t, b, 1, "after a late Close, while another call has the slot")
	if _, err := send(t, rt, newRequest(t, "GET", nil)); !errors.Is(err, bulkhead.ErrFull) {
		t.Errorf("a third call gives %v, want %v", err, bulkhead.ErrFull)
	}
	second.Body.Close()
	wantHeld(t, b, 0, "at the end")
}

// R: "release at once; nobody reads or closes NoBody reliably."
func TestA3_36_BodilessResponses(t *testing.T) {
	noBody := func(code int) step {
		return func(*try) (*http.Response, error) {
			return &http.Response{StatusCode: code, Body: http.NoBody, Header: http.Header{}}, nil
		}
	}
	for name, c := range map[string]struct {
		method string
		base   step
	}{
		"HEAD":                  {"HEAD", noBody(200)},
		"HEAD, body wrapped":    {"HEAD", respond(200, newTracked(""))},
		"204":                   {"DELETE", noBody(204)},
		"204, body wrapped":     {"DELETE", respond(204, newTracked(""))},
		"304, body wrapped":     {"GET", respond(304, newTracked(""))},
		"NoBody":                {"GET", noBody(200)},
		"length 0, wrapped":     {"GET", respond(200, newTracked(""), "Content-Length", "0")},
		"nil":                   {"GET", func(*try) (*http.Response, error) { return &http.Response{StatusCode: 200}, nil }},
		"failure without body":  {"GET", noBody(503)},
		"failure to HEAD":       {"HEAD", respond(500, newTracked(""))},
		"rejected with no body": {"GET", noBody(429)},
	} {
		t.Run(name, func(t *testing.T) {
			b := one()
			resp, _ := send(t, newRT(script(c.base), b), newRequest(t, c.method, nil))
			wantHeld(t, b, 0, "with the response unread and open")
			if got := content(t, resp.Body); got != "" {
				t.Errorf("body is %q, want none", got)
			}
		})
	}
	t.Run("101", func(t *testing.T) { // a connection, also if the server announces that nothing follows
		b := one()
		resp := mustSend(t, newRT(script(respond(101, newTracked(""), "Content-Length", "0")), b), newRequest(t, "GET", nil), 101)
		wantHeld(t, b, 1, "with the connection open")
		resp.Body.Close()
		wantHeld(t, b, 0, "at the end")
	})
	t.Run("length left out", func(t *testing.T) { // a base made by hand: the zero ContentLength says nothing
		b := one()
		base := script(func(*try) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("content"))}, nil
		})
		resp := mustSend(t, newRT(base, b), newRequest(t, "GET", nil), 200)
		wantHeld(t, b, 1, "before the body was read")
		if got := content(t, resp.Body); got != "content" {
			t.Errorf("body is %q, want %q", got, "content")
		}
	})
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(protocol, func(t *testing.T) {
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/204" {
					w.WriteHeader(204)
				}
			}))
			server.EnableHTTP2 = protocol == "HTTP/2.0"
			server.StartTLS()
			defer server.Close()
			b := one()
			rt := newRT(server.Client().Transport, b)
			for _, what := range []string{"HEAD /", "GET /", "GET /204"} {
				method, path, _ := strings.Cut(what, " ")
				resp := mustSend(t, rt, requestTo(t, method, server.URL+path, nil), map[bool]int{true: 204, false: 200}[path == "/204"])
				if resp.Proto != protocol {
					t.Errorf("%s: protocol is %s, want %s", what, resp.Proto, protocol)
				}
				wantHeld(t, b, 0, what+", with the response unread and open")
				resp.Body.Close()
			}
		})
	}
}

// R: "Error and panic of the base release."
func TestA3_37_ErrorAndPanicRelease(t *testing.T) {
	for name, base := range map[string]step{
		"error":   fail(errReset),
		"panic":   func(*try) (*http.Response, error) { panic("in the base") },
		"Goexit":  func(*try) (*http.Response, error) { runtime.Goexit(); return nil, nil },
		"neither": func(*try) (*http.Response, error) { return nil, nil },
	} {
		t.Run(name, func(t *testing.T) {
			b, brk := one(), breaker.New(breaker.Config{ConsecutiveFailures: 1})
			s := script(base)
			rt := newRT(s, timeout.New(time.Minute), retrying(1, time.Nanosecond), brk, b, timeout.New(time.Second))
			done := make(chan struct{})
			go func() {
				defer close(done)
				defer func() { _ = recover() }()
				_, _ = rt.RoundTrip(newRequest(t, "GET", nil))
			}()
			<-done
			wantHeld(t, b, 0, "afterwards")
			if got := brk.State(); got != breaker.Open {
				t.Errorf("the breaker is %v, want %v", got, breaker.Open)
			}
			if s.tries()[0].ctx.Err() == nil {
				t.Error("the context of the try is alive, want it ended")
			}
		})
	}
}

// R: "Discarded tries release": "503, 503, 200."
func TestA3_38_DiscardedTriesRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := one()
		base := script(status(503), stall(503, "part"), status(200))
		rt := newRT(base, retrying(3, time.Second), b)
		resp := mustSend(t, rt, newRequest(t, "GET", nil), 200)
		base.wantTries(t, 3)
		wantHeld(t, b, 1, "with the last response open")
		resp.Body.Close()
		wantHeld(t, b, 0, "at the end")
	})
}

// R: "no lock held across Read; both return; slot freed." And it is no failure of
// the dependency that the caller closes.
func TestA3_39_CloseDuringRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, brk := one(), breaker.New(breaker.Config{ConsecutiveFailures: 1})
		body := &lingering{tracked: newStalled(nil, ""), returned: make(chan struct{})}
		base := script(func(*try) (*http.Response, error) {
			resp := response(200, body.tracked)
			resp.Body = body
			return resp, nil
		})
		resp := mustSend(t, newRT(base, timeout.New(time.Minute), brk, b), newRequest(t, "GET", nil), 200)
		go func() {
			defer close(body.returned)
			if _, err := resp.Body.Read(make([]byte, 10)); err == nil || err == io.EOF {
				t.Errorf("Read gives %v, want an error", err)
			}
		}()
		synctest.Wait() // the Read is stalled
		if err := resp.Body.Close(); err != nil {
			t.Errorf("Close gives %v, want nil", err)
		}
		wantHeld(t, b, 0, "afterwards")
		if got := brk.State(); got != breaker.Closed {
			t.Errorf("the breaker is %v, want %v", got, breaker.Closed)
		}
	})
}

// A lingering body is not closed before a Read of it, which that ends, has
// returned.
type lingering struct {
	*tracked
	returned chan struct{}
}

func (b *lingering) Close() error {
	err := b.tracked.Close()
	<-b.returned
	return err
}

// R: "leaves the queue at once, nothing sent, no slot lost."
func TestA3_40_WaitHonoursTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bulkhead.New(bulkhead.Config{MaxCalls: 1, MaxQueue: 10, MaxWait: time.Hour})
		base := script(status(200))
		rt := newRT(base, timeout.Unbounded("test"), b)
		held := mustSend(t, rt, newRequest(t, "GET", nil), 200)
		begin := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		body := newTracked("content")
		_, err := send(t, rt, newRequest(t, "PUT", body).WithContext(ctx))
		if got := time.Since(begin); !errors.Is(err, context.Canceled) || got != time.Second {
			t.Errorf("the call ended after %v with %v, want 1s and %v", got, err, context.Canceled)
		}
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = send(t, rt, newRequest(t, "GET", nil).WithContext(ctx))
		if got := time.Since(begin); !errors.Is(err, context.DeadlineExceeded) || got != 2*time.Second {
			t.Errorf("the call ended after %v with %v, want 2s and %v", got, err, context.DeadlineExceeded)
		}
		base.wantTries(t, 1)
		body.wantClosed(t, "the body")
		held.Body.Close()
		wantHeld(t, b, 0, "at the end")
		mustSend(t, rt, newRequest(t, "GET", nil), 200).Body.Close()
	})
}

// R: "give the slot back or use it, never both or neither": "24 goroutines with
// 1-5 ms deadlines, then fill to Max."
func TestA3_41_GrantCancelRace(t *testing.T) {
	const slots = 3
	synctest.Test(t, func(t *testing.T) {
		b := bulkhead.New(bulkhead.Config{MaxCalls: slots, MaxQueue: 24, MaxWait: time.Second})
		// Each call takes 1ms: slots are granted at the very times at which callers leave.
		rt := newRT(script(after(time.Millisecond, status(200))), b)
		for range 20 {
			var wg sync.WaitGroup
			for i := range 24 {
				wg.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+i%5)*time.Millisecond)
					defer cancel()
					if resp, err := rt.RoundTrip(newRequest(t, "GET", nil).WithContext(ctx)); err == nil {
						resp.Body.Close()
					}
				})
			}
			wg.Wait()
			wantHeld(t, b, 0, "after the callers have left")
		}
		var held []*http.Response
		for range slots {
			held = append(held, mustSend(t, rt, newRequest(t, "GET", nil), 200))
		}
		wantHeld(t, b, slots, "filled")
		for _, resp := range held {
			resp.Body.Close()
		}
		wantHeld(t, b, 0, "at the end")
	})
}

// R: "timeout cuts the read."
func TestA3_42_TimerUntilTheBodyEnds(t *testing.T) {
	for name, policies := range map[string][]firebreak.Policy{
		"call":    {timeout.New(100 * time.Millisecond)},
		"attempt": {timeout.New(time.Minute), retrying(3, time.Second), timeout.New(100 * time.Millisecond)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				base := script(stall(200, "part"))
				begin := time.Now()
				resp := mustSend(t, newRT(base, policies...), newRequest(t, "GET", nil), 200)
				defer resp.Body.Close()
				got, err := io.ReadAll(resp.Body)
				if te, ok := errors.AsType[*timeout.Error](err); !ok || te.After != 100*time.Millisecond || te.Scope != name {
					t.Errorf("the body ends with %v, want the timeout of the %s", err, name)
				}
				if took := time.Since(begin); string(got) != "part" || took != 100*time.Millisecond {
					t.Errorf("the body gave %q for %v, want %q for 100ms", got, took, "part")
				}
				base.wantTries(t, 1) // the caller has had a part of it
			})
		})
	}
}

// R: "body readable after RoundTrip returned."
func TestA3_43_NotKilledEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := script(func(tr *try) (*http.Response, error) {
			return response(200, track(-1, func(*tracked) io.Reader {
				rest := strings.NewReader("content")
				return readerFunc(func(p []byte) (int, error) {
					if err := tr.ctx.Err(); err != nil {
						return 0, err
					}
					return rest.Read(p)
				})
			})), nil
		})
		rt := newRT(base, timeout.New(time.Minute), retrying(3, time.Second), breaker.New(breaker.Config{}), bulkhead.New(bulkhead.Config{}), timeout.New(10*time.Second))
		resp := mustSend(t, rt, newRequest(t, "GET", nil), 200)
		time.Sleep(time.Second)
		if got := content(t, resp.Body); got != "content" {
			t.Errorf("body is %q, want %q", got, "content")
		}
	})
	t.Run("8 MiB", func(t *testing.T) {
		const size = 8 << 20
		server := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(pattern(size)) })
		client := firebreakhttp.NewClient("test")
		defer client.CloseIdleConnections()
		resp, err := client.Get(server)
		if err != nil {
			t.Fatal(err)
		}
		if content(t, resp.Body) != string(pattern(size)) {
			t.Error("the download did not arrive as it was sent")
		}
	})
}

// R: "the try's context is Done after Close, and after a discarded try."
func TestA3_44_ContextReleased(t *testing.T) {
	for name, end := range map[string]func(io.ReadCloser){
		"Close": func(body io.ReadCloser) { body.Close() },
		"EOF":   func(body io.ReadCloser) { _, _ = io.ReadAll(body) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				base := script(status(503), fail(errReset), status(200))
				rt := newRT(base, timeout.New(time.Hour), retrying(3, time.Second), timeout.New(time.Minute))
				resp := mustSend(t, rt, newRequest(t, "GET", nil), 200)
				tries := base.tries()
				for i, tr := range tries[:2] {
					if tr.ctx.Err() == nil {
						t.Errorf("the context of try %d, which was discarded, is alive", i+1)
					}
				}
				if err := tries[2].ctx.Err(); err != nil {
					t.Errorf("the context of the response in use has ended with %v", err)
				}
				end(resp.Body)
				if tries[2].ctx.Err() == nil {
					t.Error("the context is alive after the end of the body")
				}
			})
		})
	}
}

// R: "failure": "two broken bodies open Breaker(2)."
func TestA3_45_BreakerReportsAtTheEnd(t *testing.T) {
	for name, c := range map[string]struct {
		base step
		want breaker.State
	}{
		"broken":                {respondNew(func() *tracked { return newBroken("part", io.ErrUnexpectedEOF) }), breaker.Open},
		"broken with a wrapper": {respondNew(func() *tracked { return newBroken("part", errWrappedEOF) }), breaker.Open},
		"timed out":             {stall(200, "part"), breaker.Open},
		"whole":                 {respondNew(func() *tracked { return newTracked("whole") }), breaker.Closed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := breaker.New(breaker.Config{ConsecutiveFailures: 2})
				rt := newRT(script(c.base), timeout.New(time.Minute), b, timeout.New(time.Second))
				for range 2 {
					resp := mustSend(t, rt, newRequest(t, "GET", nil), 200)
					if got := b.State(); got != breaker.Closed {
						t.Fatalf("the breaker is %v before the body was read, want %v", got, breaker.Closed)
					}
					_, _ = io.ReadAll(resp.Body)
					resp.Body.Close()
				}
				if got := b.State(); got != c.want {
					t.Errorf("the breaker is %v, want %v", got, c.want)
				}
			})
		})
	}
	t.Run("caller who gives up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := breaker.New(breaker.Config{ConsecutiveFailures: 1})
			ctx, cancel := context.WithCancel(t.Context())
			resp := mustSend(t, newRT(script(stall(200, "part")), b), newRequest(t, "GET", nil).WithContext(ctx), 200)
			time.AfterFunc(time.Second, cancel)
			if _, err := io.ReadAll(resp.Body); !errors.Is(err, context.Canceled) {
				t.Errorf("the body ends with %v, want %v", err, context.Canceled)
			}
			resp.Body.Close()
			if got := b.State(); got != breaker.Closed {
				t.Errorf("the breaker is %v, want %v", got, breaker.Closed)
			}
		})
	})
}

// respondNew answers 200 with a new body each time.
func respondNew(body func() *tracked) step {
	return func(tr *try) (*http.Response, error) { return respond(200, body())(tr) }
}

// R: "report success at headers for half-open if the body outlives a bound; never
// hold the only probe for hours."
func TestA3_46_StreamsAndProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := breaker.New(breaker.Config{ConsecutiveFailures: 1, Probes: 1, ProbeTimeout: 10 * time.Second})
		base := script(fail(errReset), stall(200, "event"), status(200))
		rt := newRT(base, timeout.Unbounded("a long poll"), b)
		if _, err := send(t, rt, newRequest(t, "GET", nil)); err == nil {
			t.Fatal("the first call succeeded, want it to open the breaker")
		}
		time.Sleep(10 * time.Second)
		stream := mustSend(t, rt, newRequest(t, "GET", nil), 200)
		if got := b.State(); got != breaker.HalfOpen {
			t.Fatalf("the breaker is %v while the probe is fresh, want %v", got, breaker.HalfOpen)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got := b.State(); got != breaker.Closed {
			t.Errorf("the breaker is %v while the stream lasts, want %v", got, breaker.Closed)
		}
		time.Sleep(time.Hour)
		mustSend(t, rt, newRequest(t, "GET", nil), 200).Body.Close()
		stream.Body.Close()
		if got := b.State(); got != breaker.Closed {
			t.Errorf("the breaker is %v at the end, want %v", got, breaker.Closed)
		}
	})
}

// R: "is taken at headers (or TTFB), the slot at end."
func TestA3_47_LatencyIsTakenAtHeaders(t *testing.T) {
	for name, c := range map[string]struct {
		base step
		read time.Duration
		want breaker.State
	}{
		"slow body":   {status(200), time.Hour, breaker.Closed},
		"slow header": {after(2*time.Second, status(200)), 0, breaker.Open},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				brk, b := breaker.New(breaker.Config{ConsecutiveFailures: 1, SlowAfter: time.Second}), one()
				resp := mustSend(t, newRT(script(c.base), timeout.Unbounded("test"), brk, b), newRequest(t, "GET", nil), 200)
				time.Sleep(c.read)
				wantHeld(t, b, 1, "before the end of the body")
				resp.Body.Close()
				wantHeld(t, b, 0, "after the end of the body")
				if got := brk.State(); got != c.want {
					t.Errorf("the breaker is %v, want %v", got, c.want)
				}
			})
		})
	}
}

// R: "is the caller's leak; document, do not add finalizers." What is held shows:
// the slot in the status, and the timeout gives the connection back.
func TestA3_48_UnreadUnclosedBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := one()
		base := script(stall(200, "part"))
		rt := newRT(base, timeout.New(time.Minute), b)
		resp := mustSend(t, rt, newRequest(t, "GET", nil), 200)
		runtime.GC()
		runtime.GC()
		wantHeld(t, b, 1, "with the body neither read nor closed")
		time.Sleep(time.Minute)
		synctest.Wait()
		if base.tries()[0].ctx.Err() == nil {
			t.Error("the context is alive after the timeout: the connection leaks")
		}
		_, err := resp.Body.Read(make([]byte, 10))
		for err == nil {
			_, err = resp.Body.Read(make([]byte, 10))
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("reading late gives %v, want %v", err, context.DeadlineExceeded)
		}
		wantHeld(t, b, 0, "after a late Read")
	})
}
