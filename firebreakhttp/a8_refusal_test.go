package firebreakhttp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakhttp"
	"github.com/firebreak-go/firebreak/shed"
	"github.com/firebreak-go/firebreak/timeout"
)

// rejecting is a policy that rejects everything.
type rejecting struct{ err error }

func (p rejecting) Do(context.Context, firebreak.Call, firebreak.Handler) (any, error) {
	return nil, p.err
}

// "Refusal: 503 (429 only for a client quota), Retry-After >= 1 whole second (rounded up),
// short body, no internal error text, handler not run."
func TestA8_117_Refusal(t *testing.T) {
	full := one()
	if _, err := full.Allow(t.Context(), firebreak.Call{}); err != nil {
		t.Fatal(err)
	}
	open := breaker.New(breaker.Config{})
	open.ForceOpen()
	spent := shed.Rate(0.4, 1)
	_, _ = spent.Allow(t.Context(), firebreak.Call{})
	rejection := func(policy string, after time.Duration) firebreak.Policy {
		return rejecting{&firebreak.RejectedError{Policy: policy, Reason: "secret", Err: errors.New("secret"), RetryAfter: after}}
	}
	for name, c := range map[string]struct {
		policy firebreak.Policy
		code   int
		after  string
	}{
		"bulkhead":                  {full, 503, "1"},
		"breaker":                   {open, 503, "1"},
		"rate":                      {spent, 429, "3"},
		"a nanosecond":              {rejection("shed", time.Nanosecond), 503, "1"},
		"a second":                  {rejection("shed", time.Second), 503, "1"},
		"a little over a second":    {rejection("shed", time.Second+1), 503, "2"},
		"over the prebuilt":         {rejection("shed", 100*time.Second), 503, "100"},
		"ages":                      {rejection("shed", 1<<63-1), 503, "9223372037"},
		"negative":                  {rejection("shed", -time.Hour), 503, "1"},
		"a timeout while it waits":  {rejecting{&timeout.Error{After: time.Second, Scope: "call"}}, 503, "1"},
		"a deadline while it waits": {rejecting{context.DeadlineExceeded}, 503, "1"},
		"an error of a policy":      {rejecting{errors.New("secret")}, 503, "1"},
		"nothing of a policy":       {rejecting{nil}, 503, "1"},
		"cancelled by a policy":     {rejecting{context.Canceled}, 503, "1"},
	} {
		t.Run(name, func(t *testing.T) {
			h := handle(func(http.ResponseWriter, *http.Request) { t.Error("the handler runs, want it refused") }, timeout.Unbounded("a test"), c.policy)
			for _, method := range []string{"GET", "HEAD"} {
				w := serveTo(h, incoming(method, "/"))
				text := http.StatusText(c.code)
				want := map[string]string{
					"Retry-After": c.after, "Content-Type": "text/plain; charset=utf-8", "Content-Length": fmt.Sprint(len(text)),
					"X-Content-Type-Options": "nosniff", "Connection": "",
				}
				for name, value := range want {
					if got := w.Header().Get(name); got != value {
						t.Errorf("%s: %s is %q, want %q", method, name, got, value)
					}
				}
				if method == "HEAD" {
					text = ""
				}
				if w.Code != c.code || w.Body.String() != text {
					t.Errorf("%s: got %d and body %q, want %d and %q", method, w.Code, w.Body, c.code, text)
				}
			}
		})
	}
}

// What the policies of a client inside the handler reject is the handler's business.
func TestA8_117_RejectionInsideTheHandler(t *testing.T) {
	full := one()
	_, _ = full.Allow(t.Context(), firebreak.Call{})
	client := firebreak.New("client", full)
	h := handle(func(w http.ResponseWriter, r *http.Request) {
		if _, err := firebreak.Do(r.Context(), client, "lookup", func(context.Context) (int, error) { return 0, nil }); err != nil {
			http.Error(w, "without the lookup", http.StatusPartialContent)
		}
	})
	wantStatus(t, get(h, "/"), http.StatusPartialContent, "a rejection inside")
}

// "Queue leaves on disconnect." "Client gone = ignore (499 in metrics, nothing written)."
func TestA8_121_139_QueueLeavesOnDisconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slots, ran := bulkhead.New(bulkhead.Config{MaxCalls: 1, MaxQueue: 10, MaxWait: time.Minute}), 0
		seen := new(witness)
		s := servePipes(t, handle(func(http.ResponseWriter, *http.Request) {
			ran++
			time.Sleep(10 * time.Second)
		}, seen, slots))
		request := lines("GET / HTTP/1.1", "Host: server.test")
		first := s.raw(t, request)
		synctest.Wait()
		waiting := s.raw(t, request)
		synctest.Wait()
		wantWaiting(t, slots, 1, "while its client is there")
		waiting.Close()
		synctest.Wait()
		wantWaiting(t, slots, 0, "after its client has gone")
		seen.want(t, firebreak.Ignored)
		resp, _, err := readAnswer(t, bufio.NewReader(first))
		if err != nil || resp.StatusCode != 200 || ran != 1 {
			t.Errorf("got %v and %v, and %d runs, want one", resp, err, ran)
		}
	})
}

// A context that has ended while the client is still there, as one of
// http.Server.BaseContext: no empty 200 goes out.
func TestA8_121_NothingIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slots := one()
		_, _ = slots.Allow(t.Context(), firebreak.Call{})
		ctx, cancel := context.WithCancel(t.Context())
		h := handle(func(http.ResponseWriter, *http.Request) { t.Error("the handler runs") }, bulkhead.New(bulkhead.Config{MaxCalls: 1, MaxQueue: 1}))
		cancel()
		w := httptest.NewRecorder()
		if serves(h, w, incoming("GET", "/").WithContext(ctx)) || w.Body.Len() > 0 || len(w.Header()) > 0 {
			t.Errorf("got %v and body %q, want nothing, and the connection cut", w.Header(), w.Body)
		}
	})
}

func wantWaiting(t *testing.T, b *bulkhead.Bulkhead, n int, when string) {
	t.Helper()
	b.Report(func(s firebreak.Status) {
		if s.Waiting != n {
			t.Errorf("%s: %d wait, want %d", when, s.Waiting, n)
		}
	})
}

// "HTTP/1 detects a disconnect only after the body was read to EOF (background read starts
// there): a queued POST is not cancelled: bound every queue wait. T: raw conn, POST body
// unread, close, look at the queue."
func TestA8_140_QueuedPostWhoseClientLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slots := bulkhead.New(bulkhead.Config{MaxCalls: 1, MaxQueue: 10, MaxWait: 3 * time.Second})
		s := servePipes(t, handle(func(http.ResponseWriter, *http.Request) { time.Sleep(10 * time.Second) }, slots))
		s.raw(t, lines("GET / HTTP/1.1", "Host: server.test"))
		synctest.Wait()
		queued := s.raw(t, lines("POST / HTTP/1.1", "Host: server.test", "Content-Length: 10"))
		synctest.Wait()
		queued.Close()
		time.Sleep(3*time.Second - 1)
		synctest.Wait()
		wantWaiting(t, slots, 1, "before MaxWait has passed")
		time.Sleep(1)
		synctest.Wait()
		wantWaiting(t, slots, 0, "after MaxWait")
	})
}

// "Queue admits in order, refuses after MaxWait exactly."
func TestA8_141_QueueInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slots := bulkhead.New(bulkhead.Config{MaxCalls: 1, MaxQueue: 10, MaxWait: 3500 * time.Millisecond})
		var order []string
		h := handle(func(_ http.ResponseWriter, r *http.Request) {
			order = append(order, r.URL.Path)
			time.Sleep(time.Second)
		}, slots)
		var callers sync.WaitGroup
		var refused atomic.Int32
		begin := time.Now()
		for i := range 6 {
			callers.Go(func() {
				if w := get(h, fmt.Sprintf("/%d", i)); w.Code == 503 {
					wantElapsed(t, begin, 3500*time.Millisecond)
					refused.Add(1)
				}
			})
			synctest.Wait()
		}
		callers.Wait()
		if got := strings.Join(order, ""); got != "/0/1/2/3" || refused.Load() != 2 {
			t.Errorf("served %s and refused %d, want /0/1/2/3 and 2", got, refused.Load())
		}
	})
}

// "Shed before the body: no 100 Continue, no read. net/http then reads up to 256 KiB after
// the handler: for large bodies add Connection: close."
func TestA8_142_ShedBeforeTheBody(t *testing.T) {
	for _, c := range []struct {
		header string
		closes bool
		body   string
	}{
		{"Content-Length: 1000000\r\nExpect: 100-continue", true, ""},
		{"Content-Length: 10\r\nExpect: 100-continue", true, ""}, // net/http closes: the body may still come
		{"Content-Length: 262145", true, ""},
		{"Transfer-Encoding: chunked", true, ""},
		{"Content-Length: 10", false, "0123456789"},
		{"Content-Length: 0", false, ""},
	} {
		t.Run(c.header, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				full := one()
				_, _ = full.Allow(t.Context(), firebreak.Call{})
				s := servePipes(t, handle(func(http.ResponseWriter, *http.Request) { t.Error("the handler runs") }, full))
				begin := time.Now()
				conn := s.raw(t, lines("POST / HTTP/1.1", "Host: server.test", c.header)+c.body)
				resp, _, err := readAnswer(t, bufio.NewReader(conn))
				if err != nil || resp.StatusCode != 503 || resp.Close != c.closes {
					t.Errorf("got %v and %v, want 503, and close %v", resp, err, c.closes)
				}
				wantElapsed(t, begin, 0)
			})
		})
	}
}

// On HTTP/2, Connection: close would end the streams of others.
func TestA8_142_ShedBeforeTheBodyHTTP2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := one()
		_, _ = full.Allow(t.Context(), firebreak.Call{})
		s := servePipes(t, handle(func(http.ResponseWriter, *http.Request) { t.Error("the handler runs") }, full))
		client := s.client(t, true)
		for range 3 {
			body, _ := io.Pipe() // of which nothing comes
			req, err := http.NewRequest("POST", "http://server.test/", body)
			if err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			resp, err := client.Do(req)
			if err != nil || resp.StatusCode != 503 || resp.Header.Get("Connection") != "" {
				t.Fatalf("got %v and %v, want 503", resp, err)
			}
			content(t, resp.Body)
			wantElapsed(t, begin, 0)
		}
	})
}

// "Long-running requests (SSE, watch, websockets) are exempt from timeout and counted in a
// separate bulkhead."
func TestA8_143_LongRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		short, long := bulkhead.New(bulkhead.Config{MaxCalls: 1}), bulkhead.New(bulkhead.Config{MaxCalls: 2})
		streams := firebreak.New("streams", timeout.Unbounded("event streams last"), long)
		next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != "GET" || r.URL.Path != "/events" {
				return
			}
			for range 5 {
				_, _ = io.WriteString(w, "data: x\n\n")
				_ = http.NewResponseController(w).Flush()
				time.Sleep(time.Minute)
			}
		})
		h := firebreakhttp.Handler(next, firebreak.New("server", short, second()),
			firebreakhttp.LongRunning(firebreakhttp.Routes("GET /events"), streams))
		server := &http.Server{Handler: h, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second}
		s := startPipes(t, server)
		for _, http2 := range []bool{false, true} {
			begin := time.Now()
			resp, err := s.client(t, http2).Get("http://server.test/events")
			if err != nil {
				t.Fatal(err)
			}
			wantHeld(t, short, 0, "during a stream")
			wantHeld(t, long, 1, "during a stream")
			wantStatus(t, get(h, "/"), 200, "beside a stream")
			if got := content(t, resp.Body); got != strings.Repeat("data: x\n\n", 5) {
				t.Errorf("HTTP/2 %v: got %q, want the whole stream", http2, got)
			}
			wantElapsed(t, begin, 5*time.Minute)
			synctest.Wait()
			wantHeld(t, long, 0, "after the stream")
		}
		for range 2 {
			_, _ = long.Allow(t.Context(), firebreak.Call{})
		}
		wantStatus(t, get(h, "/events"), 503, "a stream too many")
		wantStatus(t, get(h, "/"), 200, "beside too many streams")
		wantStatus(t, serveTo(h, incoming("POST", "/events")), 200, "not the route of the streams")
	})
}

// "Privileged/health traffic bypasses shedding by predicate on the request, before the
// queue (K8s system:masters, /healthz)."
func TestA8_144_Exempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := bulkhead.New(bulkhead.Config{MaxCalls: 1, MaxQueue: 1, MaxWait: time.Second})
		_, _ = full.Allow(t.Context(), firebreak.Call{})
		open := breaker.New(breaker.Config{})
		open.ForceOpen()
		h := firebreakhttp.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/livez" {
				<-r.Context().Done()
			}
		}), firebreak.New("server", shed.Rate(0.001, 1), open, full, timeout.New(5*time.Second)),
			firebreakhttp.Exempt(firebreakhttp.Routes("GET /healthz")), firebreakhttp.Exempt(firebreakhttp.Routes("GET /livez")))
		begin := time.Now()
		for range 3 {
			wantStatus(t, get(h, "/healthz"), 200, "a health check")
		}
		wantElapsed(t, begin, 0)
		wantHeld(t, full, 1, "after health checks")
		wantStatus(t, get(h, "/livez"), 503, "a health check that hangs")
		wantElapsed(t, begin, 5*time.Second)
		wantStatus(t, get(h, "/"), 503, "anything else")
		wantStatus(t, get(h, "/healthz/more"), 429, "anything else")
		wantStatus(t, serveTo(h, incoming("POST", "/healthz")), 429, "another method")
	})
}

// "Retry on the server side is refused at configuration: running a handler twice on one
// ResponseWriter and a consumed body is never right."
func TestA8_152_RetryIsRefused(t *testing.T) {
	next := http.NotFoundHandler()
	perKey := firebreak.Keyed(firebreakhttp.ByRoute, func(string) firebreak.Policy { return firebreak.New("", retrying(2, 0)) })
	fine := firebreak.New("fine")
	for name, c := range map[string]struct {
		make func()
		want []string
	}{
		"retry":     {func() { firebreakhttp.Handler(next, firebreak.New("server", retrying(2, 0))) }, []string{"stack retries", "once"}},
		"per route": {func() { firebreakhttp.Handler(next, firebreak.New("server", perKey)) }, []string{"stack retries"}},
		"long running": {func() {
			firebreakhttp.Handler(next, fine, firebreakhttp.LongRunning(func(*http.Request) bool { return true }, firebreak.New("streams", retrying(2, 0))))
		}, []string{"LongRunning: stack retries"}},
		"all at once": {func() {
			firebreakhttp.Handler(nil, nil, nil, firebreakhttp.Trust(nil), firebreakhttp.MinTime(0), firebreakhttp.PriorityBy(nil),
				firebreakhttp.Exempt(nil), firebreakhttp.LongRunning(nil, nil))
		}, []string{"handler is nil, want one", "stack is nil", "option 1 is nil", "Trust: function is nil", "MinTime is 0s, want more than 0",
			"PriorityBy: function is nil", "Exempt: function is nil", "LongRunning: function is nil", "LongRunning: stack is nil"}},
		"a nil handler": {func() { firebreakhttp.Handler(http.HandlerFunc(nil), fine) }, []string{"handler is a nil http.HandlerFunc"}},
		"a nil mux":     {func() { firebreakhttp.Handler((*http.ServeMux)(nil), fine) }, []string{"handler is a nil *http.ServeMux"}},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				got := fmt.Sprint(recover())
				for _, want := range c.want {
					if !strings.Contains(got, want) {
						t.Errorf("got %q, want it to say %q", got, want)
					}
				}
			}()
			c.make()
		})
	}
}

// A policy of the user's that repeats a call does not get the handler to run again.
func TestA8_152_APolicyThatRunsTheHandlerTwice(t *testing.T) {
	var second error
	twice := policyFunc(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
		result, err := next(ctx, c)
		_, second = next(ctx, c)
		return result, err
	})
	ran := 0
	w := get(handle(func(w http.ResponseWriter, _ *http.Request) {
		ran++
		w.WriteHeader(http.StatusAccepted)
	}, twice), "/")
	if ran != 1 || w.Code != http.StatusAccepted || second == nil || firebreak.Classify(second) != firebreak.Ignored {
		t.Errorf("the handler ran %d times, status %d, error %v, want once", ran, w.Code, second)
	}
}

// Behaviour 217: "handler behind Bulkhead(1) calls itself through the same bulkhead. R:
// refuse or time out, documented."
func TestA12_217_HandlerCallsItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h http.Handler
		h = handle(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/outer" {
				w.WriteHeader(get(h, "/inner").Code)
			}
		}, bulkhead.New(bulkhead.Config{MaxCalls: 1, MaxQueue: 1, MaxWait: time.Second}))
		begin := time.Now()
		wantStatus(t, get(h, "/outer"), 503, "a handler that calls itself")
		wantElapsed(t, begin, time.Second)
	})
}
