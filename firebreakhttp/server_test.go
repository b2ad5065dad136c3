package firebreakhttp_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakhttp"
	"github.com/firebreak-go/firebreak/timeout"
)

// What http.Server leaves without end has one.
func TestNewServer(t *testing.T) {
	mux := http.NewServeMux()
	streams := firebreakhttp.WithStack(firebreak.New("streams", timeout.Unbounded("only streams here")))
	for name, c := range map[string]struct {
		options []firebreakhttp.ServerOption
		want    []time.Duration // for the header, in all to read, in all to write, idle
	}{
		"default":        {nil, []time.Duration{5 * time.Second, time.Minute, time.Minute, 2 * time.Minute}},
		"longer":         {[]firebreakhttp.ServerOption{firebreakhttp.WithStack(firebreak.New("x", timeout.New(time.Hour)))}, []time.Duration{5 * time.Second, time.Hour + 30*time.Second, time.Hour + 30*time.Second, 2 * time.Minute}},
		"without one":    {[]firebreakhttp.ServerOption{firebreakhttp.WithStack(firebreak.New("x"))}, []time.Duration{5 * time.Second, time.Minute, time.Minute, 2 * time.Minute}},
		"without an end": {[]firebreakhttp.ServerOption{streams}, []time.Duration{5 * time.Second, 0, 0, 2 * time.Minute}},
	} {
		s := firebreakhttp.NewServer(":8080", mux, c.options...)
		got := []time.Duration{s.ReadHeaderTimeout, s.ReadTimeout, s.WriteTimeout, s.IdleTimeout}
		if !cmp.Equal(got, c.want) || s.Addr != ":8080" || s.MaxHeaderBytes != 64<<10 {
			t.Errorf("%s: got %v and %+v, want %v", name, got, s, c.want)
		}
	}
}

func TestNewServerProblems(t *testing.T) {
	defer func() {
		got := fmt.Sprint(recover())
		for _, want := range []string{"firebreakhttp.NewServer: ", "option 2 is nil, want a ServerOption", "handler is nil, want one", "stack is nil", "MinTime is -1ns"} {
			if !strings.Contains(got, want) {
				t.Errorf("got %q, want it to say %q", got, want)
			}
		}
	}()
	firebreakhttp.NewServer("", nil, firebreakhttp.MinTime(-1), nil, firebreakhttp.WithStack(nil))
}

// fullStack is one that admits nobody.
func fullStack() firebreakhttp.ServerOption {
	full := one()
	_, _ = full.Allow(context.Background(), firebreak.Call{})
	return firebreakhttp.WithStack(firebreak.New("full", full))
}

// Health checks are exempt, but not what goes by their path only.
func TestA8_144_HealthChecksAreExempt(t *testing.T) {
	ok := func(http.ResponseWriter, *http.Request) {}
	mux, catchAll := http.NewServeMux(), http.NewServeMux()
	anyHandler := firebreakhttp.NewServer("", http.HandlerFunc(ok), fullStack()).Handler
	withRoutes := firebreakhttp.NewServer("", mux, fullStack()).Handler
	withCatchAll := firebreakhttp.NewServer("", catchAll, fullStack()).Handler
	mux.HandleFunc("GET /healthz", ok) // routes may come after the server is made
	mux.HandleFunc("shop.test/livez", ok)
	mux.HandleFunc("/readyz/", ok)
	mux.HandleFunc("/", ok)
	catchAll.HandleFunc("/{page}", ok)
	for _, c := range []struct {
		what         string
		h            http.Handler
		method, path string
		want         int
	}{
		{"any handler", anyHandler, "GET", "/healthz", 200},
		{"any handler", anyHandler, "HEAD", "/livez", 200},
		{"any handler", anyHandler, "GET", "/readyz", 200},
		{"any handler", anyHandler, "GET", "/health", 200},
		{"any handler", anyHandler, "POST", "/healthz", 503},
		{"any handler", anyHandler, "GET", "/healthz/", 503},
		{"any handler", anyHandler, "GET", "/", 503},
		{"routes", withRoutes, "GET", "/healthz", 200},
		{"routes", withRoutes, "HEAD", "/healthz", 200},
		{"routes", withRoutes, "GET", "/livez", 503},
		{"routes", withRoutes, "GET", "http://shop.test/livez", 200},
		{"routes", withRoutes, "GET", "/readyz", 503},
		{"routes", withRoutes, "GET", "/health", 503},
		{"catch-all", withCatchAll, "GET", "/healthz", 503},
	} {
		wantStatus(t, serveTo(c.h, incoming(c.method, c.path)), c.want, c.what+": "+c.method+" "+c.path)
	}
}

// A predicate of routes goes by what http.ServeMux makes of a request.
func TestRoutes(t *testing.T) {
	match := firebreakhttp.Routes("GET /healthz", "/events/", "shop.test/orders/{id}", "POST /a/b")
	for _, c := range []struct {
		method, path string
		want         bool
	}{
		{"GET", "/healthz", true},
		{"HEAD", "/healthz", true},
		{"POST", "/healthz", false},
		{"GET", "/healthz/", false},
		{"GET", "//healthz", false},
		{"GET", "/x/../healthz", false},
		{"GET", "/./healthz", false},
		{"GET", "/health%7A", true},
		{"GET", "/healthz?q=1", true},
		{"GET", "/HEALTHZ", false},
		{"GET", "/events/", true},
		{"GET", "/events/1/2", true},
		{"GET", "/events", false}, // a redirection
		{"GET", "/eventsx", false},
		{"GET", "/orders/1", false},
		{"GET", "http://shop.test/orders/1", true},
		{"GET", "http://shop.test:8080/orders/1", true},
		{"GET", "http://other.test/orders/1", false},
		{"POST", "/a/b", true},
		{"POST", "/a%2Fb", false},
		{"GET", "/", false},
		{"CONNECT", "/healthz", false},
	} {
		if got := match(incoming(c.method, c.path)); got != c.want {
			t.Errorf("%s %s: got %v, want %v", c.method, c.path, got, c.want)
		}
	}
	if match(&http.Request{Method: "GET"}) {
		t.Error("a request without a URL matches")
	}
}

func TestRoutesProblems(t *testing.T) {
	for _, c := range []struct{ patterns, want []string }{
		{nil, []string{"firebreakhttp.Routes: no patterns, want one or more"}},
		{[]string{"healthz", "/{", "/a", "/a"}, []string{`pattern "healthz" is not valid: `, `pattern "/{" is not valid: `, `pattern "/a" is not valid: `, "conflicts"}},
	} {
		func() {
			defer func() {
				got := fmt.Sprint(recover())
				for _, want := range c.want {
					if !strings.Contains(got, want) {
						t.Errorf("%q: got %q, want it to say %q", c.patterns, got, want)
					}
				}
			}()
			firebreakhttp.Routes(c.patterns...)
		}()
	}
}

// The name of a call is the route, and a bulkhead per route has that for its key.
func TestByRoute(t *testing.T) {
	mux := http.NewServeMux()
	perRoute := firebreak.Keyed(firebreakhttp.ByRoute, func(string) firebreak.Policy { return bulkhead.New(bulkhead.Config{MaxCalls: 1}) })
	var h http.Handler
	mux.HandleFunc("GET /slow/{id}", func(w http.ResponseWriter, _ *http.Request) {
		for path, want := range map[string]int{"/slow/2": 503, "/fast": 200, "/other": 404} {
			wantStatus(t, get(h, path), want, path+" during a slow one")
		}
	})
	mux.HandleFunc("/fast", func(http.ResponseWriter, *http.Request) {})
	h = firebreakhttp.Handler(mux, firebreak.New("server", perRoute))
	wantStatus(t, get(h, "/slow/1"), 200, "a slow one")
}

// A rate per caller goes by the request.
func TestRequestOf(t *testing.T) {
	perCaller := firebreak.Keyed(func(c firebreak.Call) string { return firebreakhttp.RequestOf(c).Header.Get("Api-Key") },
		func(string) firebreak.Policy { return bulkhead.New(bulkhead.Config{MaxCalls: 1}) })
	var h http.Handler
	h = handle(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/outer" {
			wantStatus(t, get(h, "/", "Api-Key", "a"), 503, "the same caller")
			wantStatus(t, get(h, "/", "Api-Key", "b"), 200, "another caller")
		}
	}, perCaller)
	wantStatus(t, get(h, "/outer", "Api-Key", "a"), 200, "a caller")
	if firebreakhttp.RequestOf(firebreak.Call{}) != nil {
		t.Error("a call without a request has one")
	}
}

// What comes before and after the handler has an end as well: a body that nobody reads and
// that is sent byte by byte, an answer that is not received.
func TestNewServerAgainstSlowClients(t *testing.T) {
	for name, c := range map[string]struct {
		request string
		dribble bool
		want    time.Duration
	}{
		"header":          {"GET / HTTP/1.1\r\nHost: server.test\r\n", true, 5 * time.Second},
		"body":            {lines("POST /unread HTTP/1.1", "Host: server.test", "Content-Length: 1000"), true, time.Minute},
		"body that hangs": {lines("POST /read HTTP/1.1", "Host: server.test", "Content-Length: 1000"), true, 30 * time.Second},
		"answer":          {lines("GET /unread HTTP/1.1", "Host: server.test"), false, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := firebreakhttp.NewServer("", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/read" {
						_, _ = io.ReadAll(r.Body)
					}
					_, _ = w.Write(pattern(1000))
				}))
				states := make(chan http.ConnState, 10)
				closedAt := time.Time{}
				server.ConnState = func(_ netConn, state http.ConnState) {
					states <- state
					if state == http.StateClosed {
						closedAt = time.Now()
					}
				}
				s := startPipes(t, server)
				begin := time.Now()
				conn := s.raw(t, c.request)
				if c.dribble {
					go func() {
						for {
							time.Sleep(time.Second)
							if _, err := io.WriteString(conn, "x"); err != nil {
								return
							}
						}
					}()
				}
				if name != "answer" {
					go io.Copy(io.Discard, conn)
				}
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				// after an answer net/http waits for half a second before it cuts
				if got := closedAt.Sub(begin); got != c.want && got != c.want+500*time.Millisecond {
					t.Errorf("the connection was closed after %v, want %v", got, c.want)
				}
			})
		})
	}
}

// A request of default limits through all of it, on both protocols.
func TestNewServerServes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "order "+r.PathValue("id"))
		})
		mux.HandleFunc("GET /slow", untilDone)
		s := startPipes(t, firebreakhttp.NewServer("", mux))
		for _, http2 := range []bool{false, true} {
			client, begin := s.client(t, http2), time.Now()
			resp, err := client.Get("http://server.test/orders/7")
			if err != nil || resp.StatusCode != 200 || content(t, resp.Body) != "order 7" {
				t.Errorf("got %v and %v", resp, err)
			}
			resp, err = client.Get("http://server.test/slow")
			if err != nil || resp.StatusCode != 503 {
				t.Fatalf("got %v and %v", resp, err)
			}
			content(t, resp.Body)
			wantElapsed(t, begin, 30*time.Second)
		}
	})
}

// "A closed limiter refuses new ones with Connection: close", and those that wait are
// served.
func TestA8_149_ShutdownOfNewServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin, inFlight := time.Now(), make(chan struct{}, 1000)
		server := firebreakhttp.NewServer("", http.HandlerFunc(func(_ http.ResponseWriter, _ *http.Request) {
			inFlight <- struct{}{}
			time.Sleep(time.Second)
		}))
		s := startPipes(t, server)
		const requests = 35 // the limiter begins with 32
		codes := make(chan int, requests)
		for range requests {
			conn := s.raw(t, lines("GET / HTTP/1.1", "Host: server.test"))
			go func() {
				resp, _, err := readAnswer(t, bufio.NewReader(conn))
				if err != nil {
					t.Error(err)
					return
				}
				codes <- resp.StatusCode
			}()
		}
		synctest.Wait()
		if n := len(inFlight); n >= requests {
			t.Fatalf("%d are in flight, want some to wait", n)
		}
		done := make(chan error)
		go func() { done <- server.Shutdown(t.Context()) }()
		synctest.Wait()
		w := get(server.Handler, "/") // came in on a connection that was there before
		if w.Code != 503 || w.Header().Get("Connection") != "close" || w.Header().Get("Retry-After") != "" {
			t.Errorf("after Shutdown: got %d and %v, want 503 and close", w.Code, w.Header())
		}
		if err := <-done; err != nil || time.Since(begin) > 5*time.Second {
			t.Errorf("Shutdown returned %v after %v", err, time.Since(begin))
		}
		synctest.Wait()
		for range requests {
			if code := <-codes; code != 200 {
				t.Errorf("a request from before Shutdown got %d, want 200", code)
			}
		}
	})
}
