package firebreakhttp_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptrace"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakhttp"
	"github.com/firebreak-go/firebreak/timeout"
)

// errPeerReset is a connection that the server reset.
var errPeerReset = &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}

// errRefused is a connection that could not be made.
var errRefused = &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}

// tries returns how often a request that fails with each is sent, of three times
// at the most.
func tries(t *testing.T, req *http.Request, each step, options ...firebreakhttp.Option) int {
	t.Helper()
	base := script(each)
	resp, err := send(t, firebreakhttp.Transport(base, firebreak.New("test", retrying(3, 0)), options...), req)
	if err == nil {
		resp.Body.Close()
	}
	return len(base.tries())
}

// Behaviour 70: "By method. GET HEAD OPTIONS TRACE PUT DELETE yes; POST PATCH
// CONNECT no."
func TestA5_70_ByMethod(t *testing.T) {
	for method, want := range map[string]int{
		"": 3, "GET": 3, "HEAD": 3, "OPTIONS": 3, "TRACE": 3, "PUT": 3, "DELETE": 3,
		"POST": 1, "PATCH": 1, "CONNECT": 1, "PROPFIND": 1, "get": 1,
	} {
		for name, failure := range map[string]step{
			"reset": fail(errPeerReset), "EOF": fail(io.EOF), "503": respond(503, newTracked("")), "429": respond(429, newTracked("")),
		} {
			req := newRequest(t, "GET", nil)
			req.Method = method
			if got := tries(t, req, failure); got != want {
				t.Errorf("%q after %s: sent %d times, want %d", method, name, got, want)
			}
		}
	}
}

// Behaviour 71: "Idempotency-Key / X-Idempotency-Key makes POST retryable (same
// rule as Transport.isReplayable); key is the same on every try."
func TestA5_71_IdempotencyKey(t *testing.T) {
	for _, header := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
		base := script(fail(errPeerReset), status(503), status(200))
		req, _, _ := replayable(t, "POST", "order")
		req.Header.Set(header, "key-1")
		mustSend(t, firebreakhttp.Transport(base, firebreak.New("test", retrying(3, 0))), req, 200).Body.Close()
		base.wantTries(t, 3)
		for i, tr := range base.tries() {
			if got := tr.req.Header[header]; !slices.Equal(got, []string{"key-1"}) || tr.sent != "order" {
				t.Errorf("try %d: %s %q and body %q, want the caller's", i+1, header, got, tr.sent)
			}
		}
	}
	req := newRequest(t, "POST", nil)
	req.Header["Idempotency-Key"] = nil // by net/http: it may be repeated, but no key is sent
	if got := tries(t, req, fail(errPeerReset)); got != 3 {
		t.Errorf("POST with a key that is not sent: sent %d times, want 3", got)
	}
}

// Behaviour 72: "Statuses: 429, 502, 503, 504 yes; 408 (on a new connection) and 425
// (without early data) yes; 500 opt-in; 501, 505, 507, 4xx no."
func TestA5_72_Statuses(t *testing.T) {
	usual := []int{408, 425, 429, 502, 503, 504}
	for code := 200; code <= 599; code++ {
		for _, optIn := range []bool{false, true} {
			want, options := 1, []firebreakhttp.Option(nil)
			if optIn {
				options = append(options, firebreakhttp.RetryStatuses(500, 409))
			}
			if slices.Contains(usual, code) || optIn && (code == 500 || code == 409) {
				want = 3
			}
			if got := tries(t, newRequest(t, "GET", nil), respond(code, newTracked("")), options...); got != want {
				t.Errorf("status %d, with 500 and 409 opted in: %v: sent %d times, want %d", code, optIn, got, want)
			}
		}
	}
}

// What a status means to a breaker: 5xx are failures, 4xx are answers, and 408, 425,
// 429 and a 503 that says when to come back ask for less.
func TestA5_72_Classes(t *testing.T) {
	for _, tt := range []struct {
		code   int
		header []string
		want   firebreak.Class
	}{
		{200, nil, firebreak.Success},
		{302, nil, firebreak.Success},
		{404, nil, firebreak.Success},
		{408, nil, firebreak.Overload},
		{425, nil, firebreak.Overload},
		{429, nil, firebreak.Overload},
		{500, nil, firebreak.Failure},
		{501, nil, firebreak.Failure},
		{502, []string{"Retry-After", "1"}, firebreak.Failure},
		{503, nil, firebreak.Failure},
		{503, []string{"Retry-After", "1"}, firebreak.Overload},
		{503, []string{"Retry-After", "soon"}, firebreak.Failure},
	} {
		seen := &witness{}
		rt := firebreakhttp.Transport(script(respond(tt.code, newTracked(""), tt.header...)), firebreak.New("test", seen))
		mustSend(t, rt, newRequest(t, "GET", nil), tt.code).Body.Close()
		if got := seen.classes(); len(got) != 1 || got[0] != tt.want {
			t.Errorf("status %d with %q: %v, want %v", tt.code, tt.header, got, tt.want)
		}
	}
}

// Behaviour 73: "Failed dial (net.OpError Op `dial`, DNS temporary) is safe for
// every method. But dial timeout by the caller's context is not a network error."
func TestA5_73_FailedDial(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want int
	}{
		{"refused", errRefused, 3},
		{"timeout of the dialer", &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}, 3},
		{"of a proxy", &net.OpError{Op: "proxyconnect", Net: "tcp", Err: errRefused}, 3},
		{"DNS, temporary", &net.OpError{Op: "dial", Err: &net.DNSError{Err: "server misbehaving", IsTemporary: true}}, 3},
		{"DNS, no such host", &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", IsNotFound: true}}, 1},
		{"after the dial", errPeerReset, 1},
	} {
		for _, method := range []string{"POST", "PATCH"} {
			req, _, _ := replayable(t, method, "order")
			if got := tries(t, req, fail(tt.err)); got != tt.want {
				t.Errorf("%s, %s: sent %d times, want %d", method, tt.name, got, tt.want)
			}
		}
	}
	t.Run("a body that was not read is sent by the next attempt", func(t *testing.T) {
		base := script(func(*try) (*http.Response, error) { return nil, errRefused }, status(200))
		body := newTracked("order")
		req := newRequest(t, "POST", body) // a one-shot body, which the base has closed
		err := mustFail(t, firebreakhttp.Transport(base, firebreak.New("test", retrying(3, 0))), req)
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("error %v, want that of the attempt", err)
		}
		base.wantTries(t, 1)
	})
	t.Run("the caller's deadline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			base := script(func(tr *try) (*http.Response, error) {
				httptrace.ContextClientTrace(tr.ctx).GetConn("dependency.test:80")
				<-tr.ctx.Done()
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: tr.ctx.Err()}
			})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			req, _, _ := replayable(t, "POST", "order")
			err := mustFail(t, firebreakhttp.Transport(base, firebreak.New("test", retrying(3, 0))), req.WithContext(ctx))
			base.wantTries(t, 1)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v, want one that is %v", err, context.DeadlineExceeded)
			}
		})
	})
}

// connect tells the trace of a request how far it came.
func connect(asked, got bool, then step) step {
	return func(tr *try) (*http.Response, error) {
		if trace := httptrace.ContextClientTrace(tr.ctx); trace != nil {
			if asked && trace.GetConn != nil {
				trace.GetConn("dependency.test:80")
			}
			if got && trace.GotConn != nil {
				trace.GotConn(httptrace.GotConnInfo{})
			}
		}
		return then(tr)
	}
}

// Behaviour 74: "`Nothing was written.` [...] R: httptrace WroteHeaders/GotConn in
// the try's context tells if bytes left. B: classifies by error string; write error
// after 1 byte looks the same."
func TestA5_74_NothingWritten(t *testing.T) {
	attempts := func() firebreak.Policy { return timeout.New(time.Second) }
	for _, tt := range []struct {
		name string
		base step
		want int
	}{
		{"asked for a connection and got none: proved", connect(true, false, fail(errors.New("no connection"))), 3},
		{"and hung there until the timeout", connect(true, false, hang()), 3},
		{"got a connection: a byte may have left", connect(true, true, fail(errPeerReset)), 1},
		{"and hung there until the timeout", connect(true, true, hang()), 1},
		{"a dial that failed after a connection was had", connect(true, true, fail(errRefused)), 1},
		{"a base that does not tell", connect(false, false, fail(errPeerReset)), 1},
		{"and hangs", connect(false, false, hang()), 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				base := script(tt.base)
				req, _, _ := replayable(t, "POST", "order")
				_ = mustFail(t, firebreakhttp.Transport(base, firebreak.New("test", retrying(3, 0), attempts())), req)
				base.wantTries(t, tt.want)
			})
		})
	}
}

// Behaviour 78: "TLS/x509. CertificateVerificationError, UnknownAuthority, Hostname,
// RecordHeaderError/ErrSchemeMismatch: permanent. B: checks only `err.(*url.Error)`,
// but a RoundTripper never sees url.Error."
func TestA5_78_TLSIsPermanent(t *testing.T) {
	cert := &x509.Certificate{}
	for _, err := range []error{
		&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{Cert: cert}},
		x509.UnknownAuthorityError{Cert: cert},
		x509.HostnameError{Certificate: cert, Host: "dependency.test"},
		x509.CertificateInvalidError{Cert: cert, Reason: x509.Expired},
		tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"},
		http.ErrSchemeMismatch,
		&url.Error{Op: "Get", URL: "https://dependency.test", Err: x509.UnknownAuthorityError{Cert: cert}},
		fmt.Errorf("signing base: %w", x509.HostnameError{Certificate: cert, Host: "dependency.test"}),
	} {
		seen, base := &witness{}, script(connect(true, false, fail(err))) // a handshake fails before there is a connection
		got := mustFail(t, firebreakhttp.Transport(base, firebreak.New("test", retrying(3, 0), seen)), newRequest(t, "GET", nil))
		if n := len(base.tries()); n != 1 {
			t.Errorf("%T: sent %d times, want once", err, n)
		}
		if got != err { //nolint:errorlint // it comes back as it is
			t.Errorf("%T: error %v, want the base's own", err, got)
		}
		seen.want(t, firebreak.Failure)
	}
}

// Behaviour 79: "Bad request errors (unsupported scheme, invalid header, missing
// host): permanent; validate once. B: three tries and 2 s backoff for a typo in the
// URL." They say nothing of the dependency.
func TestA5_79_BadRequests(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*http.Request)
	}{
		{"unsupported scheme", func(r *http.Request) { r.URL.Scheme = "htp" }},
		{"no scheme", func(r *http.Request) { r.URL.Scheme = "" }},
		{"no host", func(r *http.Request) { r.URL.Host = "" }},
		{"a Host header instead of a host", func(r *http.Request) { r.URL.Host, r.Host = "", "dependency.test" }},
		{"invalid method", func(r *http.Request) { r.Method = "GE T" }},
		{"invalid header name", func(r *http.Request) { r.Header["X Y"] = []string{"v"} }},
		{"empty header name", func(r *http.Request) { r.Header[""] = []string{"v"} }},
		{"invalid header value", func(r *http.Request) { r.Header["X-Y"] = []string{"good", "a\nb"} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dials := 0
			tr := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
				dials++
				return nil, errRefused
			}}
			seen, calls := &witness{}, 0
			counting := roundTripper(func(req *http.Request) (*http.Response, error) {
				calls++
				return tr.RoundTrip(req)
			})
			req := newRequest(t, "GET", nil)
			tt.edit(req)
			err := mustFail(t, firebreakhttp.Transport(counting, firebreak.New("test", retrying(3, time.Hour), seen)), req)
			if calls != 1 || dials != 0 {
				t.Errorf("%d attempts and %d dials, want 1 and 0", calls, dials)
			}
			if errors.Is(err, errRefused) {
				t.Errorf("error %v, want what is wrong with the request", err)
			}
			seen.want(t, firebreak.Ignored)
		})
	}
	t.Run("nil", func(t *testing.T) {
		base := script(status(200))
		rt := firebreakhttp.Transport(base, firebreak.New("test"))
		_ = mustFail(t, rt, nil)
		body := newTracked("body")
		_ = mustFail(t, rt, &http.Request{Method: "PUT", Body: body})
		body.wantClosed(t, "the request body")
		base.wantTries(t, 0)
	})
	t.Run("nil Header", func(t *testing.T) {
		req := newRequest(t, "GET", nil)
		req.Header = nil
		mustSend(t, firebreakhttp.Transport(script(status(503), status(200)), firebreak.New("test", retrying(2, 0))), req, 200).Body.Close()
		if req.Header != nil {
			t.Errorf("the caller's header became %v", req.Header)
		}
	})
	t.Run("a scheme of the user's own is as good as any", func(t *testing.T) {
		seen := &witness{}
		req := newRequest(t, "GET", nil)
		req.URL.Scheme = "unix"
		_ = mustFail(t, firebreakhttp.Transport(script(fail(errPeerReset)), firebreak.New("test", retrying(3, 0), seen)), req)
		seen.want(t, firebreak.Failure, firebreak.Failure, firebreak.Failure)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// Behaviour 80: "Redirects are not ours. R: 3xx returned."
func TestA5_80_RedirectsAreNotOurs(t *testing.T) {
	for _, code := range []int{301, 302, 303, 307, 308} {
		seen, base := &witness{}, script(respond(code, newTracked(""), "Location", "http://evil.test/"))
		rt := firebreakhttp.Transport(base, firebreak.New("test", retrying(3, 0), seen))
		resp := mustSend(t, rt, newRequest(t, "GET", nil), code)
		resp.Body.Close()
		base.wantTries(t, 1)
		seen.want(t, firebreak.Success)

		asked := false
		client := &http.Client{Transport: rt, CheckRedirect: func(*http.Request, []*http.Request) error {
			asked = true
			return http.ErrUseLastResponse
		}}
		resp, err := client.Do(newRequest(t, "GET", nil))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if !asked {
			t.Errorf("status %d: CheckRedirect was not asked", code)
		}
	}
}

// Behaviour 81: "Cookies. Jar works above the wrapper; Set-Cookie of discarded tries
// is dropped. R: document; retried tries carry the same Cookie header."
func TestA5_81_Cookies(t *testing.T) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	base := script(
		respond(200, newTracked(""), "Set-Cookie", "session=1"),
		respond(503, newTracked(""), "Set-Cookie", "session=of-the-failure"), respond(200, newTracked(""), "Set-Cookie", "seen=2"),
		status(200))
	client := &http.Client{Jar: jar, Transport: firebreakhttp.Transport(base, firebreak.New("test", retrying(3, 0)))}
	for range 3 {
		resp, err := client.Do(newRequest(t, "GET", nil))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	want := []string{"", "session=1", "session=1", "session=1; seen=2"}
	base.wantTries(t, len(want))
	for i, tr := range base.tries() {
		if got := strings.Join(tr.req.Header["Cookie"], " and "); got != want[i] {
			t.Errorf("try %d: Cookie %q, want %q", i+1, got, want[i])
		}
	}
}

// Behaviour 82: "401/407 with auth refresh is the caller's RoundTripper, outside or
// inside retry; do not retry by status."
func TestA5_82_AuthIsTheCallers(t *testing.T) {
	for _, code := range []int{401, 407} {
		seen, base := &witness{}, script(status(code), status(200))
		rt := firebreakhttp.Transport(base, firebreak.New("test", retrying(3, 0), seen))
		mustSend(t, rt, newRequest(t, "GET", nil), code).Body.Close()
		base.wantTries(t, 1)
		seen.want(t, firebreak.Success)
	}
	t.Run("inside of retry", func(t *testing.T) {
		base := script(status(401), status(503), status(200))
		auth := roundTripper(func(req *http.Request) (*http.Response, error) {
			resp, err := base.RoundTrip(req)
			if err == nil && resp.StatusCode == 401 {
				resp.Body.Close()
				again := req.Clone(req.Context())
				again.Header.Set("Authorization", "fresh")
				return base.RoundTrip(again)
			}
			return resp, err
		})
		mustSend(t, firebreakhttp.Transport(auth, firebreak.New("test", retrying(3, 0))), newRequest(t, "GET", nil), 200).Body.Close()
		base.wantTries(t, 3)
	})
}

// Behaviour 83: "Broken body after headers is not retried silently: the caller may
// have consumed bytes."
func TestA5_83_BrokenBodyIsNotRetried(t *testing.T) {
	seen, base := &witness{}, script(respond(200, newBroken("half", io.ErrUnexpectedEOF)), status(200))
	resp := mustSend(t, firebreakhttp.Transport(base, firebreak.New("test", retrying(3, 0), seen)), newRequest(t, "GET", nil), 200)
	b, err := io.ReadAll(resp.Body)
	if string(b) != "half" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("body %q and %v, want %q and %v", b, err, "half", io.ErrUnexpectedEOF)
	}
	base.wantTries(t, 1)
	seen.want(t, firebreak.Failure)
}

// Behaviour 84: "Local refusals. Open/Full/limit errors of inner policies: default
// not retried, never spin."
func TestA5_84_LocalRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin, base := time.Now(), script(status(200))
		b := breaker.New(breaker.Config{})
		b.ForceOpen()
		slots := bulkhead.New(bulkhead.Config{MaxCalls: 1})
		rejections := 0
		cancel := firebreak.Subscribe(func(e firebreak.Event) {
			if e.Kind == firebreak.EventReject {
				rejections++
			}
		})
		defer cancel()

		open := firebreakhttp.Transport(base, firebreak.New("test", retrying(3, time.Second), b))
		if err := mustFail(t, open, newRequest(t, "GET", nil)); !errors.Is(err, breaker.ErrOpen) {
			t.Errorf("error %v, want one that is %v", err, breaker.ErrOpen)
		}
		full := firebreakhttp.Transport(base, firebreak.New("test", retrying(3, time.Second), slots))
		held := mustSend(t, full, newRequest(t, "GET", nil), 200)
		body := newTracked("body")
		if err := mustFail(t, full, newRequest(t, "PUT", body)); !errors.Is(err, bulkhead.ErrFull) {
			t.Errorf("error %v, want one that is %v", err, bulkhead.ErrFull)
		}
		body.wantClosed(t, "the request body")
		held.Body.Close()
		wantElapsed(t, begin, 0)
		base.wantTries(t, 1)
		synctest.Wait()
		if rejections != 2 {
			t.Errorf("%d rejections, want 2: one each", rejections)
		}
	})
	t.Run("of a transport further in", func(t *testing.T) {
		b := breaker.New(breaker.Config{})
		b.ForceOpen()
		inner := firebreakhttp.Transport(script(status(200)), firebreak.New("inner", b))
		calls, seen := 0, &witness{}
		counting := roundTripper(func(req *http.Request) (*http.Response, error) {
			calls++
			return inner.RoundTrip(req)
		})
		_ = mustFail(t, firebreakhttp.Transport(counting, firebreak.New("outer", retrying(3, 0), seen)), newRequest(t, "GET", nil))
		if calls != 1 {
			t.Errorf("%d attempts against an open breaker, want 1", calls)
		}
		seen.want(t, firebreak.Ignored)
	})
}

// Behaviour 85: "Content-negotiated partial (206), 304: final."
func TestA5_85_PartialAndNotModifiedAreFinal(t *testing.T) {
	for _, code := range []int{206, 304} {
		seen, base := &witness{}, script(status(code))
		mustSend(t, firebreakhttp.Transport(base, firebreak.New("test", retrying(3, 0), seen)), newRequest(t, "GET", nil), code).Body.Close()
		base.wantTries(t, 1)
		seen.want(t, firebreak.Success)
	}
}

// Behaviour 86: "CONNECT/Upgrade requests: one try."
func TestA5_86_TunnelsOneTry(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*http.Request)
	}{
		{"CONNECT", func(r *http.Request) { r.Method = "CONNECT" }},
		{"Upgrade", func(r *http.Request) { r.Header.Set("Upgrade", "websocket") }},
		{"Upgrade with a key", func(r *http.Request) {
			r.Header.Set("Upgrade", "websocket")
			r.Header.Set("Idempotency-Key", "key-1")
		}},
	} {
		for name, failure := range map[string]step{
			"503": respond(503, newTracked("")), "reset": fail(errPeerReset), "refused": fail(errRefused),
			"no connection": connect(true, false, fail(errors.New("no connection"))),
		} {
			req := newRequest(t, "GET", nil)
			tt.edit(req)
			if got := tries(t, req, failure); got != 1 {
				t.Errorf("%s after %s: sent %d times, want once", tt.name, name, got)
			}
		}
	}
	synctest.Test(t, func(t *testing.T) {
		base := script(connect(true, false, hang()))
		req := newRequest(t, "GET", nil)
		req.Header.Set("Upgrade", "websocket")
		_ = mustFail(t, firebreakhttp.Transport(base, firebreak.New("test", retrying(3, 0), timeout.New(time.Second))), req)
		base.wantTries(t, 1)
	})
}

// Behaviour 88: "Attempt header. If an attempt number is sent, set it on the copy;
// never on the caller's header."
func TestA5_88_AttemptHeader(t *testing.T) {
	base := script(status(503), status(503), status(200))
	req := newRequest(t, "GET", nil)
	req.Header.Set("X-Own", "value")
	mustSend(t, firebreakhttp.Transport(base, firebreak.New("test", retrying(3, 0))), req, 200).Body.Close()
	if len(req.Header) != 1 {
		t.Errorf("the caller's header became %v", req.Header)
	}
	for i, want := range [][]string{nil, {"2"}, {"3"}} {
		if got := base.tries()[i].req.Header[firebreakhttp.AttemptHeader]; !slices.Equal(got, want) {
			t.Errorf("try %d: %s is %q, want %q", i+1, firebreakhttp.AttemptHeader, got, want)
		}
	}
}
