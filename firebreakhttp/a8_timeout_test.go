package firebreakhttp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/timeout"
)

// "Timeout before headers: 503/504; handler's ctx.Err()=DeadlineExceeded, Cause=policy."
// "Deadline visible to the handler."
func TestA8_128_129_TimeoutBeforeHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := new(witness)
		begin := time.Now()
		h := handle(func(_ http.ResponseWriter, r *http.Request) {
			if at, ok := r.Context().Deadline(); !ok || !at.Equal(begin.Add(time.Second)) {
				t.Errorf("the handler sees the deadline %v, want it after 1s", at)
			}
			<-r.Context().Done()
			expired, ours := errors.AsType[*timeout.Error](context.Cause(r.Context()))
			if err := r.Context().Err(); err != context.DeadlineExceeded || !ours || expired.After != time.Second {
				t.Errorf("the context ends with %v and cause %v, want the timeout of 1s", err, context.Cause(r.Context()))
			}
		}, seen, second())
		w := get(h, "/")
		wantStatus(t, w, 503, "after the timeout")
		wantElapsed(t, begin, time.Second)
		seen.want(t, firebreak.Failure)
	})
}

// The same on a connection, where waking reads has net/http cancel the context of the
// connection: the handler's has ended by its deadline before, and so has what it made of it.
func TestA8_128_DeadlineAndNotCancellationOnAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, http2 := range []bool{false, true} {
			s := servePipes(t, handle(func(_ http.ResponseWriter, r *http.Request) {
				inner, cancel := context.WithCancel(r.Context())
				defer cancel()
				<-inner.Done()
				synctest.Wait() // until the timer has done all that it does
				if got := inner.Err(); got != context.DeadlineExceeded {
					t.Errorf("HTTP/2 %v: the context ends with %v, want %v", http2, got, context.DeadlineExceeded)
				}
			}, second()))
			resp, err := s.client(t, http2).Get("http://server.test/")
			if err != nil || resp.StatusCode != 503 {
				t.Fatalf("got %v and %v, want status 503", resp, err)
			}
			content(t, resp.Body)
		}
	})
}

// "Timeout after headers: append nothing, no second WriteHeader; abort with
// ErrAbortHandler when the handler returns so the client sees a broken response."
func TestA8_130_TimeoutAfterHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := new(witness)
		s := servePipes(t, handle(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `{"items":[1,2`)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			if _, err := io.WriteString(w, ",3]}"); !errors.Is(err, http.ErrHandlerTimeout) {
				t.Errorf("a write after the timeout: got %v, want %v", err, http.ErrHandlerTimeout)
			}
		}, seen, second()))
		for _, http2 := range []bool{false, true} {
			begin := time.Now()
			resp, err := s.client(t, http2).Get("http://server.test/")
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(resp.Body)
			if resp.StatusCode != 200 || string(b) != `{"items":[1,2` || err == nil {
				t.Errorf("HTTP/2 %v: got status %d, body %q and %v, want a broken one", http2, resp.StatusCode, b, err)
			}
			resp.Body.Close()
			wantElapsed(t, begin, time.Second)
		}
		synctest.Wait() // the client may see the end first
		seen.want(t, firebreak.Failure, firebreak.Failure)
	})
}

// "Handler ignoring its context: client still gets 503 in time. R: timer goroutine writes
// through a mutex-guarded writer with explicit Content-Length, Connection: close and
// Flush, while the handler's own goroutine goes on."
func TestA8_131_HandlerIgnoresItsContext(t *testing.T) {
	const text = "Service Unavailable"
	synctest.Test(t, func(t *testing.T) {
		s := servePipes(t, handle(func(http.ResponseWriter, *http.Request) { time.Sleep(10 * time.Second) }, second()))
		for _, http2 := range []bool{false, true} {
			begin := time.Now()
			resp, err := s.client(t, http2).Get("http://server.test/")
			if err != nil {
				t.Fatal(err)
			}
			wantElapsed(t, begin, time.Second)
			if resp.StatusCode != 503 || resp.ContentLength != int64(len(text)) || resp.Close == http2 {
				t.Errorf("HTTP/2 %v: got %s, length %d, close %v", http2, resp.Status, resp.ContentLength, resp.Close)
			}
			body := make([]byte, len(text))
			if _, err := io.ReadFull(resp.Body, body); err != nil || string(body) != text {
				t.Errorf("HTTP/2 %v: got body %q and %v", http2, body, err)
			}
			wantElapsed(t, begin, time.Second)
			_, err = resp.Body.Read(body)
			if http2 { // the end of the stream waits for the handler, but not for ever
				wantElapsed(t, begin, 2*time.Second)
			} else if !errors.Is(err, io.EOF) {
				t.Errorf("the body ends with %v, want EOF", err)
			}
			resp.Body.Close()
		}
	})
}

// On HTTP/2, an answer of the timeout is whole if the handler heeds its context, and the
// other streams of the connection go on: no GOAWAY is sent.
func TestA8_131_HTTP2TimeoutLeavesTheConnectionAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dials := 0
		s := servePipes(t, handle(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				<-r.Context().Done()
				return
			}
			time.Sleep(800 * time.Millisecond)
			_, _ = io.WriteString(w, "content")
		}, second()))
		client := s.client(t, true)
		base := client.Transport.(*http.Transport)
		dial := base.DialContext
		base.DialContext = func(ctx context.Context, network, addr string) (c netConn, err error) {
			dials++
			return dial(ctx, network, addr)
		}
		slow := make(chan string)
		go func() {
			resp, err := client.Get("http://server.test/slow")
			if err != nil {
				slow <- err.Error()
				return
			}
			b, err := io.ReadAll(resp.Body)
			slow <- fmt.Sprint(resp.StatusCode, string(b), err)
		}()
		time.Sleep(500 * time.Millisecond)
		other, err := client.Get("http://server.test/other") // ends after the timeout of the first
		if err != nil || other.StatusCode != 200 || content(t, other.Body) != "content" {
			t.Errorf("the other stream: got %v and %v", other, err)
		}
		if got, want := <-slow, "503Service Unavailable<nil>"; strings.ReplaceAll(got, " <", "<") != want && got != "503Service Unavailable <nil>" {
			t.Errorf("the slow one: got %q, want a whole answer", got)
		}
		if third, err := client.Get("http://server.test/third"); err != nil || content(t, third.Body) != "content" || dials != 1 {
			t.Errorf("after it: got %v and %v over %d connections, want one", third, err, dials)
		}
	})
}

// "Own header map. R: handler mutates its private map; copied on WriteHeader."
func TestA8_132_OwnHeaderMap(t *testing.T) {
	h := handle(func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < 1000 || r.Context().Err() == nil; i++ {
			w.Header().Set(fmt.Sprintf("X-%d", i%100), "value")
		}
		for i := range 10_000 { // while the timer answers
			w.Header().Set(fmt.Sprintf("X-%d", i%100), "other")
		}
	}, timeout.New(time.Millisecond))
	for range 20 {
		w := get(h, "/")
		if w.Code != 503 || w.Header().Get("X-1") != "" {
			t.Fatalf("got status %d and header %v, want 503 with nothing of the handler's", w.Code, w.Header())
		}
	}
}

// What middleware further out has set stays visible to the handler, and its to delete.
func TestA8_132_HeaderOfTheMiddleware(t *testing.T) {
	inner := handle(func(w http.ResponseWriter, _ *http.Request) {
		if w.Header().Get("X-Outer") != "kept" {
			t.Errorf("the handler sees %v, want what the middleware set", w.Header())
		}
		w.Header().Del("X-Deleted")
		w.Header().Set("X-Inner", "set")
		_, _ = io.WriteString(w, "content")
		w.Header().Set("X-Late", "too late")
	}, second())
	w := get(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Outer", "kept")
		w.Header().Set("X-Deleted", "by the handler")
		inner.ServeHTTP(w, r)
	}), "/")
	got := w.Result().Header
	if got.Get("X-Outer") != "kept" || got.Get("X-Inner") != "set" || got.Get("X-Deleted") != "" || got.Get("X-Late") != "" {
		t.Errorf("got %v, want X-Outer and X-Inner", got)
	}
}

// "Writes after the timeout return http.ErrHandlerTimeout and reach nobody."
func TestA8_133_WritesAfterTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		errs := make(map[string]error)
		h := handle(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Handler", "set")
			time.Sleep(2 * time.Second)
			rc := http.NewResponseController(w)
			w.Header().Set("X-Handler", "late")
			w.WriteHeader(http.StatusTeapot)
			w.WriteHeader(http.StatusEarlyHints)
			_, errs["Write"] = w.Write([]byte("late"))
			_, errs["WriteString"] = io.WriteString(w, "late")
			_, errs["ReadFrom"] = w.(io.ReaderFrom).ReadFrom(strings.NewReader(strings.Repeat("late", 1000)))
			errs["Flush"] = rc.Flush()
			errs["Push"] = w.(http.Pusher).Push("/late", nil)
			_, _, errs["Hijack"] = rc.Hijack()
			errs["SetReadDeadline"] = rc.SetReadDeadline(time.Time{})
			errs["SetWriteDeadline"] = rc.SetWriteDeadline(time.Time{})
			errs["EnableFullDuplex"] = rc.EnableFullDuplex()
		}, second())
		w := newFullWriter()
		h.ServeHTTP(w, incoming("GET", "/"))
		for what, err := range errs {
			if !errors.Is(err, http.ErrHandlerTimeout) {
				t.Errorf("%s: got %v, want %v", what, err, http.ErrHandlerTimeout)
			}
		}
		if len(errs) != 9 || w.Code != 503 || w.Body.String() != "Service Unavailable" || w.Header().Get("X-Handler") != "" {
			t.Errorf("%d calls; got %d, %q, %v, want the answer of the timeout alone", len(errs), w.Code, w.Body, w.Header())
		}
		if w.hijacks != 0 || w.pushes != 0 || w.duplex != 0 {
			t.Errorf("the server saw %+v, want nothing after the timeout", w.calls)
		}
	})
}

// A handler that was left behind by a handler writes to nobody.
func TestA8_133_WritesAfterTheReturn(t *testing.T) {
	var left http.ResponseWriter
	h := handle(func(w http.ResponseWriter, _ *http.Request) { left = w }, second())
	w := get(h, "/")
	if _, err := left.Write([]byte("late")); err == nil || w.Body.Len() != 0 {
		t.Errorf("a write after the return: got %v, and body %q, want an error", err, w.Body)
	}
}

// "Slot until the handler really returns."
func TestA8_134_SlotUntilTheHandlerReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slots := one()
		h := handle(func(http.ResponseWriter, *http.Request) { time.Sleep(5 * time.Second) }, slots, second())
		s := servePipes(t, h)
		resp, err := s.client(t, false).Get("http://server.test/")
		if err != nil || resp.StatusCode != 503 {
			t.Fatalf("got %v and %v, want status 503", resp, err)
		}
		content(t, resp.Body)
		wantHeld(t, slots, 1, "after the answer of the timeout")
		wantStatus(t, get(h, "/"), 503, "while the handler goes on")
		time.Sleep(4 * time.Second)
		synctest.Wait()
		wantHeld(t, slots, 0, "after the handler has returned")
	})
}

// "Slow-loris body. Context cancel does not wake Body.Read on HTTP/1. R: at the timeout
// call rc.SetReadDeadline(past), under a lock that excludes 'handler already returned'."
func TestA8_137_SlowLorisBody(t *testing.T) {
	for name, read := range map[string]func(w http.ResponseWriter, r *http.Request) error{
		"ReadAll": func(_ http.ResponseWriter, r *http.Request) error {
			_, err := io.ReadAll(r.Body)
			return err
		},
		"echo": func(w http.ResponseWriter, r *http.Request) error { // a copy of a stream, with ReadFrom on HTTP/1
			_ = http.NewResponseController(w).EnableFullDuplex()
			_, err := io.Copy(w, r.Body)
			return err
		},
		"echo by writes": func(w http.ResponseWriter, r *http.Request) error {
			_ = http.NewResponseController(w).EnableFullDuplex()
			buf := make([]byte, 100)
			for {
				n, err := r.Body.Read(buf)
				if err != nil {
					return err
				}
				if _, err := w.Write(buf[:n]); err != nil {
					return err
				}
				_ = http.NewResponseController(w).Flush()
			}
		},
	} {
		for _, http2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, HTTP/2 %v", name, http2), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					slots, begin := one(), time.Now()
					s := servePipes(t, handle(func(w http.ResponseWriter, r *http.Request) {
						if err := read(w, r); err == nil {
							t.Error("the body was read without an error, want that of the timeout")
						}
						wantElapsed(t, begin, time.Second)
					}, slots, second()))
					req, err := http.NewRequest("POST", "http://server.test/", &dribble{every: 300 * time.Millisecond})
					if err != nil {
						t.Fatal(err)
					}
					resp, err := s.client(t, http2).Do(req)
					if err == nil {
						_, err = io.ReadAll(resp.Body)
						resp.Body.Close()
						if resp.StatusCode == 200 && err == nil {
							t.Errorf("got a whole answer, want 503 or a broken one")
						}
					}
					synctest.Wait()
					wantHeld(t, slots, 0, "after the timeout")
				})
			})
		}
	}
}

// A dribble is a body that comes byte by byte, and has no end until it is closed.
type dribble struct{ every time.Duration }

func (d *dribble) Read(p []byte) (int, error) {
	time.Sleep(d.every)
	if time.Duration(len(p)) == 0 {
		return 0, nil
	}
	p[0] = 'x'
	return 1, nil
}

// A client that does not read its answer does not hold the handler for longer, either.
func TestA8_137_SlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slots, begin := one(), time.Now()
		s := servePipes(t, handle(func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := w.Write(make([]byte, 10_000)); err != nil {
					if !errors.Is(err, http.ErrHandlerTimeout) {
						t.Errorf("the write ends with %v, want %v", err, http.ErrHandlerTimeout)
					}
					break
				}
			}
			wantElapsed(t, begin, time.Second)
		}, slots, second()))
		s.raw(t, lines("GET / HTTP/1.1", "Host: server.test"))
		time.Sleep(time.Second)
		synctest.Wait()
		wantHeld(t, slots, 0, "after the timeout")
	})
}

// "No poisoned keep-alive. A late SetReadDeadline/timer hitting the next request on the
// connection. R: finished flag + Connection: close."
func TestA8_138_NoPoisonedKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servePipes(t, handle(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(900 * time.Millisecond)
			b, err := io.ReadAll(r.Body)
			if err != nil || r.Context().Err() != nil {
				t.Errorf("request %s: read %q and %v, context %v", r.URL, b, err, r.Context().Err())
			}
			_, _ = w.Write(b)
		}, second()))
		conn := s.dial()
		defer conn.Close()
		r := bufio.NewReader(conn)
		for i := range 10 {
			go func() { // the body comes slowly, across the deadline of the request before
				fmt.Fprintf(conn, "POST /%d HTTP/1.1\r\nHost: server.test\r\nContent-Length: 4\r\n\r\nbo", i)
				time.Sleep(500 * time.Millisecond)
				_, _ = io.WriteString(conn, "dy")
			}()
			resp, body, err := readAnswer(t, r)
			if err != nil || resp.StatusCode != 200 || body != "body" || resp.Close {
				t.Fatalf("request %d: got %v, body %q and %v, want 200", i, resp, body, err)
			}
		}
	})
}

// After a timeout the connection is closed: what its client still sends of the body is
// not taken for a request.
func TestA8_138_ClosedAfterATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		paths := []string{}
		s := servePipes(t, handle(func(_ http.ResponseWriter, r *http.Request) {
			paths = append(paths, r.URL.Path)
			_, _ = io.ReadAll(r.Body)
		}, second()))
		conn := s.raw(t, lines("POST /first HTTP/1.1", "Host: server.test", "Content-Length: 1000"))
		r := bufio.NewReader(conn)
		resp, _, err := readAnswer(t, r)
		if err != nil || resp.StatusCode != 503 || !resp.Close {
			t.Fatalf("got %v and %v, want 503 and close", resp, err)
		}
		_, _ = io.WriteString(conn, lines("GET /smuggled HTTP/1.1", "Host: server.test"))
		if _, err := r.ReadByte(); err == nil || len(paths) != 1 {
			t.Errorf("after the answer: got %v, and requests for %v, want the connection closed", err, paths)
		}
	})
}

// "Timeout answer headers: drop the handler's Content-Encoding, Content-Length, ETag; HEAD
// gets no body; 204/304 untouched."
func TestA8_148_HeadersOfTheTimeoutsAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := handle(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100000")
			w.Header().Set("ETag", `"inner"`)
			<-r.Context().Done()
		}, second())
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for name, value := range map[string]string{"Content-Encoding": "gzip", "Content-Length": "5", "Etag": `"1"`, "Last-Modified": "x", "X-Outer": "kept"} {
				w.Header().Set(name, value)
			}
			inner.ServeHTTP(w, r)
		})
		for _, method := range []string{"GET", "HEAD"} {
			w := serveTo(h, incoming(method, "/"))
			got := w.Result().Header
			for _, name := range []string{"Content-Encoding", "Etag", "Last-Modified"} {
				if got.Get(name) != "" {
					t.Errorf("%s: the answer has %s: %s, want none", method, name, got.Get(name))
				}
			}
			if w.Code != 503 || got.Get("Content-Length") != "19" || got.Get("X-Outer") != "kept" || got.Get("Content-Type") != "text/plain; charset=utf-8" || got.Get("Connection") != "close" {
				t.Errorf("%s: got %d and %v", method, w.Code, got)
			}
			if body := w.Body.String(); (method == "HEAD") != (body == "") {
				t.Errorf("%s: got body %q", method, body)
			}
		}
	})
}

// An answer that has all that it announced is no broken one, however late its handler
// returns: a 204, a 304, an answer to HEAD, one of a Content-Length that was written.
func TestA8_148_CompleteAnswersStay(t *testing.T) {
	for name, c := range map[string]struct {
		method string
		write  func(w http.ResponseWriter)
		status int
		body   string
	}{
		"204":            {"GET", func(w http.ResponseWriter) { w.WriteHeader(204) }, 204, ""},
		"304":            {"GET", func(w http.ResponseWriter) { w.WriteHeader(304) }, 304, ""},
		"HEAD":           {"HEAD", func(w http.ResponseWriter) { w.WriteHeader(200) }, 200, ""},
		"Content-Length": {"GET", func(w http.ResponseWriter) { w.Header().Set("Content-Length", "7"); io.WriteString(w, "content") }, 200, "content"},
	} {
		for _, http2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, HTTP/2 %v", name, http2), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					seen := new(witness)
					s := servePipes(t, handle(func(w http.ResponseWriter, r *http.Request) {
						c.write(w)
						<-r.Context().Done()
						time.Sleep(500 * time.Millisecond)
					}, seen, second()))
					req, err := http.NewRequest(c.method, "http://server.test/", nil)
					if err != nil {
						t.Fatal(err)
					}
					resp, err := s.client(t, http2).Do(req)
					if err != nil {
						t.Fatal(err)
					}
					if got := content(t, resp.Body); resp.StatusCode != c.status || got != c.body {
						t.Errorf("got %s and body %q, want %d and %q", resp.Status, got, c.status, c.body)
					}
					synctest.Wait()
					seen.want(t, firebreak.Failure)
				})
			})
		}
	}
}

// "No goroutine left after timeouts": a bubble ends only when there is none, and the
// timers of requests that ended before are stopped.
func TestA8_151_NoGoroutineLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		for i, next := range []http.HandlerFunc{
			untilDone,
			func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "half"); <-r.Context().Done() },
			func(http.ResponseWriter, *http.Request) {},
			func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		} {
			serveTo(handle(next, timeout.New(time.Hour)), incoming("GET", "/"))
			if want := time.Hour << min(i, 1); time.Since(begin) != want {
				t.Errorf("after handler %d: %v have passed, want %v", i, time.Since(begin), want)
			}
		}
		synctest.Wait()
	})
}
