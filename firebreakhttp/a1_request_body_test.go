package firebreakhttp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakhttp"
	"github.com/firebreak-go/firebreak/timeout"
)

// newRT returns a RoundTripper of policies over base.
func newRT(base http.RoundTripper, policies ...firebreak.Policy) *firebreakhttp.RoundTripper {
	return firebreakhttp.Transport(base, firebreak.New("test", policies...))
}

// errReset is a failure of the network after which an idempotent call is repeated.
var errReset = &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}

// R: "each later try sends a fresh GetBody() copy, same ContentLength."
func TestA1_01_ReplayThroughGetBody(t *testing.T) {
	for name, first := range map[string]step{"status": status(503), "error": fail(errReset)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				base := script(first, first, status(200))
				req, _, copied := replayable(t, "PUT", "content")
				resp := mustSend(t, newRT(base, retrying(3, time.Second)), req, 200)
				resp.Body.Close()
				base.wantTries(t, 3)
				for i, tr := range base.tries() {
					if tr.sent != "content" || tr.req.ContentLength != 7 {
						t.Errorf("try %d sent %q with ContentLength %d, want %q with 7", i+1, tr.sent, tr.req.ContentLength, "content")
					}
				}
				if got := len(copied.made); got != 2 {
					t.Errorf("GetBody was called %d times, want 2", got)
				}
			})
		})
	}
}

// R: "one try; on failure return the response/error as is."
func TestA1_02_OneShotBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := script(status(503))
		resp := mustSend(t, newRT(base, retrying(3, time.Second)), newRequest(t, "PUT", newTracked("content")), 503)
		if got, want := content(t, resp.Body), "Service Unavailable"; got != want {
			t.Errorf("body is %q, want %q", got, want)
		}
		base.wantTries(t, 1)
		if got := base.tries()[0].sent; got != "content" {
			t.Errorf("the try sent %q, want %q", got, "content")
		}
	})
	synctest.Test(t, func(t *testing.T) {
		base := script(fail(errReset))
		_, err := send(t, newRT(base, retrying(3, time.Second)), newRequest(t, "PUT", newTracked("content")))
		if err != error(errReset) { //nolint:errorlint // the base's own error comes back as it is
			t.Errorf("error is %v (%T), want the base's own", err, err)
		}
		base.wantTries(t, 1)
	})
}

// R: "bytes flow at once." A body that is read before the first try would never
// get its second half here, and the test would deadlock.
func TestA1_03_NoSlurping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		seen := make(chan struct{})
		base := script(func(tr *try) (*http.Response, error) {
			tr.readBody(5)
			close(seen)
			return status(200)(tr)
		})
		go func() {
			_, _ = io.WriteString(w, "first")
			<-seen
			_, _ = io.WriteString(w, "second")
			w.Close()
		}()
		policies := []firebreak.Policy{timeout.New(time.Minute), retrying(3, time.Second), breaker.New(breaker.Config{}), bulkhead.New(bulkhead.Config{})}
		resp := mustSend(t, newRT(base, policies...), newRequest(t, "PUT", r), 200)
		resp.Body.Close()
		if got, want := base.tries()[0].sent, "firstsecond"; got != want {
			t.Errorf("the try sent %q, want %q", got, want)
		}
	})
}

// R: "O(1) memory unless buffering was asked for with a limit."
func TestA1_04_MemoryBound(t *testing.T) {
	const size = 64 << 20
	var read int64
	base := script(func(tr *try) (*http.Response, error) {
		buf := make([]byte, 4<<10)
		for {
			n, err := tr.req.Body.Read(buf)
			read += int64(n)
			if err != nil {
				break
			}
		}
		return response(503, newTracked("")), nil
	})
	body := track(size, func(*tracked) io.Reader {
		return io.LimitReader(readerFunc(func(p []byte) (int, error) { return len(p), nil }), size)
	})
	rt := newRT(base, retrying(3, time.Nanosecond), breaker.New(breaker.Config{}))
	req := newRequest(t, "PUT", body)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	resp := mustSend(t, rt, req, 503)
	resp.Body.Close()
	runtime.ReadMemStats(&after)
	if read != size {
		t.Errorf("the base read %d bytes, want %d", read, size)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 128<<10 {
		t.Errorf("a call that uploads %d bytes allocated %d bytes, want at most 128 KiB", size, got)
	}
}

// R: "pass them through unwrapped, ContentLength 0."
func TestA1_05_NilAndNoBodyStaySo(t *testing.T) {
	for name, body := range map[string]io.ReadCloser{"nil": nil, "NoBody": http.NoBody} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				base := script(status(503), status(200))
				req := newRequest(t, "PUT", body)
				req.GetBody = func() (io.ReadCloser, error) { return http.NoBody, nil }
				mustSend(t, newRT(base, retrying(3, time.Second), breaker.New(breaker.Config{})), req, 200).Body.Close()
				base.wantTries(t, 2)
				for i, tr := range base.tries() {
					if tr.req.Body != body || tr.req.ContentLength != 0 {
						t.Errorf("try %d has body %v and ContentLength %d, want %v and 0", i+1, tr.req.Body, tr.req.ContentLength, body)
					}
				}
			})
		})
	}
}

// R: "stays -1 on all tries."
func TestA1_06_UnknownLength(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := script(status(503), status(200))
		req, _, _ := replayable(t, "PUT", "content")
		req.ContentLength = -1
		mustSend(t, newRT(base, retrying(3, time.Second)), req, 200).Body.Close()
		base.wantTries(t, 2)
		for i, tr := range base.tries() {
			if tr.sent != "content" || tr.req.ContentLength != -1 {
				t.Errorf("try %d sent %q with ContentLength %d, want %q with -1", i+1, tr.sent, tr.req.ContentLength, "content")
			}
		}
	})
}

// seeker is a body that can be rewound, which nobody may do.
type seeker struct {
	*tracked
	seeks int
}

func (s *seeker) Seek(int64, int) (int64, error) {
	s.seeks++
	return 0, errors.New("seek after close")
}

// R: "sent from 6; a file is one-shot (Transport closes it) unless GetBody is set."
func TestA1_07_Seekers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "upload")
	if err := os.WriteFile(path, []byte("headercontent"), 0o600); err != nil {
		t.Fatal(err)
	}
	open := func() (io.ReadCloser, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		_, err = f.Seek(6, io.SeekStart)
		return f, err
	}
	for _, replayed := range []bool{false, true} {
		t.Run(fmt.Sprintf("GetBody=%t", replayed), func(t *testing.T) {
			base := script(status(503), status(200))
			file, err := open()
			if err != nil {
				t.Fatal(err)
			}
			req := newRequest(t, "PUT", file)
			req.ContentLength = 7
			want, wantTries := 503, 1
			if replayed {
				req.GetBody = open
				want, wantTries = 200, 2
			}
			mustSend(t, newRT(base, retrying(3, time.Nanosecond)), req, want).Body.Close()
			base.wantTries(t, wantTries)
			for i, tr := range base.tries() {
				if tr.sent != "content" || tr.req.ContentLength != 7 {
					t.Errorf("try %d sent %q with ContentLength %d, want %q with 7", i+1, tr.sent, tr.req.ContentLength, "content")
				}
			}
			if _, err := file.Read(make([]byte, 1)); !errors.Is(err, os.ErrClosed) {
				t.Errorf("reading the file afterwards gives %v, want %v", err, os.ErrClosed)
			}
		})
	}
	t.Run("Seek is not called", func(t *testing.T) {
		base := script(status(503))
		body := &seeker{tracked: newTracked("content")}
		mustSend(t, newRT(base, retrying(3, time.Nanosecond)), newRequest(t, "PUT", body), 503).Body.Close()
		base.wantTries(t, 1)
		if body.seeks != 0 {
			t.Errorf("the body was rewound %d times, want never", body.seeks)
		}
		body.wantClosed(t, "the body")
	})
}

// R: "treat as one-shot; do not look inside the type." The race detector finds a
// second reader.
func TestA1_08_BufferWithoutGetBody(t *testing.T) {
	for name, body := range map[string]io.Reader{
		"bytes.Buffer": bytes.NewBufferString("content"), "bytes.Reader": bytes.NewReader([]byte("content")), "strings.Reader": strings.NewReader("content"),
	} {
		t.Run(name, func(t *testing.T) {
			read := make(chan string, 1)
			base := script(func(tr *try) (*http.Response, error) {
				tr.keepsBody = true
				go func() {
					defer tr.req.Body.Close()
					b, _ := io.ReadAll(tr.req.Body)
					read <- string(b)
				}()
				return response(503, newTracked("")), nil
			})
			mustSend(t, newRT(base, retrying(3, time.Nanosecond)), newRequest(t, "PUT", io.NopCloser(body)), 503).Body.Close()
			if got := <-read; got != "content" {
				t.Errorf("the base read %q, want %q", got, "content")
			}
			base.wantTries(t, 1)
		})
	}
}

// R: "Body, Header, ContentLength, URL, context of the caller's request are the
// same after the call."
func TestA1_09_NeverModifiesTheRequest(t *testing.T) {
	type key struct{}
	full := bulkhead.New(bulkhead.Config{MaxCalls: 1})
	if _, err := full.Allow(t.Context(), firebreak.Call{}); err != nil {
		t.Fatal(err)
	}
	for name, policies := range map[string][]firebreak.Policy{
		"none":     nil,
		"timeout":  {timeout.New(time.Minute)},
		"retry":    {retrying(3, time.Nanosecond)},
		"rejected": {full},
		"all":      {timeout.New(time.Minute), retrying(3, time.Nanosecond), breaker.New(breaker.Config{}), bulkhead.New(bulkhead.Config{}), timeout.New(time.Second)},
	} {
		t.Run(name, func(t *testing.T) {
			base := script(func(tr *try) (*http.Response, error) {
				tr.req.Header.Set("X-Sign", "signed")
				return status(503)(tr)
			})
			req, _, _ := replayable(t, "PUT", "content")
			req = req.WithContext(context.WithValue(req.Context(), key{}, "value"))
			req.Header.Set("X-Callers", "value")
			req.Trailer = http.Header{"X-Sum": nil}
			before, header, target := *req, req.Header.Clone(), *req.URL
			resp, err := send(t, newRT(base, policies...), req)
			if err == nil {
				resp.Body.Close()
			}
			if req.Body != before.Body || req.ContentLength != before.ContentLength || req.GetBody == nil ||
				req.URL != before.URL || req.Context() != before.Context() || req.Method != before.Method {
				t.Errorf("the request is %+v after the call, want %+v", *req, before)
			}
			if diff := cmp.Diff(header, req.Header); diff != "" {
				t.Errorf("the header was changed (-before +after):\n%s", diff)
			}
			if diff := cmp.Diff(http.Header{"X-Sum": nil}, req.Trailer); diff != "" {
				t.Errorf("the trailer was changed (-before +after):\n%s", diff)
			}
			if *req.URL != target {
				t.Errorf("the URL is %v after the call, want %v", req.URL, &target)
			}
		})
	}
}

// R: "next try starts from the caller's header."
func TestA1_10_HeaderIsolation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []http.Header
		sign := func(s step) step {
			return func(tr *try) (*http.Response, error) {
				seen = append(seen, tr.req.Header.Clone())
				tr.req.Header.Add("X-Sign", "signed")
				tr.req.Header["X-Callers"][0] = "changed in place"
				return s(tr)
			}
		}
		base := script(sign(status(503)), sign(fail(errReset)), sign(status(200)))
		req := newRequest(t, "GET", nil)
		req.Header.Set("X-Callers", "value")
		mustSend(t, newRT(base, retrying(3, time.Second)), req, 200).Body.Close()
		want := []http.Header{
			{"X-Callers": {"value"}},
			{"X-Callers": {"value"}, firebreakhttp.AttemptHeader: {"2"}},
			{"X-Callers": {"value"}, firebreakhttp.AttemptHeader: {"3"}},
		}
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Errorf("headers of the tries (-want +got):\n%s", diff)
		}
	})
}

// trailing is a body that sets a trailer when it comes to its end.
type trailing struct {
	io.Reader
	trailer http.Header
	sum     string
}

func (b *trailing) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		b.trailer.Set("X-Sum", b.sum)
	}
	return n, err
}

func (b *trailing) Close() error { return nil }

// R: "shallow copy shares the Trailer map."
func TestA1_11_RequestTrailers(t *testing.T) {
	var sums []string
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		sums = append(sums, r.Trailer.Get("X-Sum"))
		if len(sums) == 1 {
			w.WriteHeader(503)
		}
	})
	trailer := http.Header{"X-Sum": nil}
	req := requestTo(t, "PUT", server, &trailing{strings.NewReader("content"), trailer, "of the first"})
	req.Trailer = trailer
	req.ContentLength = -1
	req.GetBody = func() (io.ReadCloser, error) {
		return &trailing{strings.NewReader("content"), trailer, "of the copy"}, nil
	}
	mustSend(t, newRT(newBase(t), retrying(2, time.Nanosecond), breaker.New(breaker.Config{})), req, 200).Body.Close()
	if want := []string{"of the first", "of the copy"}; !slices.Equal(sums, want) {
		t.Errorf("the server got the trailers %q, want %q", sums, want)
	}
}

// R: "original Body closed by the time the call ends."
func TestA1_12_BodyClosedAlways(t *testing.T) {
	full := bulkhead.New(bulkhead.Config{MaxCalls: 1})
	if _, err := full.Allow(t.Context(), firebreak.Call{}); err != nil {
		t.Fatal(err)
	}
	open := breaker.New(breaker.Config{})
	open.ForceOpen()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		base    *scriptedBase
		policy  firebreak.Policy
		change  func(*http.Request) *http.Request
		wantErr error
		tries   int
	}{
		"success":              {base: script(status(200)), tries: 1},
		"status":               {base: script(status(503)), tries: 1},
		"error":                {base: script(fail(errReset)), wantErr: errReset, tries: 1},
		"rejected by breaker":  {base: script(status(200)), policy: open, wantErr: breaker.ErrOpen},
		"rejected by bulkhead": {base: script(status(200)), policy: full, wantErr: bulkhead.ErrFull},
		"context done": {
			base: script(status(200)), wantErr: context.Canceled,
			change: func(req *http.Request) *http.Request { return req.WithContext(over) },
		},
		"no URL": {
			base: script(status(200)), wantErr: errAny,
			change: func(req *http.Request) *http.Request { req.URL = nil; return req },
		},
	} {
		t.Run(name, func(t *testing.T) {
			policies := []firebreak.Policy{retrying(3, time.Nanosecond)}
			if c.policy != nil {
				policies = append(policies, c.policy)
			}
			body := newTracked("content")
			req := newRequest(t, "PUT", body)
			if c.change != nil {
				req = c.change(req)
			}
			resp, err := send(t, newRT(c.base, policies...), req)
			if err == nil {
				resp.Body.Close()
			}
			if !errors.Is(err, c.wantErr) && (c.wantErr != errAny || err == nil) { //nolint:errorlint // errAny stands for any error
				t.Errorf("error is %v, want %v", err, c.wantErr)
			}
			c.base.wantTries(t, c.tries)
			body.wantClosed(t, "the request body")
		})
	}
	t.Run("panic", func(t *testing.T) {
		base := script(func(tr *try) (*http.Response, error) {
			tr.keepsBody = true
			panic("in the base")
		})
		body := newTracked("content")
		func() {
			defer func() {
				if got := recover(); got != "in the base" {
					t.Errorf("RoundTrip panicked with %v, want %q", got, "in the base")
				}
			}()
			_, _ = newRT(base, retrying(3, time.Nanosecond)).RoundTrip(newRequest(t, "PUT", body))
		}()
		body.wantClosed(t, "the request body")
	})
}

// errAny stands for any error.
var errAny = errors.New("any error")

// R: "a once-guard in front of the original."
func TestA1_13_ClosedExactlyOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		twice := func(s step) step {
			return func(tr *try) (*http.Response, error) {
				defer tr.req.Body.Close()
				return s(tr)
			}
		}
		base := script(twice(status(503)), twice(status(200)))
		req, first, copied := replayable(t, "PUT", "content")
		mustSend(t, newRT(base, retrying(3, time.Second)), req, 200).Body.Close()
		base.wantTries(t, 2)
		first.wantClosed(t, "the original")
		copied.made[0].wantClosed(t, "the copy")
	})
}

// R: "every GetBody copy handed out or not is closed, also when the wait is
// cancelled after the copy was made."
func TestA1_14_CopiesClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := script(status(503))
		req, first, copied := replayable(t, "PUT", "content")
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(15*time.Second, cancel) // in the middle of the second wait
		_, err := send(t, newRT(base, retrying(3, 10*time.Second)), req.WithContext(ctx))
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error is %v, want %v", err, context.Canceled)
		}
		base.wantTries(t, 2)
		if got := len(copied.made); got != 2 {
			t.Fatalf("%d copies were made, want 2", got)
		}
		first.wantClosed(t, "the original")
		copied.made[0].wantClosed(t, "the copy that was sent")
		copied.made[1].wantClosed(t, "the copy that was not sent")
	})
}

// R: "return what is in hand (503 or error), exactly one of response/error; no try
// with a nil body."
func TestA1_15_GetBodyFails(t *testing.T) {
	for name, getBody := range map[string]func() (io.ReadCloser, error){
		"error":   func() (io.ReadCloser, error) { return nil, errors.New("no copy") },
		"neither": func() (io.ReadCloser, error) { return nil, nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				base := script(status(503))
				req, first, _ := replayable(t, "PUT", "content")
				req.GetBody = getBody
				resp := mustSend(t, newRT(base, retrying(3, time.Second)), req, 503)
				if got, want := content(t, resp.Body), "Service Unavailable"; got != want {
					t.Errorf("body is %q, want %q", got, want)
				}
				base.wantTries(t, 1)
				first.wantClosed(t, "the original")
			})
			synctest.Test(t, func(t *testing.T) {
				base := script(fail(errReset))
				req, _, _ := replayable(t, "PUT", "content")
				req.GetBody = getBody
				if _, err := send(t, newRT(base, retrying(3, time.Second)), req); err != error(errReset) { //nolint:errorlint // the base's own error comes back as it is
					t.Errorf("error is %v, want %v", err, errReset)
				}
				base.wantTries(t, 1)
			})
		})
	}
}

// R: "replay from byte 0 if idempotent."
func TestA1_16_PartialUpload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := script(func(tr *try) (*http.Response, error) {
			tr.readBody(3)
			return nil, &net.OpError{Op: "write", Net: "tcp", Err: syscall.EPIPE}
		}, status(200))
		req, _, _ := replayable(t, "PUT", "content")
		mustSend(t, newRT(base, retrying(3, time.Second)), req, 200).Body.Close()
		base.wantTries(t, 2)
		if got := base.tries(); got[0].sent != "con" || got[1].sent != "content" {
			t.Errorf("the tries sent %q and %q, want %q and %q", got[0].sent, got[1].sent, "con", "content")
		}
	})
	t.Run("reset by a server", func(t *testing.T) {
		const size = 4 << 20
		var tries atomic.Int32
		var got atomic.Int64
		server := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if tries.Add(1) == 1 {
				_, _ = io.CopyN(io.Discard, r.Body, 64<<10)
				resetConn(t, w)
				return
			}
			n, _ := io.Copy(io.Discard, r.Body)
			got.Store(n)
		})
		req := requestTo(t, "PUT", server, nil)
		withPattern(req, size)
		mustSend(t, newRT(newBase(t), retrying(3, time.Nanosecond)), req, 200).Body.Close()
		if tries.Load() != 2 || got.Load() != size {
			t.Errorf("the server saw %d tries and %d bytes in the last, want 2 and %d", tries.Load(), got.Load(), size)
		}
	})
}

// R: "try 2 uses an independent copy."
func TestA1_17_LateReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := make(chan string, 1)
		base := script(func(tr *try) (*http.Response, error) {
			tr.keepsBody = true
			go func() { // reads on while the second try is under way
				defer tr.req.Body.Close()
				time.Sleep(time.Second)
				b, _ := io.ReadAll(tr.req.Body)
				late <- string(b)
			}()
			return response(503, newTracked("")), nil
		}, after(10*time.Second, status(200)))
		req, first, copied := replayable(t, "PUT", "content")
		mustSend(t, newRT(base, retrying(3, time.Millisecond)), req, 200).Body.Close()
		if got := <-late; got != "content" {
			t.Errorf("the late reader got %q, want %q", got, "content")
		}
		if got := base.tries()[1].sent; got != "content" {
			t.Errorf("the second try sent %q, want %q", got, "content")
		}
		synctest.Wait()
		first.wantClosed(t, "the original")
		copied.made[0].wantClosed(t, "the copy")
	})
	t.Run("early answer of a server", func(t *testing.T) {
		const size = 4 << 20
		var tries atomic.Int32
		intact := make(chan bool, 1)
		server := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if tries.Add(1) == 1 {
				w.WriteHeader(503) // with the upload under way
				return
			}
			b, err := io.ReadAll(r.Body)
			intact <- err == nil && bytes.Equal(b, pattern(size))
		})
		req := requestTo(t, "PUT", server, nil)
		withPattern(req, size)
		mustSend(t, newRT(newBase(t), retrying(3, time.Nanosecond)), req, 200).Body.Close()
		if !<-intact {
			t.Errorf("the second upload did not arrive as it was sent")
		}
	})
}

// R: "not retried, not a breaker failure, errors.Is finds it."
func TestA1_18_CallersOwnReadError(t *testing.T) {
	errDisk := errors.New("disk error")
	strict := func() *breaker.Breaker { return breaker.New(breaker.Config{ConsecutiveFailures: 1}) }
	check := func(t *testing.T, rt http.RoundTripper, req *http.Request, b *breaker.Breaker, want error) {
		t.Helper()
		_, err := send(t, rt, req)
		if !errors.Is(err, want) {
			t.Errorf("error is %v, want one that is %v", err, want)
		}
		if got := b.State(); got != breaker.Closed {
			t.Errorf("the breaker is %v, want %v", got, breaker.Closed)
		}
	}
	t.Run("one try", func(t *testing.T) {
		for name, failure := range map[string]error{
			"of the body": errDisk,
			"wrapped EOF": fmt.Errorf("disk: %w", io.EOF),
			"truncated":   io.ErrUnexpectedEOF,
		} {
			t.Run(name, func(t *testing.T) {
				// The base hides the error, as transports do that write while they read.
				base := script(func(tr *try) (*http.Response, error) {
					tr.readBody(-1)
					return nil, errReset
				})
				b := strict()
				req := newRequest(t, "PUT", newBroken("cont", failure))
				var made int
				req.GetBody = func() (io.ReadCloser, error) { made++; return newBroken("cont", failure), nil }
				check(t, newRT(base, retrying(3, time.Nanosecond), b), req, b, failure)
				base.wantTries(t, 1)
				if made != 0 {
					t.Errorf("GetBody was called %d times, want never", made)
				}
			})
		}
	})
	t.Run("answered all the same", func(t *testing.T) {
		base := script(func(tr *try) (*http.Response, error) {
			tr.readBody(-1)
			return response(503, newTracked("")), nil
		})
		b := strict()
		req := newRequest(t, "PUT", newBroken("cont", errDisk))
		req.GetBody = func() (io.ReadCloser, error) { return newBroken("cont", errDisk), nil }
		mustSend(t, newRT(base, retrying(3, time.Nanosecond), b), req, 503).Body.Close()
		base.wantTries(t, 1)
		if got := b.State(); got != breaker.Closed {
			t.Errorf("the breaker is %v, want %v", got, breaker.Closed)
		}
	})
	t.Run("in a replay of the transport", func(t *testing.T) {
		base := script(func(tr *try) (*http.Response, error) {
			_ = tr.req.Body.Close()
			body, err := tr.req.GetBody()
			if err != nil {
				return nil, err
			}
			tr.keepsBody, tr.req.Body = true, body
			defer body.Close()
			tr.readBody(-1)
			return nil, errReset
		})
		b := strict()
		req := newRequest(t, "PUT", newTracked("content"))
		req.GetBody = func() (io.ReadCloser, error) { return newBroken("cont", errDisk), nil }
		check(t, newRT(base, retrying(3, time.Nanosecond), b), req, b, errDisk)
		base.wantTries(t, 1)
	})
	t.Run("over a connection", func(t *testing.T) {
		server := serve(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
		for name, body := range map[string]io.ReadCloser{"sized": newBroken("cont", errDisk), "unknown length": newBroken("cont", errDisk)} {
			b := strict()
			req := requestTo(t, "PUT", server, body)
			req.ContentLength = -1
			if name == "sized" {
				req.ContentLength = 7
			}
			check(t, newRT(newBase(t), retrying(3, time.Nanosecond), b), req, b, errDisk)
		}
	})
	t.Run("file", func(t *testing.T) {
		server := serve(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
		dir, err := os.Open(t.TempDir()) // a directory can be opened, not read
		if err != nil {
			t.Fatal(err)
		}
		b := strict()
		req := requestTo(t, "PUT", server, dir)
		req.ContentLength = 7
		check(t, newRT(newBase(t), retrying(3, time.Nanosecond), b), req, b, syscall.EISDIR)
	})
}

// R: "body untouched."
func TestA1_19_ExpectContinue(t *testing.T) {
	for _, code := range []int{417, 401} {
		address := listen(t, func(conn net.Conn) {
			if readHead(conn) != nil {
				return
			}
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 %d No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", code)
		})
		base := newBase(t)
		base.ExpectContinueTimeout = 10 * time.Second
		body := newTracked("content")
		req := requestTo(t, "PUT", "http://"+address, body)
		req.ContentLength = 7
		req.Header.Set("Expect", "100-continue")
		req.GetBody = func() (io.ReadCloser, error) { return newTracked("content"), nil }
		mustSend(t, newRT(base, retrying(3, time.Nanosecond), breaker.New(breaker.Config{})), req, code).Body.Close()
		if got := body.reads.Load(); got != 0 {
			t.Errorf("after status %d the body was read %d times, want never", code, got)
		}
		<-body.closed // the transport may do so a little later
	}
}

// R: "do not wrap the body when nothing needs it (no retry in the stack)."
func TestA1_20_KeepSendfile(t *testing.T) {
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	memory := io.NopCloser(strings.NewReader("content"))
	for name, c := range map[string]struct {
		body     io.ReadCloser
		policies []firebreak.Policy
	}{
		"file, no policy":                {file, nil},
		"file, no retry":                 {file, []firebreak.Policy{timeout.New(time.Minute), bulkhead.New(bulkhead.Config{}), timeout.New(time.Second)}},
		"file, breaker":                  {file, []firebreak.Policy{breaker.New(breaker.Config{})}},
		"file that can be sent once":     {file, []firebreak.Policy{retrying(3, time.Nanosecond)}},
		"any body, no retry":             {newTracked("content"), []firebreak.Policy{bulkhead.New(bulkhead.Config{})}},
		"memory, which cannot break off": {memory, []firebreak.Policy{retrying(3, time.Nanosecond), breaker.New(breaker.Config{})}},
	} {
		t.Run(name, func(t *testing.T) {
			base := script(func(tr *try) (*http.Response, error) {
				tr.keepsBody = true // the same body is used again
				return response(200, newTracked("")), nil
			})
			req := newRequest(t, "PUT", c.body)
			req.ContentLength = 7
			mustSend(t, newRT(base, c.policies...), req, 200).Body.Close()
			if got := base.tries()[0].req.Body; got != c.body {
				t.Errorf("the base got a body of type %T, want the caller's %T itself", got, c.body)
			}
		})
	}
}

// R: "the request given to the base keeps a matching GetBody so Transport can
// replay itself."
func TestA1_21_GetBodySurvives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		replay := func(s step) step {
			return func(tr *try) (*http.Response, error) {
				body, err := tr.req.GetBody()
				if err != nil {
					return nil, err
				}
				defer body.Close()
				b, err := io.ReadAll(body)
				if string(b) != "content" || err != nil {
					t.Errorf("the copy holds %q and ends with %v, want %q", b, err, "content")
				}
				return s(tr)
			}
		}
		base := script(replay(status(503)), replay(status(200)))
		req, _, copied := replayable(t, "PUT", "content")
		mustSend(t, newRT(base, retrying(3, time.Second)), req, 200).Body.Close()
		base.wantTries(t, 2)
		for i, c := range copied.made {
			c.wantClosed(t, fmt.Sprintf("copy %d", i+1))
		}
	})
	for name, policies := range map[string][]firebreak.Policy{
		"no retry": {timeout.New(10 * time.Second)},
		"retry":    {retrying(3, time.Nanosecond), breaker.New(breaker.Config{ConsecutiveFailures: 1})},
	} {
		t.Run("REFUSED_STREAM, "+name, func(t *testing.T) {
			refusing := newRefusingServer(t, 1)
			req := requestTo(t, "POST", refusing.url, newTracked("content"))
			req.ContentLength = 7
			copied := &copies{content: "content"}
			req.GetBody = copied.get
			mustSend(t, newRT(newHTTP2Base(t), policies...), req, 200).Body.Close()
			if got, want := refusing.received(), []string{"content"}; !slices.Equal(got, want) {
				t.Errorf("the server received the bodies %q, want %q", got, want)
			}
			if got := len(copied.made); got != 1 {
				t.Errorf("GetBody was called %d times, want once, by the transport", got)
			}
		})
	}
}

// R: "Transport-level wrapper leaves ireq.GetBody alone so http.Client can resend."
func TestA1_22_RedirectWithBody(t *testing.T) {
	for _, code := range []int{307, 308} {
		var got []string
		end := serve(t, func(_ http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			got = append(got, r.Method+" "+string(b))
		})
		start := serve(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, end+"/moved", code)
		})
		client := &http.Client{Transport: newRT(newBase(t), retrying(3, time.Nanosecond), breaker.New(breaker.Config{}))}
		resp, err := client.Post(start, "text/plain", struct{ io.Reader }{strings.NewReader("lost")}) // GetBody is nil: not resent
		if err != nil || resp.StatusCode != code {
			t.Fatalf("POST without GetBody gives %v and %v, want status %d", resp, err, code)
		}
		resp.Body.Close()
		resp, err = client.Post(start, "text/plain", strings.NewReader("content"))
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("POST gives %v and %v, want status 200", resp, err)
		}
		resp.Body.Close()
		if want := []string{"POST content"}; !slices.Equal(got, want) {
			t.Errorf("after %d the second server got %q, want %q", code, got, want)
		}
	}
}

// A request that is none gives an error, and a configuration that is none a panic
// that names all problems.
func TestNilInput(t *testing.T) {
	rt := newRT(script(status(200)))
	if _, err := send(t, rt, nil); err == nil {
		t.Error("RoundTrip(nil) succeeded, want an error")
	}
	if _, err := send(t, rt, &http.Request{}); err == nil {
		t.Error("RoundTrip of a request without URL succeeded, want an error")
	}
	base := script(status(200))
	req := newRequest(t, "", nil)
	req.Method, req.Header = "", nil
	mustSend(t, newRT(base), req, 200).Body.Close()
	if base.tries()[0].req.Header == nil {
		t.Error("the base got a nil header, which net/http refuses")
	}

	stack := firebreak.New("test")
	for name, c := range map[string]struct {
		construct func()
		want      []string
	}{
		"nil stack":       {func() { firebreakhttp.Transport(nil, nil) }, []string{"stack is nil"}},
		"typed nil base":  {func() { firebreakhttp.Transport((*http.Transport)(nil), stack) }, []string{"base is a nil *http.Transport"}},
		"nil func base":   {func() { firebreakhttp.Transport(roundTripFunc(nil), stack) }, []string{"base is a nil"}},
		"nil option":      {func() { firebreakhttp.Transport(nil, stack, nil) }, []string{"option 1 is nil"}},
		"everything nil":  {func() { firebreakhttp.Transport((*http.Transport)(nil), nil, nil) }, []string{"stack is nil", "base is a nil", "option 1 is nil"}},
		"status to retry": {func() { firebreakhttp.Transport(nil, stack, firebreakhttp.RetryStatuses(200)) }, []string{"status is 200"}},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				got := fmt.Sprint(recover())
				for _, want := range c.want {
					if !strings.Contains(got, want) {
						t.Errorf("panic is %q, want it to say %q", got, want)
					}
				}
			}()
			c.construct()
			t.Error("no panic")
		})
	}
}

// A nil base is http.DefaultTransport at the time of the call.
func TestNilBaseIsDefaultTransport(t *testing.T) {
	var mu sync.Mutex
	n := 0
	server := serve(t, func(http.ResponseWriter, *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		n++
	})
	mustSend(t, newRT(nil), requestTo(t, "GET", server, nil), 200).Body.Close()
	mu.Lock()
	defer mu.Unlock()
	if n != 1 {
		t.Errorf("the server got %d requests, want 1", n)
	}
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
