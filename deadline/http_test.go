package deadline_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firebreak-go/firebreak/deadline"
)

// roundTrip is an http.RoundTripper made of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func get(t *testing.T, ctx context.Context, url string) *http.Request { //revive:disable-line:context-as-argument // a test comes first
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

func TestRoundTripper(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })
	a := deadline.New(deadline.Config{})
	client := &http.Client{Transport: a.RoundTripper(nil)}
	defer client.CloseIdleConnections()

	resp, err := client.Get(server.URL + "/secret?key=1")
	if err != nil {
		t.Fatal(err)
	}
	if s := only(t, a); s.InFlight != 1 || s.Calls != 1 {
		t.Errorf("before the body was read: got %d in flight, %d calls, want 1, 1", s.InFlight, s.Calls)
	}
	body, err := io.ReadAll(resp.Body)
	if string(body) != "hello" || err != nil {
		t.Errorf("got %q, %v", body, err)
	}
	s := only(t, a)
	host := strings.TrimPrefix(server.URL, "http://")
	if s.InFlight != 0 || s.Op != "http.client" || s.Frames[0].Function != "TestRoundTripper" || len(s.Frames) < 2 {
		t.Errorf("after it was read: got %d in flight of %s in %v, want 0 of http.client in TestRoundTripper", s.InFlight, s.Op, s.Frames)
	}
	if diff := cmp.Diff([]deadline.Target{{Target: host, Calls: 1}}, s.Targets); diff != "" {
		t.Errorf("targets, -want +got:\n%s", diff)
	}
	resp.Body.Close()

	client.Timeout = time.Minute
	if resp, err = client.Get(server.URL); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	ctx, cancel := context.WithTimeout(background, time.Minute)
	defer cancel()
	client.Timeout = 0
	if resp, err = client.Do(get(t, ctx, server.URL)); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if diff := cmp.Diff([]deadline.Operation{{Op: "http.client", Calls: 3, Unbounded: 1}}, a.Report().Operations); diff != "" {
		t.Errorf("with deadlines, -want +got:\n%s", diff)
	}
}

// scriptedBody is the body of a response, as a base may make it.
type scriptedBody struct {
	io.Reader
	closed int
}

func (b *scriptedBody) Close() error { b.closed++; return errClosed }

var (
	errClosed = errors.New("close says so")
	errBroken = errors.New("connection reset")
)

type scriptedWriterTo struct {
	scriptedBody
	written bool
}

func (b *scriptedWriterTo) WriteTo(w io.Writer) (int64, error) {
	b.written = true
	return io.Copy(w, b.Reader)
}

type scriptedDuplex struct {
	scriptedBody
	io.Writer
}

// The end of a body is the end of the call, and what it says is what the base's says.
func TestBodies(t *testing.T) {
	response := func(body io.ReadCloser) *http.Response {
		return &http.Response{StatusCode: 200, ProtoMajor: 1, Header: http.Header{}, ContentLength: -1, Body: body}
	}
	send := func(t *testing.T, a *deadline.Auditor, resp *http.Response, err error) (*http.Response, error) {
		t.Helper()
		base := roundTrip(func(*http.Request) (*http.Response, error) { return resp, err })
		return a.RoundTripper(base).RoundTrip(get(t, background, "http://api.example.com/"))
	}
	flying := func(t *testing.T, a *deadline.Auditor, want int64) {
		t.Helper()
		if got := inFlight(a); got != want {
			t.Errorf("got %d in flight, want %d", got, want)
		}
	}
	t.Run("read to the end", func(t *testing.T) {
		a := deadline.New(deadline.Config{})
		resp, _ := send(t, a, response(&scriptedBody{Reader: strings.NewReader("hello")}), nil)
		if _, ok := resp.Body.(io.WriterTo); ok {
			t.Error("the body can WriteTo, which that of the base cannot")
		}
		flying(t, a, 1)
		if body, err := io.ReadAll(resp.Body); string(body) != "hello" || err != nil {
			t.Errorf("got %q, %v", body, err)
		}
		flying(t, a, 0)
	})
	t.Run("closed", func(t *testing.T) {
		a := deadline.New(deadline.Config{})
		inner := &scriptedBody{Reader: strings.NewReader("hello")}
		resp, _ := send(t, a, response(inner), nil)
		for range 2 {
			if err := resp.Body.Close(); err != errClosed { //nolint:errorlint // itself
				t.Errorf("got %v, want what the base's says", err)
			}
		}
		flying(t, a, 0)
		if inner.closed != 2 {
			t.Errorf("got %d calls of Close, want 2", inner.closed)
		}
	})
	t.Run("broken off", func(t *testing.T) {
		a := deadline.New(deadline.Config{})
		resp, _ := send(t, a, response(&scriptedBody{Reader: io.MultiReader(strings.NewReader("he"), errReader{errBroken})}), nil)
		if body, err := io.ReadAll(resp.Body); string(body) != "he" || err != errBroken { //nolint:errorlint // itself
			t.Errorf("got %q, %v", body, err)
		}
		flying(t, a, 0)
	})
	t.Run("WriteTo", func(t *testing.T) {
		a := deadline.New(deadline.Config{})
		inner := &scriptedWriterTo{scriptedBody: scriptedBody{Reader: strings.NewReader("hello")}}
		resp, _ := send(t, a, response(inner), nil)
		var b bytes.Buffer
		if n, err := io.Copy(&b, resp.Body); n != 5 || err != nil || b.String() != "hello" || !inner.written {
			t.Errorf("got %d, %v, %q, by WriteTo %v, want 5 bytes by WriteTo", n, err, &b, inner.written)
		}
		flying(t, a, 0)
	})
	t.Run("a connection", func(t *testing.T) {
		a := deadline.New(deadline.Config{})
		inner := &scriptedDuplex{scriptedBody: scriptedBody{Reader: strings.NewReader("hello")}}
		resp := response(inner)
		resp.StatusCode = http.StatusSwitchingProtocols
		resp, _ = send(t, a, resp, nil)
		if resp.Body != inner {
			t.Errorf("got a %T, want the body of the base", resp.Body)
		}
		flying(t, a, 0)
	})
	t.Run("none", func(t *testing.T) {
		for name, change := range map[string]func(*http.Response){
			"NoBody":         func(r *http.Response) { r.Body = http.NoBody },
			"nil":            func(r *http.Response) { r.Body = nil },
			"204":            func(r *http.Response) { r.StatusCode = 204 },
			"304":            func(r *http.Response) { r.StatusCode = 304 },
			"Content-Length": func(r *http.Response) { r.ContentLength = 0; r.Header.Set("Content-Length", "0") },
			"HTTP/2":         func(r *http.Response) { r.ContentLength = 0; r.ProtoMajor = 2 },
		} {
			a := deadline.New(deadline.Config{})
			made := response(&scriptedBody{Reader: strings.NewReader("")})
			change(made)
			want := made.Body
			if resp, err := send(t, a, made, nil); err != nil || resp.Body != want {
				t.Errorf("%s: got a %T, %v, want the body of the base", name, resp.Body, err)
			}
			flying(t, a, 0)
		}
	})
	t.Run("error", func(t *testing.T) {
		a := deadline.New(deadline.Config{})
		if resp, err := send(t, a, nil, errBroken); resp != nil || err != errBroken { //nolint:errorlint // itself
			t.Errorf("got %v, %v", resp, err)
		}
		flying(t, a, 0)
	})
	t.Run("panic", func(t *testing.T) {
		a := deadline.New(deadline.Config{})
		func() {
			defer func() { _ = recover() }()
			base := roundTrip(func(*http.Request) (*http.Response, error) { panic("a bug") })
			_, _ = a.RoundTripper(base).RoundTrip(get(t, background, "http://api.example.com/"))
		}()
		flying(t, a, 0)
		if s := only(t, a); s.Calls != 1 {
			t.Errorf("got %d calls, want 1", s.Calls)
		}
	})
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

// A connection after 101 is the base's own, at each level, and outlives the deadline.
func TestSwitchingProtocols(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		go func() {
			r := bufio.NewReader(far)
			if _, err := http.ReadRequest(r); err != nil {
				return
			}
			io.WriteString(far, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
			line, _ := r.ReadString('\n')
			io.WriteString(far, line)
		}()
		transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return near, nil }}
		defer transport.CloseIdleConnections()
		a := deadline.New(deadline.Config{Level: deadline.Enforce, DefaultDeadline: time.Second, Logger: discard})
		req := get(t, background, "http://echo.example.com/")
		req.Header.Set("Connection", "Upgrade")
		req.Header.Set("Upgrade", "echo")
		var limited context.Context
		resp, err := a.RoundTripper(roundTrip(func(req *http.Request) (*http.Response, error) {
			limited = req.Context()
			return transport.RoundTrip(req)
		})).RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		time.Sleep(time.Minute)
		if !errors.Is(limited.Err(), context.DeadlineExceeded) {
			t.Errorf("got %v, want the deadline to have passed", limited.Err())
		}
		conn, ok := resp.Body.(io.ReadWriteCloser)
		if !ok {
			t.Fatalf("got a %T, want a connection", resp.Body)
		}
		io.WriteString(conn, "hello\n")
		if line, err := bufio.NewReader(conn).ReadString('\n'); line != "hello\n" || err != nil {
			t.Errorf("got %q, %v", line, err)
		}
		if resp.Request != req {
			t.Error("the response is to another request")
		}
	})
}

func TestRoundTripperEnforces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := deadline.New(deadline.Config{Level: deadline.Enforce, DefaultDeadline: 5 * time.Second, Logger: discard})
		var sent *http.Request
		base := roundTrip(func(req *http.Request) (*http.Response, error) {
			sent = req
			return &http.Response{StatusCode: 200, Body: &scriptedBody{Reader: waits{req.Context()}}, ContentLength: -1, Request: req}, nil
		})
		req := get(t, background, "http://api.example.com/")
		start := time.Now()
		resp, err := a.RoundTripper(base).RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		if at, ok := sent.Context().Deadline(); !ok || at.Sub(start) != 5*time.Second {
			t.Errorf("got deadline %v, %v, want in 5s", at, ok)
		}
		if req.Context() != background || resp.Request != req {
			t.Error("the request of the caller was changed")
		}
		if _, err := io.ReadAll(resp.Body); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 5*time.Second {
			t.Errorf("got %v after %v, want the deadline after 5s", err, time.Since(start))
		}
		resp.Body.Close()
		if s := only(t, a); s.GotDeadline != 1 || s.InFlight != 0 {
			t.Errorf("got %+v, want one with a deadline", s)
		}
	})
}

// waits reads until its context ends.
type waits struct{ ctx context.Context }

func (w waits) Read([]byte) (int, error) { <-w.ctx.Done(); return 0, context.Cause(w.ctx) }

// A request that is refused is not sent, and its body is closed all the same.
func TestRoundTripperRefuses(t *testing.T) {
	a := deadline.New(deadline.Config{Level: deadline.Enforce, Refuse: true, Logger: discard})
	sent := 0
	client := &http.Client{Transport: a.RoundTripper(roundTrip(func(req *http.Request) (*http.Response, error) {
		sent++
		return &http.Response{StatusCode: 200, Body: http.NoBody, Request: req}, nil
	}))}
	inner := &scriptedBody{Reader: strings.NewReader("hello")}
	req, _ := http.NewRequestWithContext(background, http.MethodPost, "http://api.example.com/", inner)
	if _, err := client.Do(req); !errors.Is(err, deadline.ErrNoDeadline) || sent != 0 || inner.closed == 0 {
		t.Errorf("got %v, %d sent, body closed %d times, want ErrNoDeadline, 0, once or more", err, sent, inner.closed)
	}
	client.Timeout = time.Minute
	resp, err := client.Get("http://api.example.com/")
	if err != nil || sent != 1 {
		t.Fatalf("with a timeout: got %v, %d sent, want nil, 1", err, sent)
	}
	resp.Body.Close()
}

// A request that is none is left to the base.
func TestNoRequest(t *testing.T) {
	a := deadline.New(deadline.Config{})
	if _, err := a.RoundTripper(&http.Transport{}).RoundTrip(&http.Request{}); err == nil || !strings.Contains(err.Error(), "nil Request.URL") {
		t.Errorf("got %v, want what the base says", err)
	}
}

func handleOrder(http.ResponseWriter, *http.Request) {}

type shop struct{ seen func(*http.Request) }

func (s *shop) handleCart(_ http.ResponseWriter, r *http.Request) { s.seen(r) }

type valueHandler struct{}

func (valueHandler) ServeHTTP(http.ResponseWriter, *http.Request) {}

func TestMiddleware(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{id}", handleOrder)
	mux.HandleFunc("/cart", (&shop{seen: func(*http.Request) {}}).handleCart)
	mux.Handle("/value", &valueHandler{})
	mux.HandleFunc("/rooms/{name}/", handleOrder)
	a := deadline.New(deadline.Config{})
	h := a.Middleware(mux)
	for _, target := range []string{"/orders/1", "/orders/2", "/cart", "/value", "/nowhere/1", "/nowhere/2"} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, target, nil))
	}
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("BREW", "/pot", nil))
	connect := httptest.NewRequest(http.MethodConnect, "example.com:80", nil)
	connect.URL.Path = "/rooms/what-somebody-sends" // for which a ServeMux names no pattern, but the path
	h.ServeHTTP(httptest.NewRecorder(), connect)
	http.TimeoutHandler(h, time.Minute, "").ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/cart", nil))

	type site struct {
		Op, Route, Function, File string
		Calls                     int64
	}
	got := make(map[string]site)
	for _, s := range a.Report().Sites {
		f := deadline.Frame{}
		if len(s.Frames) > 0 {
			f = s.Frames[0]
		}
		got[s.Route] = site{s.Op, s.Route, f.Function, f.File, s.Calls}
	}
	const file = "github.com/firebreak-go/firebreak/deadline_test/http_test.go"
	want := map[string]site{
		"GET /orders/{id}": {"http.server", "GET /orders/{id}", "handleOrder", file, 2},
		"/cart":            {"http.server", "/cart", "(*shop).handleCart", "", 1},
		"/value":           {"http.server", "/value", "valueHandler.ServeHTTP", file, 1},
		"GET":              {"http.server", "GET", "(*ServeMux).ServeHTTP", "net/http/server.go", 2},
		"CONNECT":          {"http.server", "CONNECT", "(*ServeMux).ServeHTTP", "net/http/server.go", 1},
		"other":            {"http.server", "other", "(*ServeMux).ServeHTTP", "net/http/server.go", 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]deadline.Operation{{Op: "http.server", Calls: 9, Unbounded: 8}}, a.Report().Operations); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A route that is known only afterwards is the site all the same.
func TestMiddlewareAroundOthers(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{id}", handleOrder)
	mux.HandleFunc("GET /news", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	outer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { mux.ServeHTTP(w, r) })
	a := deadline.New(deadline.Config{Unbounded: func(_, target string) string {
		if target == "GET /news" {
			return "waits for news"
		}
		return ""
	}})
	h := a.Middleware(outer)
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/orders/1", nil))
	func() {
		defer func() {
			if recover() != http.ErrAbortHandler { //nolint:errorlint // itself
				t.Error("the panic is lost")
			}
		}()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/news", nil))
	}()
	mux.HandleFunc("/rooms/{name}/", handleOrder)
	connect := httptest.NewRequest(http.MethodConnect, "example.com:80", nil)
	connect.URL.Path = "/rooms/what-somebody-sends"
	bounded, cancel := context.WithTimeout(background, time.Minute)
	defer cancel()
	h.ServeHTTP(httptest.NewRecorder(), connect.WithContext(bounded))
	if len(a.Report().Sites) != 2 {
		t.Errorf("got %+v, want nothing of a request with a deadline", a.Report().Sites)
	}
	h.ServeHTTP(httptest.NewRecorder(), connect)
	if s := a.Report().Sites; !slices.ContainsFunc(s, func(s deadline.Site) bool { return s.Route == http.MethodConnect }) {
		t.Errorf("got %+v, want a site of CONNECT", s)
	}
	sites := slices.DeleteFunc(a.Report().Sites, func(s deadline.Site) bool { return s.Route == http.MethodConnect })
	if len(sites) != 2 || sites[0].Route != "GET /orders/{id}" || sites[1].Route != "GET /news" || sites[1].Reason != "waits for news" {
		t.Errorf("got %+v, want both routes", sites)
	}
	if got := inFlight(a); got != 0 {
		t.Errorf("got %d in flight, want 0", got)
	}
}

func TestMiddlewareInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /slow", func(http.ResponseWriter, *http.Request) { time.Sleep(2 * time.Minute) })
		for _, h := range []http.Handler{mux, http.HandlerFunc(mux.ServeHTTP)} {
			a := deadline.New(deadline.Config{})
			done := make(chan struct{})
			go func() {
				a.Middleware(h).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/slow", nil))
				close(done)
			}()
			time.Sleep(90 * time.Second)
			synctest.Wait()
			r := a.Report()
			if len(r.Stuck) != 1 || r.Stuck[0].For != 90*time.Second || r.Sites[0].Calls != 1 {
				t.Errorf("got %+v, want one that is stuck", r)
			}
			<-done
			for _, s := range a.Report().Sites {
				if s.Route == "GET /slow" && s.Longest != 2*time.Minute {
					t.Errorf("got longest %v, want 2m", s.Longest)
				}
			}
		}
	})
}

// At the level Enforce a handler sees a deadline, and others what it has noted on its
// request.
func TestMiddlewareEnforces(t *testing.T) {
	for _, refuse := range []bool{false, true} {
		a := deadline.New(deadline.Config{Level: deadline.Enforce, Refuse: refuse, DefaultDeadline: time.Hour, Logger: discard})
		var ctx context.Context
		mux := http.NewServeMux()
		mux.HandleFunc("POST /cart", (&shop{seen: func(r *http.Request) {
			ctx = r.Context()
			if _, ok := ctx.Deadline(); !ok || ctx.Err() != nil {
				t.Errorf("refuse %v: the handler has no deadline, or it has passed: %v", refuse, ctx.Err())
			}
			_ = r.ParseMultipartForm(1)
		}}).handleCart)
		body := "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--x--\r\n"
		r := httptest.NewRequest(http.MethodPost, "/cart", strings.NewReader(body))
		r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
		a.Middleware(mux).ServeHTTP(httptest.NewRecorder(), r)
		if ctx == nil || ctx.Err() == nil {
			t.Fatalf("refuse %v: the handler did not run, or its context lives on", refuse)
		}
		if r.Pattern != "POST /cart" || r.MultipartForm == nil {
			t.Errorf("refuse %v: got pattern %q, form %v, want those of the handler", refuse, r.Pattern, r.MultipartForm)
		}
		if s := only(t, a); s.GotDeadline != 1 || s.Refused != 0 {
			t.Errorf("refuse %v: got %+v, want one with a deadline", refuse, s)
		}
	}
}

// What net/http serves has no deadline, whatever the timeouts of the server.
func TestServerGivesNone(t *testing.T) {
	a := deadline.New(deadline.Config{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: a.Middleware(http.HandlerFunc(handleOrder)), ReadTimeout: time.Minute, WriteTimeout: time.Minute, ReadHeaderTimeout: time.Minute}
	go server.Serve(listener) //nolint:errcheck // it ends with the test
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if s := only(t, a); s.Route != "GET" || s.Frames[0].Function != "handleOrder" {
		t.Errorf("got %+v, want a request of handleOrder", s)
	}
}
