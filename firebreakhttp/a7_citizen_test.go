package firebreakhttp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptrace"
	"net/textproto"
	"strconv"
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

// closer is a base that counts how often its idle connections are closed.
type closer struct {
	*scriptedBase
	closed int
}

func (c *closer) CloseIdleConnections() { c.closed++ }

// Behaviour 103: "CloseIdleConnections is forwarded (http.Client type-asserts it)."
// Behaviour 104: "and never called on failure: drops all hosts' connections."
func TestA7_103_104_CloseIdleConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := &closer{scriptedBase: script(fail(errPeerReset), status(503), fail(io.EOF), hang(),
			respond(200, newBroken("x", io.ErrUnexpectedEOF)))}
		rt := firebreakhttp.Transport(base, firebreak.New("test",
			retrying(2, 0), breaker.New(breaker.Config{ConsecutiveFailures: 3}), timeout.New(time.Second)))
		for range 10 {
			if resp, err := send(t, rt, newRequest(t, "GET", nil)); err == nil {
				_, _ = io.ReadAll(resp.Body)
			}
		}
		if base.closed != 0 {
			t.Errorf("idle connections were closed %d times by failures, want never", base.closed)
		}
		outer := firebreakhttp.Transport(rt, firebreak.New("outer"))
		(&http.Client{Transport: outer}).CloseIdleConnections()
		if base.closed != 1 {
			t.Errorf("idle connections were closed %d times by the caller, want once", base.closed)
		}
	})
	firebreakhttp.Transport(script(status(200)), firebreak.New("test")).CloseIdleConnections() // a base that has none
}

// conn is the body of a 101: a connection.
type conn struct {
	*tracked
	written   strings.Builder
	halfClose int
}

func (c *conn) Write(p []byte) (int, error) { return c.written.Write(p) }

func (c *conn) CloseWrite() error {
	c.halfClose++
	return nil
}

// upgrade answers with 101 and body.
func upgrade(body io.ReadCloser) step {
	return func(*try) (*http.Response, error) {
		resp := response(101, newTracked(""), "Upgrade", "echo")
		resp.Body, resp.ContentLength = body, -1
		return resp, nil
	}
}

// Behaviour 105: "101 body keeps io.Writer." Behaviour 106: "101 body keeps
// CloseWrite (Go 1.26 readWriteCloserBody, used by ReverseProxy for half-close)."
func TestA7_105_106_UpgradedBody(t *testing.T) {
	c := &conn{tracked: newTracked("hello")}
	base := script(upgrade(c), upgrade(struct {
		io.ReadCloser
		io.Writer
	}{newTracked("hello"), c}))
	rt := firebreakhttp.Transport(firebreakhttp.Transport(base, firebreak.New("inner")), firebreak.New("test", retrying(3, 0)))

	resp := mustSend(t, rt, newRequest(t, "GET", nil), 101)
	w, ok := resp.Body.(io.ReadWriteCloser)
	if !ok {
		t.Fatalf("body of a 101 is a %T, want an io.ReadWriteCloser", resp.Body)
	}
	if _, err := w.Write([]byte("ping")); err != nil || c.written.String() != "ping" {
		t.Errorf("wrote %q with %v, want %q", c.written.String(), err, "ping")
	}
	half, ok := resp.Body.(interface{ CloseWrite() error })
	if !ok {
		t.Fatalf("body of a 101 is a %T, want one with CloseWrite", resp.Body)
	}
	if err := half.CloseWrite(); err != nil || c.halfClose != 1 {
		t.Errorf("CloseWrite returned %v and closed %d times, want once", err, c.halfClose)
	}
	if got := content(t, resp.Body); got != "hello" { // reading goes on after the half close
		t.Errorf("read %q, want %q", got, "hello")
	}
	c.wantClosed(t, "the connection")

	resp = mustSend(t, rt, newRequest(t, "GET", nil), 101)
	if _, ok := resp.Body.(io.Writer); !ok {
		t.Errorf("body of a 101 is a %T, want an io.Writer", resp.Body)
	}
	if _, ok := resp.Body.(interface{ CloseWrite() error }); ok {
		t.Errorf("body of a 101 is a %T with CloseWrite, which the base's has not", resp.Body)
	}
	resp.Body.Close()
}

// Behaviour 107: "No phantom Writer on normal bodies."
func TestA7_107_NoPhantomWriter(t *testing.T) {
	rt := firebreakhttp.Transport(script(status(200)), firebreak.New("test"))
	resp := mustSend(t, rt, newRequest(t, "GET", nil), 200)
	defer resp.Body.Close()
	for name, has := range map[string]func(any) bool{
		"io.Writer":     func(b any) bool { _, ok := b.(io.Writer); return ok },
		"io.WriterTo":   func(b any) bool { _, ok := b.(io.WriterTo); return ok },
		"io.ReaderFrom": func(b any) bool { _, ok := b.(io.ReaderFrom); return ok },
		"CloseWrite":    func(b any) bool { _, ok := b.(interface{ CloseWrite() error }); return ok },
	} {
		if has(resp.Body) {
			t.Errorf("body of a 200 is a %T, which has %s, and the base's has not", resp.Body, name)
		}
	}
}

// Behaviour 108: "Timeouts stop at 101; slot held until the upgraded body is
// closed." After 101 net/http does not heed the context any more; what a body of
// another base does with it is its own.
func TestA7_108_TimeoutsStopAt101(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen, slots := &witness{}, bulkhead.New(bulkhead.Config{MaxCalls: 1})
		r, w := io.Pipe()
		base := script(upgrade(struct {
			io.ReadCloser
			io.Writer
		}{r, w}), status(200))
		rt := firebreakhttp.Transport(base, firebreak.New("test",
			timeout.New(10*time.Second), retrying(2, 0), seen, slots, timeout.New(time.Second)))
		resp := mustSend(t, rt, newRequest(t, "GET", nil), 101)
		time.AfterFunc(time.Hour, func() { _, _ = w.Write([]byte("still here")) })
		b := make([]byte, 100)
		n, err := resp.Body.Read(b)
		if string(b[:n]) != "still here" || err != nil {
			t.Errorf("read %q and %v an hour after 101, want %q", b[:n], err, "still here")
		}
		if err := mustFail(t, rt, newRequest(t, "GET", nil)); !errors.Is(err, bulkhead.ErrFull) {
			t.Errorf("error %v, want the slot to be held: %v", err, bulkhead.ErrFull)
		}
		resp.Body.Close()
		seen.want(t, firebreak.Ignored, firebreak.Success)
		mustSend(t, rt, newRequest(t, "GET", nil), 200).Body.Close()
	})
	t.Run("a connection that breaks after the timeout is no timeout", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			seen := &witness{}
			broken := track(-1, func(*tracked) io.Reader {
				return readerFunc(func([]byte) (int, error) {
					time.Sleep(time.Minute)
					return 0, errPeerReset
				})
			})
			rt := firebreakhttp.Transport(script(upgrade(broken)), firebreak.New("test", seen, timeout.New(time.Second)))
			resp := mustSend(t, rt, newRequest(t, "GET", nil), 101)
			if _, err := io.ReadAll(resp.Body); !errors.Is(err, errPeerReset) {
				t.Errorf("error %v, want %v", err, errPeerReset)
			}
			seen.want(t, firebreak.Failure)
		})
	})
}

// Behaviour 109: "1xx: Got1xxResponse fires through the wrapper; never treated as
// the response."
func TestA7_109_Informational(t *testing.T) {
	hints := func(final step) step {
		return func(tr *try) (*http.Response, error) {
			trace := httptrace.ContextClientTrace(tr.ctx)
			if err := trace.Got1xxResponse(103, textproto.MIMEHeader{"Link": {"</style.css>"}}); err != nil {
				return nil, err
			}
			return final(tr)
		}
	}
	for _, method := range []string{"GET", "PUT"} {
		var got []int
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
				got = append(got, code)
				return nil
			},
		})
		rt := firebreakhttp.Transport(script(hints(status(503)), hints(status(200))), firebreak.New("test", retrying(3, 0)))
		mustSend(t, rt, newRequest(t, method, nil).WithContext(ctx), 200).Body.Close()
		if fmt.Sprint(got) != "[103 103]" {
			t.Errorf("%s: Got1xxResponse was called with %v, want 103 of each attempt", method, got)
		}
	}
}

// Behaviour 110: "Response trailers appear after EOF: return the same *http.Response
// with Body replaced, never a copy made before EOF." Behaviour 111: "resp.Request
// stays what Transport set; resp.Uncompressed, TLS, ContentLength untouched."
func TestA7_110_111_SameResponse(t *testing.T) {
	var made *http.Response
	base := script(func(*try) (*http.Response, error) {
		body := newTracked("")
		body.r = io.MultiReader(strings.NewReader("content"), readerFunc(func([]byte) (int, error) {
			made.Trailer.Set("Checksum", "42") // as net/http does at EOF
			return 0, io.EOF
		}))
		made = response(200, body, "X-Own", "value")
		made.Trailer, made.ContentLength, made.Uncompressed = http.Header{"Checksum": nil}, 7, true
		return made, nil
	})
	rt := firebreakhttp.Transport(base, firebreak.New("test", retrying(3, 0), timeout.New(time.Minute)))
	resp := mustSend(t, rt, newRequest(t, "GET", nil), 200)
	if resp != made {
		t.Errorf("response %p, want the base's own: %p", resp, made)
	}
	if resp.Request != base.tries()[0].req {
		t.Errorf("Request %p, want what the base set: %p", resp.Request, base.tries()[0].req)
	}
	if resp.ContentLength != 7 || !resp.Uncompressed {
		t.Errorf("ContentLength %d and Uncompressed %v, want 7 and true", resp.ContentLength, resp.Uncompressed)
	}
	_ = content(t, resp.Body)
	if got := resp.Trailer.Get("Checksum"); got != "42" {
		t.Errorf("trailer %q after EOF, want %q", got, "42")
	}
}

// Behaviour 112: "nil base = http.DefaultTransport at call time; typed-nil is a
// config error."
func TestA7_112_NilBase(t *testing.T) {
	rt := firebreakhttp.Transport(nil, firebreak.New("test"))
	usual := http.DefaultTransport
	defer func() { http.DefaultTransport = usual }()
	base := &closer{scriptedBase: script(status(204))}
	http.DefaultTransport = base // after the Transport was made
	mustSend(t, rt, newRequest(t, "GET", nil), 204).Body.Close()
	base.wantTries(t, 1)
	rt.CloseIdleConnections()
	if base.closed != 1 {
		t.Errorf("idle connections were closed %d times, want once", base.closed)
	}

	stack := firebreak.New("test")
	for _, tt := range []struct {
		name string
		make func()
		want []string
	}{
		{"nil pointer", func() { firebreakhttp.Transport((*http.Transport)(nil), stack) }, []string{"base is a nil *http.Transport"}},
		{"nil function", func() { firebreakhttp.Transport(roundTripper(nil), stack) }, []string{"base is a nil firebreakhttp_test.roundTripper"}},
		{"all at once", func() { firebreakhttp.Transport((*http.Transport)(nil), nil, nil) }, []string{"stack is nil", "base is a nil", "option 1 is nil"}},
		{"status", func() { firebreakhttp.RetryStatuses(503, 200)(new(firebreakhttp.RoundTripper)) }, []string{"status is 200, want 400 to 599"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				text := fmt.Sprint(recover())
				for _, want := range tt.want {
					if !strings.Contains(text, want) {
						t.Errorf("panic %q, want one with %q", text, want)
					}
				}
			}()
			tt.make()
			t.Error("no panic")
		})
	}
}

// Behaviour 113: "Empty policy list = base itself", but for the timeout that every
// call has.
func TestA7_113_NoPolicies(t *testing.T) {
	for _, policies := range [][]firebreak.Policy{nil, {timeout.Unbounded("as without firebreak")}} {
		var made *http.Response
		base := script(func(tr *try) (*http.Response, error) {
			made = response(503, newTracked("busy"), "X-Own", "value")
			return made, nil
		}, fail(errPeerReset))
		rt := firebreakhttp.Transport(base, firebreak.New("test", policies...))
		req, body, copied := replayable(t, "PUT", "content")
		resp := mustSend(t, rt, req, 503)
		tr := base.tries()[0]
		if tr.req.Body != io.ReadCloser(body) || tr.req.ContentLength != 7 || tr.req.URL != req.URL || tr.req.Host != req.Host || len(tr.req.Header) != 0 {
			t.Errorf("the base got %+v, want the caller's request", tr.req)
		}
		if resp != made || content(t, resp.Body) != "busy" {
			t.Errorf("response %p, want the base's own: %p", resp, made)
		}
		if _, ok := tr.ctx.Deadline(); ok != (policies == nil) {
			t.Errorf("policies %v: the attempt has a deadline: %v, want %v", policies, ok, policies == nil)
		}
		if err := mustFail(t, rt, req); err != error(errPeerReset) { //nolint:errorlint // it comes back as it is
			t.Errorf("error %v, want the base's own", err)
		}
		base.wantTries(t, 2)
		if len(copied.made) != 0 {
			t.Errorf("GetBody was called %d times, want never", len(copied.made))
		}
	}
}

// Behaviour 114: "Same wrapper used concurrently, Cookie jars, 64 goroutines:
// race-free."
func TestA7_114_Concurrent(t *testing.T) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	base := roundTripper(func(req *http.Request) (*http.Response, error) {
		req.Header.Set("X-Signed", "by the base")
		sent, _ := io.ReadAll(req.Body)
		req.Body.Close()
		var resp *http.Response
		switch {
		case req.Header.Get(firebreakhttp.AttemptHeader) == "" && strings.HasSuffix(string(sent), "1"):
			resp = response(503, newTracked("busy"), "Set-Cookie", "failed=1")
		case req.Header.Get(firebreakhttp.AttemptHeader) == "" && strings.HasSuffix(string(sent), "2"):
			return nil, errPeerReset
		default:
			resp = response(200, newTracked(string(sent)), "Set-Cookie", "session="+string(sent))
		}
		resp.Request = req
		return resp, nil
	})
	slots := bulkhead.New(bulkhead.Config{MaxCalls: 64})
	client := &http.Client{Jar: jar, Timeout: time.Minute, Transport: firebreakhttp.Transport(base, firebreak.New("test",
		timeout.New(time.Minute), retrying(3, time.Microsecond), breaker.New(breaker.Config{ConsecutiveFailures: 10000, FailureRatio: 1}), slots,
		timeout.New(time.Second)))}
	var wg sync.WaitGroup
	for g := range 64 {
		wg.Go(func() {
			for i := range 20 {
				body := fmt.Sprintf("%d.%d", g, i)
				req, err := http.NewRequestWithContext(t.Context(), "PUT", "http://dependency.test/", strings.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				resp, err := client.Do(req)
				if err != nil {
					t.Errorf("%s: %v", body, err)
					continue
				}
				if got, err := io.ReadAll(resp.Body); string(got) != body || err != nil {
					t.Errorf("body %q and %v, want %q", got, err, body)
				}
				resp.Body.Close()
			}
		})
	}
	wg.Wait()
	slots.Report(func(s firebreak.Status) {
		if s.InFlight != 0 {
			t.Errorf("%d slots are taken, want none", s.InFlight)
		}
	})
}

// Behaviour 232: "Data races under -race in every case: failsafe: Timeout around the
// default HTTP retry races on execution.lastResult. B: torn result under load." All
// policies at once, with answers that come about when the timeouts end.
func TestA12_232_NoRaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var bodies sync.Map
		base := roundTripper(func(req *http.Request) (*http.Response, error) {
			n, _ := strconv.Atoi(req.URL.RawQuery)
			attempt, _ := strconv.Atoi(req.Header.Get(firebreakhttp.AttemptHeader))
			time.Sleep(time.Duration((n*7+attempt*3)%11) * time.Second) // deaf to its context
			switch (n + attempt) % 4 {
			case 0:
				return nil, errPeerReset
			case 1:
				req.Header.Set("X-Signed", "by the base")
			}
			body := newTracked("content")
			bodies.Store(body, nil)
			resp := response([]int{200, 503}[n%2], body)
			resp.Request = req
			return resp, nil
		})
		slots := bulkhead.New(bulkhead.Config{MaxCalls: 16, MaxQueue: 16, MaxWait: 3 * time.Second})
		rt := firebreakhttp.Transport(base, firebreak.New("test", timeout.New(20*time.Second), retrying(3, time.Second),
			breaker.New(breaker.Config{ConsecutiveFailures: 20, OpenFor: time.Second}), slots, timeout.New(5*time.Second)))
		client := &http.Client{Transport: rt, Timeout: 15 * time.Second}
		var wg sync.WaitGroup
		answers, failures := 0, 0
		var mu sync.Mutex
		for n := range 256 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(n%30+1)*time.Second)
				defer cancel()
				req := newRequest(t, "GET", nil).WithContext(ctx)
				req.URL.RawQuery = strconv.Itoa(n)
				time.Sleep(time.Duration(n%16) * time.Second)
				resp, err := client.Do(req)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					failures++
					return
				}
				answers++
				if got, err := io.ReadAll(resp.Body); string(got) != "content" || err != nil {
					t.Errorf("body %q and %v, want all of it", got, err)
				}
				resp.Body.Close()
			})
		}
		wg.Wait()
		if answers == 0 || failures == 0 {
			t.Errorf("%d answers and %d failures, want some of both", answers, failures)
		}
		bodies.Range(func(body, _ any) bool {
			body.(*tracked).wantClosed(t, "a body")
			return true
		})
		slots.Report(func(s firebreak.Status) {
			if s.InFlight != 0 || s.Waiting != 0 {
				t.Errorf("%d slots are taken and %d wait, want none", s.InFlight, s.Waiting)
			}
		})
	})
}

// noting is a policy that notes its name when a result ends.
type noting struct {
	name string
	log  *[]string
}

func (n *noting) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	result, err := next(ctx, c)
	c.OnDone(result, err, func(firebreak.Outcome) { *n.log = append(*n.log, n.name) })
	return result, err
}

// Behaviour 115: "Nested wrappers: closing the outermost body runs every layer once;
// order inner to outer."
func TestA7_115_NestedWrappers(t *testing.T) {
	for name, end := range map[string]func(*http.Response){
		"EOF and Close": func(resp *http.Response) {
			_, _ = io.ReadAll(resp.Body)
			resp.Body.Close()
		},
		"Close, twice": func(resp *http.Response) {
			resp.Body.Close()
			resp.Body.Close()
		},
	} {
		var log []string
		body := newTracked("content")
		inner := firebreakhttp.Transport(script(respond(200, body)), firebreak.New("inner", &noting{"2", &log}, &noting{"1", &log}))
		outer := firebreakhttp.Transport(inner, firebreak.New("outer", &noting{"4", &log}, &noting{"3", &log}))
		resp := mustSend(t, outer, newRequest(t, "GET", nil), 200)
		if len(log) != 0 {
			t.Errorf("%s: %v ended before the body", name, log)
		}
		end(resp)
		if got := strings.Join(log, " "); got != "1 2 3 4" {
			t.Errorf("%s: ended in the order %s, want 1 2 3 4", name, got)
		}
		body.wantClosed(t, "the body")
	}
}

// Behaviour 116: "Body Read after EOF/Close still returns what the inner body
// returns (EOF, errReadOnClosedResBody)."
func TestA7_116_ReadAfterEnd(t *testing.T) {
	const raw = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\ncontent"
	base := roundTripper(func(req *http.Request) (*http.Response, error) {
		return http.ReadResponse(bufio.NewReader(strings.NewReader(raw)), req)
	})
	seen := &witness{}
	rt := firebreakhttp.Transport(base, firebreak.New("test", retrying(3, 0), seen, timeout.New(time.Minute)))
	b := make([]byte, 100)

	resp := mustSend(t, rt, newRequest(t, "GET", nil), 200)
	_, _ = io.ReadAll(resp.Body)
	for range 3 {
		if n, err := resp.Body.Read(b); n != 0 || err != io.EOF {
			t.Errorf("Read after EOF: %d, %v, want 0, %v", n, err, io.EOF)
		}
	}
	resp.Body.Close()

	resp = mustSend(t, rt, newRequest(t, "GET", nil), 200)
	resp.Body.Close()
	if n, err := resp.Body.Read(b); n != 0 || !errors.Is(err, http.ErrBodyReadAfterClose) {
		t.Errorf("Read after Close: %d, %v, want 0, %v", n, err, http.ErrBodyReadAfterClose)
	}
	seen.want(t, firebreak.Success, firebreak.Success)
}
