package bench

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/failsafehttp"
	"github.com/failsafe-go/failsafe-go/timeout"

	"github.com/firebreak-go/firebreak"
	firebulkhead "github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakhttp"
	"github.com/firebreak-go/firebreak/shed"
	firetimeout "github.com/firebreak-go/firebreak/timeout"
)

// stubWriter is a ResponseWriter that costs nothing.
type stubWriter struct {
	header http.Header
	status int
	wrote  int
}

func (w *stubWriter) Header() http.Header { return w.header }

func (w *stubWriter) WriteHeader(code int) { w.status = code }

func (w *stubWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.wrote += len(p)
	return len(p), nil
}

func (w *stubWriter) Flush() {}

// serve has h answer req, and returns an error if the status is another one.
func (w *stubWriter) serve(h http.Handler, req *http.Request, want ...int) error {
	clear(w.header)
	w.status, w.wrote = 0, 0
	h.ServeHTTP(w, req)
	for _, status := range want {
		if w.status == status && w.wrote > 0 {
			return nil
		}
	}
	return errors.New("status " + strconv.Itoa(w.status))
}

// short is a handler that writes a short body.
func short(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(shortBody) }

var shortBody = []byte(replyText)

// handlers are who takes part in the benchmarks of Handler. With full they refuse all
// requests until ctx ends.
var handlers = []struct {
	name string
	wrap func(ctx context.Context, next http.Handler, full bool) http.Handler
}{
	{"firebreak", newFireHandler},
	{"failsafe-go", newSafeHandler},
	{"http.TimeoutHandler", func(_ context.Context, next http.Handler, _ bool) http.Handler {
		return http.TimeoutHandler(next, callTimeout, "")
	}},
	{"no policies", func(_ context.Context, next http.Handler, _ bool) http.Handler { return next }},
}

func newFireHandler(ctx context.Context, next http.Handler, full bool) http.Handler {
	limiter := shed.New(shed.Config{})
	if full {
		limiter = newFullShed(ctx)
	}
	return firebreakhttp.Handler(next, firebreak.New("bench",
		limiter, firebulkhead.New(firebulkhead.Config{MaxCalls: maxCalls}), firetimeout.New(callTimeout)))
}

// newSafeHandler returns failsafe-go's handler. What differs from firebreak's:
//
//   - At its timeout it ends the context and waits for the handler, whose answer the
//     client gets, or the beginning of it with the text of the error after it.
//   - No policy sees the status, and no answer says when to come back.
//   - It starts a goroutine per request, which waits for the end of one of two contexts.
func newSafeHandler(ctx context.Context, next http.Handler, full bool) http.Handler {
	limiter := newSafeAdaptive[*http.Response]() //nolint:bodyclose // there is no response
	if full {
		fillSafe(ctx, limiter)
	}
	slots, limit := bulkhead.New[*http.Response](maxCalls), timeout.New[*http.Response](callTimeout)       //nolint:bodyclose // there is no response
	return failsafehttp.NewHandlerWithExecutor(next, failsafe.With[*http.Response](limiter, slots, limit)) //nolint:bodyclose // there is no response
}

// BenchmarkHandler is a request through shed, bulkhead and timeout to a handler that
// answers at once. Its context can be cancelled, as that of any request of a server.
func BenchmarkHandler(b *testing.B) {
	contestants := make([]contestant, 0, len(handlers))
	for _, t := range handlers {
		contestants = append(contestants, contestant{t.name, func() func() func() error {
			h := t.wrap(b.Context(), http.HandlerFunc(short), false)
			return requests(b.Context(), h, http.StatusOK)
		}})
	}
	compare(b, contestants)
}

// BenchmarkHandlerFull is a request that a full shed refuses.
func BenchmarkHandlerFull(b *testing.B) {
	contestants := make([]contestant, 0, 2)
	for _, t := range handlers[:2] { // the others refuse nobody
		contestants = append(contestants, contestant{t.name, func() func() func() error {
			h := t.wrap(b.Context(), http.HandlerFunc(short), true)
			return requests(b.Context(), h, http.StatusServiceUnavailable, http.StatusTooManyRequests)
		}})
	}
	compare(b, contestants)
}

// requests has h serve requests, one after the other in each goroutine.
func requests(parent context.Context, h http.Handler, want ...int) func() func() error {
	return func() func() error {
		ctx, cancel := context.WithCancel(parent)
		context.AfterFunc(parent, cancel)
		req := newIncoming(ctx)
		w := &stubWriter{header: make(http.Header)}
		return func() error { return w.serve(h, req, want...) }
	}
}

// newIncoming returns a request as a server gets it.
func newIncoming(ctx context.Context) *http.Request {
	req := httptest.NewRequestWithContext(ctx, http.MethodGet, "/users/42", nil)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Authorization", "Bearer 0123456789abcdef")
	return req
}
