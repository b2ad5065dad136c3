package firebreakhttp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
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

// panics runs h and returns the value it panics with, and whether the stack at that moment
// is still the one of the panic.
func panics(h http.Handler, r *http.Request) (value any, untouched bool) {
	defer func() {
		value = recover()
		stack := make([]byte, 64<<10)
		untouched = strings.Contains(string(stack[:runtime.Stack(stack, false)]), "panicking.func")
	}()
	h.ServeHTTP(httptest.NewRecorder(), r)
	return nil, false
}

// panicking is a handler with a name that shows in a stack.
func panicking(value any) http.HandlerFunc {
	return func(http.ResponseWriter, *http.Request) { panic(value) }
}

// "Slot released by defer; panic value untouched (no recover/re-panic: keeps the stack and
// http.ErrAbortHandler identity)."
func TestA8_118_PanicsPass(t *testing.T) {
	for _, value := range []any{"a panic", errors.New("an error"), http.ErrAbortHandler} {
		slots := one()
		got, untouched := panics(handle(panicking(value), slots, second()), incoming("GET", "/"))
		if got != value || !untouched {
			t.Errorf("got %v, with the handler in its stack: %v, want %v itself", got, untouched, value)
		}
		wantHeld(t, slots, 0, "after a panic")
	}
	slots := one()
	h := handle(func(http.ResponseWriter, *http.Request) { runtime.Goexit() }, slots, second())
	var wg sync.WaitGroup
	wg.Go(func() { get(h, "/") })
	wg.Wait()
	wantHeld(t, slots, 0, "after Goexit")
}

// "Panic = failure for the breaker unless the client had gone."
func TestA8_119_PanicIsAFailure(t *testing.T) {
	for _, left := range []bool{false, true} {
		ran, leave := 0, func() {}
		h := handle(func(http.ResponseWriter, *http.Request) {
			ran++
			leave()
			panic("a panic")
		}, breaker.New(breaker.Config{ConsecutiveFailures: 3}))
		for range 5 {
			ctx, cancel := context.WithCancel(t.Context())
			if left {
				leave = cancel
			}
			_, _ = panics(h, incoming("GET", "/").WithContext(ctx))
			cancel()
		}
		if want := map[bool]int{false: 3, true: 5}[left]; ran != want {
			t.Errorf("client gone %v: the handler ran %d times, want %d", left, ran, want)
		}
	}
}

// A ResponseWriter around the Handler that panics while the timeout answers does so where
// panics of handlers are expected, and not on a goroutine of its own.
func TestA8_118_PanicOfTheServersWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		value := errors.New("a broken middleware")
		h := handle(func(http.ResponseWriter, *http.Request) { time.Sleep(2 * time.Second) }, second())
		defer func() {
			if got := recover(); got != any(value) {
				t.Errorf("got panic %v, want %v", got, value)
			}
		}()
		h.ServeHTTP(brokenWriter{httptest.NewRecorder(), value}, incoming("GET", "/"))
	})
}

type brokenWriter struct {
	http.ResponseWriter
	value any
}

func (w brokenWriter) WriteHeader(int) { panic(w.value) }

// "Client gone = ignore (499 in metrics, nothing written)": on a connection, a handler that
// heeds its context and answers that with a 500.
func TestA8_121_ClientGoneIsIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, next := range map[string]http.HandlerFunc{
			"500":     func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done(); w.WriteHeader(500) },
			"nothing": untilDone,
			"mid-body": func(w http.ResponseWriter, r *http.Request) {
				for r.Context().Err() == nil {
					if _, err := w.Write(pattern(1000)); err != nil {
						return
					}
				}
			},
		} {
			seen := new(witness)
			s := servePipes(t, handle(next, seen, timeout.New(time.Minute)))
			conn := s.raw(t, lines("GET / HTTP/1.1", "Host: server.test"))
			time.Sleep(time.Second)
			conn.Close()
			synctest.Wait()
			if got := seen.classes(); len(got) != 1 || got[0] != firebreak.Ignored {
				t.Errorf("%s: attempts ended as %v, want ignored", name, got)
			}
		}
	})
}

// "Race-clean under 40 impatient clients, every slot returns."
func TestA8_150_ImpatientClients(t *testing.T) {
	slots := bulkhead.New(bulkhead.Config{MaxCalls: 4, MaxQueue: 8, MaxWait: 5 * time.Millisecond})
	h := firebreakhttp.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Handler", "set")
		_, _ = io.Copy(io.Discard, r.Body)
		switch len(r.URL.Path) % 4 {
		case 0:
			<-r.Context().Done()
		case 1:
			_, _ = w.Write(pattern(100_000))
			<-r.Context().Done()
			_, _ = w.Write(pattern(100_000))
		case 2:
			w.WriteHeader(500)
		default:
			panic(http.ErrAbortHandler)
		}
	}), firebreak.New("server", breaker.New(breaker.Config{ConsecutiveFailures: 1 << 20, MinCalls: 1 << 20}), slots, timeout.New(2*time.Millisecond)))
	server := httptest.NewServer(h)
	var clients sync.WaitGroup
	for i := range 40 {
		clients.Go(func() {
			base := newBase(t)
			for j := range 20 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i*j%7)*time.Millisecond)
				req, err := http.NewRequestWithContext(ctx, "POST", server.URL+"/"+strings.Repeat("x", j), strings.NewReader("body"))
				if err != nil {
					t.Error(err)
				}
				if resp, err := base.RoundTrip(req); err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
				cancel()
			}
		})
	}
	clients.Wait()
	server.Close() // waits for the handlers
	slots.Report(func(s firebreak.Status) {
		if s.InFlight != 0 || s.Waiting != 0 {
			t.Errorf("%d slots are taken and %d wait at the end, want none", s.InFlight, s.Waiting)
		}
	})
}

// "Graceful shutdown: Server.Shutdown does not cancel contexts; queued requests must still
// be served or refused within the grace time. T: Shutdown with 1 running, 3 queued."
func TestA8_149_ShutdownWithWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slots := bulkhead.New(bulkhead.Config{MaxCalls: 1, MaxQueue: 10, MaxWait: 25 * time.Second / 10})
		s := servePipes(t, handle(func(http.ResponseWriter, *http.Request) { time.Sleep(time.Second) }, slots))
		begin, codes := time.Now(), make(chan int, 4)
		for range 4 {
			conn := s.raw(t, lines("GET / HTTP/1.1", "Host: server.test"))
			go func() {
				resp, _, err := readAnswer(t, bufio.NewReader(conn))
				if err != nil {
					t.Error(err)
					return
				}
				codes <- resp.StatusCode
			}()
			synctest.Wait()
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if time.Since(begin) > 4*time.Second || len(codes) != 4 {
			t.Errorf("Shutdown took %v and %d were answered, want 4 within 4s", time.Since(begin), len(codes))
		}
		served := 0
		for range len(codes) {
			if <-codes == 200 {
				served++
			}
		}
		if served != 3 {
			t.Errorf("%d were served, want the three whose turn came within MaxWait", served)
		}
	})
}

// Hostile paths, hosts and methods do not grow memory, nor the names of calls.
func TestHostileNamesDoNotGrowMemory(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{id}", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/tree/", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("CONNECT /users/{id}/", func(http.ResponseWriter, *http.Request) {})
	ops := make(map[string]bool)
	note := policyFunc(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
		ops[c.Op+" "+c.Target] = true
		return next(ctx, c)
	})
	perRoute := firebreak.Keyed(firebreakhttp.ByRoute, func(string) firebreak.Policy { return bulkhead.New(bulkhead.Config{}) })
	h := firebreakhttp.Handler(mux, firebreak.New("server", note, perRoute),
		firebreakhttp.Exempt(firebreakhttp.Routes("/healthz", "/static/{file}")))
	var before, after runtime.MemStats
	send := func(i int) {
		for _, r := range []*http.Request{
			incoming("GET", fmt.Sprintf("/orders/%d", i)), incoming("GET", fmt.Sprintf("/%d", i)), incoming("GET", fmt.Sprintf("/tree/../%d//x", i)),
			incoming(fmt.Sprintf("M%d", i), "/"), incoming("CONNECT", fmt.Sprintf("/users/%d", i)), incoming("POST", fmt.Sprintf("/orders/%d", i)),
		} {
			r.Host = fmt.Sprintf("%d.test", i)
			get := httptest.NewRecorder()
			h.ServeHTTP(get, r)
		}
	}
	send(0)
	runtime.GC()
	runtime.ReadMemStats(&before)
	requests := 100_000
	if raceEnabled {
		requests = 10_000 // the race detector is slow
	}
	for i := range requests / 6 {
		send(i)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
		t.Errorf("the heap grew by %d bytes, want less than 1 MB", grown)
	}
	if len(ops) > 10 || perRoute.Len() > 10 {
		t.Errorf("there are %d names and %d keys, want those of the routes and methods: %v", len(ops), perRoute.Len(), ops)
	}
}

// A handler that never returns keeps its slot, and takes nothing from those who find one.
func TestHandlerThatNeverReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slots, forever := bulkhead.New(bulkhead.Config{MaxCalls: 3}), make(chan struct{})
		s := servePipes(t, handle(func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/hang" {
				<-forever
			}
		}, slots, second()))
		for i := range 4 {
			begin := time.Now()
			resp, err := s.client(t, false).Get("http://server.test/hang")
			if err != nil || resp.StatusCode != 503 {
				t.Fatalf("got %v and %v, want 503", resp, err)
			}
			resp.Body.Close()
			wantElapsed(t, begin, time.Duration(min(3-i, 1))*time.Second)
			if i == 1 {
				wantStatus(t, get(s.Handler, "/"), 200, "beside two that hang")
			}
		}
		wantHeld(t, slots, 3, "while they hang")
		close(forever)
		synctest.Wait()
		wantHeld(t, slots, 0, "after all have returned")
	})
}

// The half of a connection that a client closes is one for net/http that has gone: such a
// client gets no empty 200 out of the queue.
func TestA8_121_HalfClosedInTheQueue(t *testing.T) {
	slots := bulkhead.New(bulkhead.Config{MaxCalls: 1, MaxQueue: 1, MaxWait: time.Minute})
	_, _ = slots.Allow(t.Context(), firebreak.Call{})
	url := serve(t, handle(func(http.ResponseWriter, *http.Request) { t.Error("the handler runs") }, slots).ServeHTTP)
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, lines("GET / HTTP/1.1", "Host: server.test"))
	_ = conn.(*net.TCPConn).CloseWrite()
	if b, err := io.ReadAll(conn); len(b) != 0 || err != nil {
		t.Errorf("got %q and %v, want nothing", b, err)
	}
}
