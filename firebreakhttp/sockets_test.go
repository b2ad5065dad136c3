package firebreakhttp_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakhttp"
	"github.com/firebreak-go/firebreak/timeout"
)

// soon is long enough for a server on loopback, and short enough to wait for.
const soon = 200 * time.Millisecond

// order returns a request with a body that can be sent again.
func order(t *testing.T, method, target string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader("order"))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// Behaviour 87: "RST before headers on GET: retry even on a fresh connection
// (Transport only retries reused ones)." Behaviour 74, "reset right after accept": a
// POST may have been read, and is not sent again.
func TestA5_87_74_ResetAfterAccept(t *testing.T) {
	for _, tt := range []struct {
		method string
		want   int32 // connections, of three at the most
	}{{"GET", 3}, {"PUT", 3}, {"POST", 1}} {
		var accepted atomic.Int32
		dialed := make(chan struct{}, 3)
		addr := listen(t, func(conn net.Conn) {
			<-dialed // a reset before that fails the dial, which is safe for all
			if accepted.Add(1) <= 2 {
				_ = conn.(*net.TCPConn).SetLinger(0) // closes with RST
				return
			}
			_ = readHead(conn)
			_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
		})
		base := newBase(t)
		base.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, addr)
			dialed <- struct{}{}
			return conn, err
		}
		resp, err := send(t, newRT(base, retrying(3, 0)), order(t, tt.method, "http://"+addr))
		if tt.want == 3 && (err != nil || resp.StatusCode != 204) || tt.want == 1 && err == nil {
			t.Errorf("%s: response %v and error %v", tt.method, resp, err)
		}
		if got := accepted.Load(); got != tt.want {
			t.Errorf("%s: %d connections, want %d", tt.method, got, tt.want)
		}
	}
}

// Behaviour 83, on a connection: a body that is cut short is a failure, and the
// caller's to see.
func TestA5_83_Truncation(t *testing.T) {
	for name, answer := range map[string]string{
		"Content-Length": "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
		"chunked":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
	} {
		var accepted atomic.Int32
		addr := listen(t, func(conn net.Conn) {
			accepted.Add(1)
			_ = readHead(conn)
			_, _ = io.WriteString(conn, answer)
		})
		seen := &witness{}
		resp := mustSend(t, newRT(newBase(t), retrying(3, 0), seen), requestTo(t, "GET", "http://"+addr, nil), 200)
		b, err := io.ReadAll(resp.Body)
		if string(b) != "half" || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: body %q and %v, want %q and %v", name, b, err, "half", io.ErrUnexpectedEOF)
		}
		resp.Body.Close()
		seen.want(t, firebreak.Failure)
		if got := accepted.Load(); got != 1 {
			t.Errorf("%s: %d connections, want 1", name, got)
		}
	}
}

// Behaviour 61, on a connection: a server that reads a request and does not answer
// is left after the timeout of the attempt.
func TestA4_61_StalledHeaders(t *testing.T) {
	var requests atomic.Int32
	target := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) < 3 {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done() // until the client hangs up
			return
		}
		w.WriteHeader(204)
	})
	seen := &witness{}
	rt := newRT(newBase(t), timeout.New(time.Minute), retrying(3, 0), seen, timeout.New(soon))
	mustSend(t, rt, requestTo(t, "GET", target, nil), 204).Body.Close()
	seen.want(t, firebreak.Failure, firebreak.Failure, firebreak.Success)

	requests.Store(0)
	err := mustFail(t, rt, order(t, "POST", target)) // it was read: not safe
	if expired, ok := errors.AsType[*timeout.Error](err); !ok || expired.Scope != "attempt" {
		t.Errorf("error %v, want the timeout of the attempt", err)
	}
	if got := requests.Load(); got != 1 {
		t.Errorf("the POST was sent %d times, want once", got)
	}
}

// Behaviours 42 and 53, on a connection: headers come at once, the body stalls.
func TestA4_53_StalledBody(t *testing.T) {
	target := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	seen, slots := &witness{}, bulkhead.New(bulkhead.Config{MaxCalls: 1})
	rt := newRT(newBase(t), slots, seen, timeout.New(soon))
	resp := mustSend(t, rt, requestTo(t, "GET", target, nil), 200)
	b, err := io.ReadAll(resp.Body)
	if _, ours := errors.AsType[*timeout.Error](err); string(b) != "half" || !ours {
		t.Errorf("body %q and %v, want %q and the timeout", b, err, "half")
	}
	seen.want(t, firebreak.Failure)
	slots.Report(func(s firebreak.Status) {
		if s.InFlight != 0 {
			t.Errorf("%d slots are taken, want none", s.InFlight)
		}
	})
}

// Behaviour 62, on a connection, where net/http heeds both signals.
func TestA4_62_ClientTimeoutOnSocket(t *testing.T) {
	for _, inBody := range []bool{false, true} {
		target := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if inBody {
				_ = http.NewResponseController(w).Flush()
			}
			<-r.Context().Done()
		})
		seen := &witness{}
		client := &http.Client{Transport: newRT(newBase(t), retrying(3, 0), seen), Timeout: soon}
		resp, err := client.Get(target)
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		if e, ok := err.(interface{ Timeout() bool }); !ok || !e.Timeout() {
			t.Errorf("in the body: %v: error %v (%T), want one whose Timeout is true", inBody, err, err)
		}
		seen.want(t, firebreak.Failure)
	}
}

// Behaviours 105, 106 and 108, through httputil.ReverseProxy: a tunnel can be
// written to, closed for writing, and lasts longer than the timeouts.
func TestA7_105_106_108_ReverseProxyUpgrade(t *testing.T) {
	backend := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		sent, err := io.ReadAll(rw) // to the half close
		if err != nil {
			t.Errorf("the backend read %q and %v", sent, err)
		}
		_, _ = fmt.Fprintf(conn, "got %s", sent)
	})
	seen, slots := &witness{}, bulkhead.New(bulkhead.Config{MaxCalls: 1})
	attempts := make(chan context.Context, 1)
	base := newBase(t)
	watched := roundTripper(func(req *http.Request) (*http.Response, error) {
		attempts <- req.Context()
		return base.RoundTrip(req)
	})
	rt := newRT(watched, timeout.New(2*soon), retrying(3, 0), seen, slots, timeout.New(soon))
	backendURL, err := url.Parse(backend)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(&httputil.ReverseProxy{Transport: rt, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(backendURL) }})
	defer proxy.Close()

	client, err := net.Dial("tcp", proxy.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	_ = client.SetDeadline(time.Now().Add(time.Minute))
	_, _ = io.WriteString(client, "GET / HTTP/1.1\r\nHost: proxy.test\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	r := bufio.NewReader(client)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != 101 {
		t.Fatalf("response %v and error %v, want status 101", resp, err)
	}
	_, _ = io.WriteString(client, "one,")
	<-(<-attempts).Done() // the timeout is over
	slots.Report(func(s firebreak.Status) {
		if s.InFlight != 1 {
			t.Errorf("%d slots are taken while the tunnel lasts, want 1", s.InFlight)
		}
	})
	_, _ = io.WriteString(client, "two")
	_ = client.(*net.TCPConn).CloseWrite()
	if got, err := io.ReadAll(r); string(got) != "got one,two" || err != nil {
		t.Errorf("read %q and %v after the half close, want %q", got, err, "got one,two")
	}
	client.Close()
	proxy.Close() // waits for the tunnel
	seen.want(t, firebreak.Success)
	slots.Report(func(s firebreak.Status) {
		if s.InFlight != 0 {
			t.Errorf("%d slots are taken after the tunnel, want none", s.InFlight)
		}
	})
}

// Behaviours 109 and 110, on a connection of each protocol: 103 is not the response,
// and trailers appear after EOF.
func TestA7_109_110_InformationalAndTrailers(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>")
		w.WriteHeader(103)
		w.Header().Set("Trailer", "Checksum")
		_, _ = io.WriteString(w, "content")
		w.Header().Set("Checksum", "42")
	}))
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	defer server.Close()
	for _, base := range []*http.Transport{newBase(t), newHTTP2Base(t)} {
		var early []int
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
				early = append(early, code)
				return nil
			},
		})
		rt := newRT(base, timeout.New(time.Minute), retrying(3, 0), bulkhead.New(bulkhead.Config{}))
		resp := mustSend(t, rt, requestTo(t, "GET", server.URL, nil).WithContext(ctx), 200)
		if got := content(t, resp.Body); got != "content" {
			t.Errorf("%s: body %q, want %q", resp.Proto, got, "content")
		}
		if !slices.Equal(early, []int{103}) || resp.Trailer.Get("Checksum") != "42" {
			t.Errorf("%s: early responses %v and trailer %v, want 103 and a checksum", resp.Proto, early, resp.Trailer)
		}
	}
}

// Behaviour 103, on a connection.
func TestA7_103_CloseIdleConnectionsOnSocket(t *testing.T) {
	peers := map[string]bool{}
	target := serve(t, func(_ http.ResponseWriter, r *http.Request) { peers[r.RemoteAddr] = true })
	client := &http.Client{Transport: newRT(newBase(t), retrying(3, 0))}
	get := func() {
		resp, err := client.Get(target)
		if err != nil {
			t.Fatal(err)
		}
		_ = content(t, resp.Body)
	}
	get()
	get()
	if len(peers) != 1 {
		t.Errorf("two calls took %d connections, want 1", len(peers))
	}
	client.CloseIdleConnections()
	get()
	if len(peers) != 2 {
		t.Errorf("%d connections after the idle one was closed, want 2", len(peers))
	}
}

// Behaviour 77: "Stale keep-alive. S: `http: server closed idle connection`, EOF on a
// reused connection for POST. R: not safe: request may have been processed. T:
// server closing after read."
func TestA5_77_StaleKeepAlive(t *testing.T) {
	for _, method := range []string{"POST", "GET"} {
		var read atomic.Int32
		addr := listen(t, func(conn net.Conn) {
			r := bufio.NewReader(conn)
			for n := range 2 {
				req, err := http.ReadRequest(r)
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, req.Body)
				if read.Add(1) == 2 && n == 1 {
					return // it took the order, and goes
				}
				_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n")
			}
		})
		rt := newRT(newBase(t), retrying(3, 0))
		mustSend(t, rt, requestTo(t, "GET", "http://"+addr, nil), 204).Body.Close()
		resp, err := send(t, rt, order(t, method, "http://"+addr))
		if resp != nil {
			resp.Body.Close()
		}
		if (err == nil) != (method == "GET") {
			t.Errorf("%s: response %v and error %v", method, resp, err)
		}
		want := int32(2)
		if method == "GET" {
			want = 3
		}
		if got := read.Load(); got != want {
			t.Errorf("the server read %d requests, the last of them %s, want %d", got, method, want)
		}
	}
}

// Behaviour 73, on a connection: a refused dial is safe for a POST.
func TestA5_73_RefusedDial(t *testing.T) {
	var mu sync.Mutex
	var got []string
	target := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		got = append(got, string(b))
	})
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close() // nobody listens there any more
	for _, refusals := range []int{2, 100} {
		dials := 0
		base := newBase(t)
		base.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if dials++; dials <= refusals {
				addr = closed.Addr().String()
			}
			return new(net.Dialer).DialContext(ctx, network, addr)
		}
		resp, err := send(t, newRT(base, retrying(3, 0)), order(t, "POST", target))
		switch {
		case refusals == 2 && err != nil:
			t.Errorf("error %v, want the answer of the third attempt", err)
		case refusals > 2 && !errors.Is(err, syscall.ECONNREFUSED):
			t.Errorf("response %v and error %v, want %v", resp, err, syscall.ECONNREFUSED)
		}
		if err == nil {
			resp.Body.Close()
		}
		if dials != 3 {
			t.Errorf("%d dials, want 3", dials)
		}
	}
	if !slices.Equal(got, []string{"order"}) {
		t.Errorf("the server got %q, want one order", got)
	}
}

// Behaviour 73: a dial that takes longer than an attempt has left nothing behind.
func TestA5_73_DialTimeout(t *testing.T) {
	var got atomic.Int32
	target := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		if b, _ := io.ReadAll(r.Body); string(b) == "order" {
			got.Add(1)
		}
	})
	var dials atomic.Int32
	base := newBase(t)
	base.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if dials.Add(1) == 1 {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	seen := &witness{}
	rt := newRT(base, timeout.New(time.Minute), retrying(2, 0), seen, timeout.New(2*soon))
	mustSend(t, rt, order(t, "POST", target), 200).Body.Close()
	seen.want(t, firebreak.Failure, firebreak.Success)
	if n := got.Load(); n != 1 {
		t.Errorf("the server got %d orders, want 1", n)
	}
}

// Behaviour 78, on a connection: what TLS does not accept, it does not accept the
// next time. And TLS to a server that speaks none.
func TestA5_78_TLSOnSocket(t *testing.T) {
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // it would tell of each handshake
	secure.StartTLS()
	defer secure.Close()
	plain := serve(t, http.NotFound)
	trusting := secure.Client().Transport.(*http.Transport).TLSClientConfig

	for _, tt := range []struct {
		name   string
		url    string
		config *tls.Config
		is     func(error) bool
	}{
		{"unknown authority", secure.URL, nil, func(err error) bool {
			_, ok := errors.AsType[x509.UnknownAuthorityError](err)
			return ok
		}},
		{"another host", secure.URL, &tls.Config{RootCAs: trusting.RootCAs, ServerName: "other.test"}, func(err error) bool {
			_, ok := errors.AsType[x509.HostnameError](err)
			return ok
		}},
		{
			"expired", secure.URL,
			&tls.Config{RootCAs: trusting.RootCAs, Time: func() time.Time { return time.Now().AddDate(200, 0, 0) }},
			func(err error) bool {
				_, ok := errors.AsType[x509.CertificateInvalidError](err)
				return ok
			},
		},
		{"a server without TLS", strings.Replace(plain, "http:", "https:", 1), nil, func(err error) bool {
			_, ok := err.(tls.RecordHeaderError) //nolint:errorlint // as http.Client asks
			return ok
		}},
	} {
		for _, method := range []string{"GET", "POST"} {
			dials, seen, base := 0, &witness{}, newBase(t)
			base.TLSClientConfig = tt.config
			base.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
				dials++
				return new(net.Dialer).DialContext(ctx, network, addr)
			}
			err := mustFail(t, newRT(base, retrying(3, 0), seen), order(t, method, tt.url))
			if dials != 1 || !tt.is(err) {
				t.Errorf("%s, %s: %d dials and error %v (%T), want one", tt.name, method, dials, err, err)
			}
			seen.want(t, firebreak.Failure)
		}
	}
	client := &http.Client{Transport: newRT(newBase(t), retrying(3, 0))}
	resp, err := client.Get(strings.Replace(plain, "http:", "https:", 1))
	if err == nil {
		resp.Body.Close()
	}
	if !errors.Is(err, http.ErrSchemeMismatch) {
		t.Errorf("http.Client: error %v, want one that is %v", err, http.ErrSchemeMismatch)
	}
}

// Behaviour 229: "Budget and breaker state are per upstream, not global, else one bad
// host opens all", with NewClient as it is.
func TestA12_229_NewClientPerHost(t *testing.T) {
	var bad, good atomic.Int32
	badURL := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		bad.Add(1)
		w.WriteHeader(500)
	})
	goodURL := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if good.Add(1) == 1 {
			w.WriteHeader(503)
			return
		}
		_, _ = io.WriteString(w, "attempt "+r.Header.Get(firebreakhttp.AttemptHeader))
	})
	client := firebreakhttp.NewClient("test")
	defer client.CloseIdleConnections()
	for range breaker.DefaultConsecutiveFailures {
		resp, err := client.Get(badURL)
		if err != nil || resp.StatusCode != 500 {
			t.Fatalf("response %v and error %v, want status 500", resp, err)
		}
		resp.Body.Close()
	}
	_, err := client.Get(badURL)
	if !errors.Is(err, breaker.ErrOpen) {
		t.Errorf("error %v after ten failures, want %v", err, breaker.ErrOpen)
	}
	if got := bad.Load(); got != breaker.DefaultConsecutiveFailures {
		t.Errorf("the bad host got %d requests, want %d: a 500 is not repeated, a rejection not sent", got, breaker.DefaultConsecutiveFailures)
	}
	resp, err := client.Get(goodURL)
	if err != nil {
		t.Fatalf("error %v of the good host, want its answer", err)
	}
	if got := content(t, resp.Body); got != "attempt 2" {
		t.Errorf("body %q, want that of the second attempt", got)
	}
}

// Each redirect is a call of its own, to its own host (behaviour 80).
func TestA5_80_RedirectsAreCalls(t *testing.T) {
	second := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "there") })
	first := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, second, 302) })
	var targets []string
	calls := policyFunc(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
		targets = append(targets, c.Target)
		return next(ctx, c)
	})
	client := &http.Client{Transport: newRT(newBase(t), calls, retrying(3, 0))}
	resp, err := client.Get(first)
	if err != nil {
		t.Fatal(err)
	}
	if got := content(t, resp.Body); got != "there" {
		t.Errorf("body %q, want that of the second host", got)
	}
	want := []string{strings.TrimPrefix(first, "http://"), strings.TrimPrefix(second, "http://")}
	if !slices.Equal(targets, want) {
		t.Errorf("calls to %q, want %q", targets, want)
	}
}
