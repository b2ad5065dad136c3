package firebreakhttp_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/firebreakhttp"
)

// "Status is what the breaker sees: first final WriteHeader; implicit 200; 1xx (not 101)
// ignored; later WriteHeader ignored."
func TestA8_120_StatusIsWhatPoliciesSee(t *testing.T) {
	write := func(codes ...int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for _, code := range codes {
				w.WriteHeader(code)
			}
		}
	}
	later := func(code int, after string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", after)
			w.WriteHeader(code)
		}
	}
	for name, c := range map[string]struct {
		next  http.HandlerFunc
		want  firebreak.Class
		after time.Duration
	}{
		"nothing":             {write(), firebreak.Success, 0},
		"implicit":            {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "x"); w.WriteHeader(500) }, firebreak.Success, 0},
		"flush":               {func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush(); w.WriteHeader(500) }, firebreak.Success, 0},
		"200":                 {write(200), firebreak.Success, 0},
		"200 and 500":         {write(200, 500), firebreak.Success, 0},
		"500 and 200":         {write(500, 200), firebreak.Failure, 0},
		"103 and 500":         {write(103, 500), firebreak.Failure, 0},
		"100, 102 and 200":    {write(100, 102, 200), firebreak.Success, 0},
		"101":                 {write(101, 500), firebreak.Success, 0},
		"404":                 {write(404), firebreak.Success, 0},
		"408":                 {write(408), firebreak.Success, 0},
		"429":                 {write(429), firebreak.Success, 0},
		"429, later":          {later(429, "7"), firebreak.Overload, 7 * time.Second},
		"501":                 {write(501), firebreak.Failure, 0},
		"502":                 {write(502), firebreak.Failure, 0},
		"503":                 {write(503), firebreak.Failure, 0},
		"503, later":          {later(503, "120"), firebreak.Overload, 2 * time.Minute},
		"503, later, invalid": {later(503, "soon"), firebreak.Failure, 0},
		"500, later":          {later(500, "7"), firebreak.Failure, 7 * time.Second},
		"599":                 {write(599), firebreak.Failure, 0},
	} {
		t.Run(name, func(t *testing.T) {
			seen := new(witness)
			get(handle(c.next, seen), "/")
			seen.want(t, c.want)
			o := seen.outcomes[0]
			if status, ok := errors.AsType[*firebreakhttp.StatusError](o.Err); o.RetryAfter != c.after || ok != (c.want != firebreak.Success) || ok && status.Code < 400 {
				t.Errorf("got %+v, want it to come back after %v", o, c.after)
			}
		})
	}
}

// "Flusher by assertion and by ResponseController (FlushError)": an event arrives before
// the handler goes on.
func TestA8_122_Flush(t *testing.T) {
	for name, flush := range map[string]func(w http.ResponseWriter){
		"assertion":  func(w http.ResponseWriter) { w.(http.Flusher).Flush() },
		"controller": func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() },
	} {
		for _, http2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, HTTP/2 %v", name, http2), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := servePipes(t, handle(func(w http.ResponseWriter, _ *http.Request) {
						for range 3 {
							_, _ = io.WriteString(w, "data: x\n\n")
							flush(w)
							time.Sleep(time.Second)
						}
					}))
					begin := time.Now()
					resp, err := s.client(t, http2).Get("http://server.test/")
					if err != nil {
						t.Fatal(err)
					}
					defer resp.Body.Close()
					event := make([]byte, len("data: x\n\n"))
					for i := range 3 {
						if _, err := io.ReadFull(resp.Body, event); err != nil {
							t.Fatal(err)
						}
						wantElapsed(t, begin, time.Duration(i)*time.Second)
					}
				})
			})
		}
	}
}

// A writer that cannot flush says so, and the answer does not begin.
func TestA8_122_FlushIsNotSupported(t *testing.T) {
	w := httptest.NewRecorder()
	h := handle(func(w http.ResponseWriter, _ *http.Request) {
		if err := http.NewResponseController(w).Flush(); !errors.Is(err, http.ErrNotSupported) {
			t.Errorf("got %v, want %v", err, http.ErrNotSupported)
		}
		w.WriteHeader(http.StatusAccepted)
	})
	h.ServeHTTP(struct{ http.ResponseWriter }{w}, incoming("GET", "/"))
	wantStatus(t, w, http.StatusAccepted, "after a flush that is not supported")
}

// onlyUnwraps is middleware as it is often written.
type onlyUnwraps struct{ http.ResponseWriter }

func (w onlyUnwraps) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// "Hijacker by assertion (gorilla asserts). After Hijack: no write, no timeout answer; slot
// until the handler returns." Also where middleware around the Handler only unwraps, so
// that a controller finds the Hijacker beyond it.
func TestA8_123_Hijack(t *testing.T) {
	for name, c := range map[string]struct {
		hijack func(http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error)
		wrap   func(http.ResponseWriter) http.ResponseWriter
	}{
		"assertion": {
			func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) { return w.(http.Hijacker).Hijack() },
			func(w http.ResponseWriter) http.ResponseWriter { return w },
		},
		"controller": {
			func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
				return http.NewResponseController(w).Hijack()
			},
			func(w http.ResponseWriter) http.ResponseWriter { return w },
		},
		"unwrapped": {
			func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
				return http.NewResponseController(w).Hijack()
			},
			func(w http.ResponseWriter) http.ResponseWriter { return onlyUnwraps{w} },
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				slots, seen := one(), new(witness)
				inner := handle(func(w http.ResponseWriter, r *http.Request) {
					conn, rw, err := c.hijack(w)
					if err != nil {
						t.Error(err)
						return
					}
					defer conn.Close()
					_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
					<-r.Context().Done() // the deadline stays visible
					time.Sleep(time.Second)
					line, _ := rw.ReadString('\n')
					_, _ = io.WriteString(conn, line)
				}, slots, seen, second())
				s := servePipes(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { inner.ServeHTTP(c.wrap(w), r) }))
				conn := s.raw(t, lines("GET / HTTP/1.1", "Host: server.test", "Connection: Upgrade", "Upgrade: echo"))
				r := bufio.NewReader(conn)
				resp, err := http.ReadResponse(r, nil)
				if err != nil || resp.StatusCode != 101 {
					t.Fatalf("got %v and %v, want 101", resp, err)
				}
				time.Sleep(3 * time.Second)
				wantHeld(t, slots, 1, "while the connection lasts")
				_, _ = io.WriteString(conn, "hello\n")
				if got, err := io.ReadAll(r); string(got) != "hello\n" || err != nil {
					t.Errorf("got %q and %v, want the echo alone", got, err)
				}
				synctest.Wait()
				wantHeld(t, slots, 0, "after the connection")
				seen.want(t, firebreak.Success)
			})
		})
	}
}

// "Pusher, ReaderFrom kept (sendfile)": the server's own ReadFrom gets the source itself,
// after the header.
func TestA8_124_ReadFrom(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	want := pattern(1 << 20)
	if err := os.WriteFile(path, want, 0o600); err != nil {
		t.Fatal(err)
	}
	var sources []io.Reader
	inner := handle(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Handler", "set")
		http.ServeFile(w, r, path)
	})
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		inner.ServeHTTP(&watchedReadFrom{ResponseWriter: w, ReaderFrom: w.(io.ReaderFrom), sources: &sources}, r)
	})
	resp := mustSend(t, newBase(t), requestTo(t, "GET", url, nil), 200)
	if got := content(t, resp.Body); got != string(want) || resp.Header.Get("X-Handler") != "set" {
		t.Errorf("got %d bytes and header %v, want the file", len(got), resp.Header)
	}
	if len(sources) != 1 {
		t.Fatalf("ReadFrom of the server was called %d times, want once", len(sources))
	}
	limited, ok := sources[0].(*io.LimitedReader)
	if !ok {
		t.Fatalf("ReadFrom got a %T, want what net/http sends with sendfile", sources[0])
	}
	if _, ok := limited.R.(*os.File); !ok {
		t.Errorf("ReadFrom got a %T, want the file", limited.R)
	}
}

type watchedReadFrom struct {
	http.ResponseWriter
	io.ReaderFrom
	sources *[]io.Reader
}

func (w *watchedReadFrom) ReadFrom(src io.Reader) (int64, error) {
	*w.sources = append(*w.sources, src)
	return w.ReaderFrom.ReadFrom(src)
}

// A source that fails before its first byte leaves the answer to be given.
func TestA8_124_ReadFromOfABrokenSource(t *testing.T) {
	w := newFullWriter()
	handle(func(w http.ResponseWriter, _ *http.Request) {
		if _, err := io.Copy(w, io.LimitReader(newBroken("", os.ErrInvalid), 10)); !errors.Is(err, os.ErrInvalid) {
			t.Errorf("got %v, want the error of the source", err)
		}
		w.WriteHeader(http.StatusBadGateway)
	}).ServeHTTP(w, incoming("GET", "/"))
	wantStatus(t, w.ResponseRecorder, http.StatusBadGateway, "after the source broke")
}

// "SetReadDeadline, SetWriteDeadline, EnableFullDuplex via Unwrap."
func TestA8_125_Controller(t *testing.T) {
	w := newFullWriter()
	handle(func(w http.ResponseWriter, _ *http.Request) {
		rc := http.NewResponseController(w)
		for _, err := range []error{rc.SetReadDeadline(time.Now()), rc.SetWriteDeadline(time.Now()), rc.EnableFullDuplex(), rc.Flush()} {
			if err != nil {
				t.Error(err)
			}
		}
		if err := w.(http.Pusher).Push("/style.css", nil); err != nil {
			t.Error(err)
		}
		w.(http.CloseNotifier).CloseNotify()
	}).ServeHTTP(struct {
		http.ResponseWriter
		http.Flusher
		http.Pusher
		http.CloseNotifier
		unwrapper
	}{w, w, w, w, unwrapper{w}}, incoming("GET", "/"))
	if want := (calls{flushes: 1, pushes: 1, readDeadlines: 1, writeDeadlines: 1, duplex: 1, notifies: 1}); w.calls != want {
		t.Errorf("the server saw %+v, want %+v", w.calls, want)
	}
	w = newFullWriter()
	handle(func(w http.ResponseWriter, _ *http.Request) {
		if err := http.NewResponseController(w).SetReadDeadline(time.Now()); !errors.Is(err, http.ErrNotSupported) {
			t.Errorf("got %v, want %v", err, http.ErrNotSupported)
		}
	}).ServeHTTP(w.ResponseRecorder, incoming("GET", "/"))
}

type unwrapper struct{ w http.ResponseWriter }

func (u unwrapper) Unwrap() http.ResponseWriter { return u.w }

// "No phantom interfaces when the server's writer has none (HTTP/2 has no Hijacker). R:
// httpsnoop-like exact sets."
func TestA8_126_ExactInterfaces(t *testing.T) {
	f := newFullWriter()
	var w http.ResponseWriter = struct{ http.ResponseWriter }{f}
	type (
		rw = http.ResponseWriter
		fl = http.Flusher
		hj = http.Hijacker
		pu = http.Pusher
		rf = io.ReaderFrom
		cn = http.CloseNotifier
	)
	for _, under := range []http.ResponseWriter{
		w,
		struct {
			rw
			fl
		}{w, f}, struct {
			rw
			hj
		}{w, f}, struct {
			rw
			pu
		}{w, f}, struct {
			rw
			rf
		}{w, f},
		struct {
			rw
			fl
			hj
		}{w, f, f}, struct {
			rw
			fl
			pu
		}{w, f, f}, struct {
			rw
			fl
			rf
		}{w, f, f}, struct {
			rw
			hj
			pu
		}{w, f, f}, struct {
			rw
			hj
			rf
		}{w, f, f}, struct {
			rw
			pu
			rf
		}{w, f, f},
		struct {
			rw
			fl
			hj
			pu
		}{w, f, f, f}, struct {
			rw
			fl
			hj
			rf
		}{w, f, f, f}, struct {
			rw
			fl
			pu
			rf
		}{w, f, f, f}, struct {
			rw
			hj
			pu
			rf
		}{w, f, f, f}, struct {
			rw
			fl
			hj
			pu
			rf
		}{w, f, f, f, f},
		struct { // of HTTP/1
			rw
			fl
			hj
			rf
			cn
		}{w, f, f, f, f}, struct { // of HTTP/2
			rw
			fl
			pu
			cn
		}{w, f, f, f},
	} {
		want := interfaces(under)
		var got string
		handle(func(w http.ResponseWriter, _ *http.Request) { got = interfaces(w) }).ServeHTTP(under, incoming("GET", "/"))
		if got != want {
			t.Errorf("the handler's writer is%s, want%s", got, want)
		}
	}
}

func interfaces(w http.ResponseWriter) string {
	text := ""
	if _, ok := w.(http.Flusher); ok {
		text += " Flusher"
	}
	if _, ok := w.(http.Hijacker); ok {
		text += " Hijacker"
	}
	if _, ok := w.(http.Pusher); ok {
		text += " Pusher"
	}
	if _, ok := w.(io.ReaderFrom); ok {
		text += " ReaderFrom"
	}
	if _, ok := w.(http.CloseNotifier); ok {
		text += " CloseNotifier"
	}
	return text
}

// The same for the writers that net/http has.
func TestA8_126_ExactInterfacesOfServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var under, seen string
		inner := handle(func(w http.ResponseWriter, _ *http.Request) { seen = interfaces(w) })
		s := servePipes(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			under = interfaces(w)
			inner.ServeHTTP(w, r)
		}))
		for _, http2 := range []bool{false, true} {
			resp, err := s.client(t, http2).Get("http://server.test/")
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if seen != under {
				t.Errorf("HTTP/2 %v: the handler's writer is%s, want%s", http2, seen, under)
			}
		}
	})
}

// "requestTooLarge. MaxBytesReader asserts an unexported method on the writer it is given:
// wrapped writers lose 'Connection: close' after the limit. R: document, or apply
// MaxBytesReader outside. T: oversized POST, check the header."
func TestA8_127_MaxBytesOutside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := handle(func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.ReadAll(r.Body); err != nil {
				http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			}
		}, second())
		s := servePipes(t, http.MaxBytesHandler(inner, 100))
		conn := s.raw(t, lines("POST / HTTP/1.1", "Host: server.test", "Content-Length: 200")+strings.Repeat("x", 150))
		resp, _, err := readAnswer(t, bufio.NewReader(conn))
		if err != nil || resp.StatusCode != 413 || !resp.Close {
			t.Errorf("got %v and %v, want 413 and close", resp, err)
		}
	})
}

// "Server trailers set after the body must survive the private map (sync at finish;
// TrailerPrefix too)." "1xx from the handler passes the guarded writer with its headers."
func TestA8_135_136_TrailersAndInformational(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servePipes(t, handle(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "</style.css>")
			w.WriteHeader(103)
			w.Header().Del("Link")
			w.Header().Set("Trailer", "Checksum, Length")
			_, _ = io.WriteString(w, "content")
			w.Header().Set("Checksum", "42")
			w.Header().Set("Length", "7")
			w.Header().Set(http.TrailerPrefix+"Late", "yes")
			w.Header().Set("Undeclared", "no")
		}, second()))
		for _, http2 := range []bool{false, true} {
			var early []string
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
				Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
					early = append(early, fmt.Sprint(code, h.Get("Link")))
					return nil
				},
			})
			req, err := http.NewRequestWithContext(ctx, "GET", "http://server.test/", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := s.client(t, http2).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			got := content(t, resp.Body)
			if got != "content" || resp.StatusCode != 200 || !slices.Equal(early, []string{"103</style.css>"}) || resp.Header.Get("Link") != "" {
				t.Errorf("HTTP/2 %v: got %q, early %v, header %v", http2, got, early, resp.Header)
			}
			trailer := resp.Trailer
			if trailer.Get("Checksum") != "42" || trailer.Get("Length") != "7" || trailer.Get("Late") != "yes" || trailer.Get("Undeclared") != "" {
				t.Errorf("HTTP/2 %v: got trailer %v", http2, trailer)
			}
		}
	})
}

// What a 103 says is not in the answer of a timeout, also if the client is so slow to
// receive the 103 that the time passes meanwhile.
func TestA8_136_TimeoutAfterInformational(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, wait := range []time.Duration{0, 1500 * time.Millisecond} {
			s := servePipes(t, handle(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Link", "</style.css>")
				w.WriteHeader(103)
				<-r.Context().Done()
			}, second()))
			conn := s.raw(t, lines("GET / HTTP/1.1", "Host: server.test"))
			time.Sleep(wait)
			r := bufio.NewReader(conn)
			early, err := http.ReadResponse(r, nil)
			if err != nil || early.StatusCode != 103 || early.Header.Get("Link") == "" {
				t.Fatalf("got %v and %v, want 103", early, err)
			}
			resp, _, err := readAnswer(t, r)
			if err != nil || resp.StatusCode != 503 || resp.Header.Get("Link") != "" {
				t.Errorf("after %v: got %v and %v, want 503 without a Link", wait, resp, err)
			}
		}
	})
}

type valueKey struct{}

// "Context values and cause reach the handler."
func TestA8_153_ContextValuesAndCause(t *testing.T) {
	cause := errors.New("the building is on fire")
	ctx, cancel := context.WithCancelCause(context.WithValue(t.Context(), valueKey{}, "value"))
	seen := new(witness)
	h := handle(func(_ http.ResponseWriter, r *http.Request) {
		cancel(cause)
		<-r.Context().Done()
		if r.Context().Value(valueKey{}) != "value" || !errors.Is(context.Cause(r.Context()), cause) {
			t.Errorf("the handler sees %v and %v", r.Context().Value(valueKey{}), context.Cause(r.Context()))
		}
	}, seen, second())
	serves(h, httptest.NewRecorder(), incoming("GET", "/").WithContext(ctx))
	seen.want(t, firebreak.Ignored)
	if err := seen.outcomes[0].Err; !errors.Is(err, cause) || !errors.Is(err, context.Canceled) {
		t.Errorf("policies see %v, want the cause", err)
	}
}

// The server removes the files of a form, and middleware outside sees the route, although
// both know only the request that they gave to the Handler.
func TestRequestOutsideSeesFormAndRoute(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	mux := http.NewServeMux()
	mux.HandleFunc("POST /upload/{name}", func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseMultipartForm(1); err != nil {
			t.Error(err)
		}
	})
	inner := firebreakhttp.Handler(mux, firebreak.New("server"))
	var seen string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner.ServeHTTP(w, r)
		seen = r.Pattern
	}))
	defer server.Close()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	file, _ := form.CreateFormFile("file", "file")
	_, _ = file.Write(pattern(11 << 20))
	form.Close()
	resp, err := server.Client().Post(server.URL+"/upload/x", form.FormDataContentType(), &body)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("got %v and %v", resp, err)
	}
	content(t, resp.Body)
	server.Close() // waits for the end of the request
	if seen != "POST /upload/{name}" {
		t.Errorf("outside the pattern is %q", seen)
	}
	if left, _ := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "*")); len(left) != 0 {
		t.Errorf("files are left: %v", left)
	}
}
