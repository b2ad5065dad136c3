package firebreakhttp_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakhttp"
	"github.com/firebreak-go/firebreak/shed"
	"github.com/firebreak-go/firebreak/timeout"
)

// stubWriter is a ResponseWriter that costs nothing.
type stubWriter struct {
	header http.Header
	status int
}

func (w *stubWriter) Header() http.Header         { return w.header }
func (w *stubWriter) WriteHeader(code int)        { w.status = code }
func (w *stubWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w *stubWriter) Flush()                      {}

var shortBody = []byte("content")

func short(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(shortBody) }

func asJSON(w http.ResponseWriter, _ *http.Request) {
	w.Header()["Content-Type"] = replyHeader["Content-Type"]
	_, _ = w.Write(shortBody)
}

// The budget is 10. The deadline takes four, its timer two, the state of the call, the
// guard and the copy of the request one each. A handler that sets a header pays for one of
// its own.
func TestAllocationsOfAHandler(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/", short)
	full := one()
	_, _ = full.Allow(t.Context(), firebreak.Call{})
	for name, c := range map[string]struct {
		next     http.Handler
		policies []firebreak.Policy
		options  []firebreakhttp.HandlerOption
		want     float64
	}{
		"bulkhead and timeout":       {http.HandlerFunc(short), []firebreak.Policy{bulkhead.New(bulkhead.Config{}), timeout.New(30 * time.Second)}, nil, 9},
		"shed, bulkhead and timeout": {http.HandlerFunc(short), []firebreak.Policy{shed.New(shed.Config{}), bulkhead.New(bulkhead.Config{}), timeout.New(30 * time.Second)}, nil, 9},
		"with a header":              {http.HandlerFunc(asJSON), []firebreak.Policy{bulkhead.New(bulkhead.Config{}), timeout.New(30 * time.Second)}, nil, 11},
		"a route":                    {mux, []firebreak.Policy{bulkhead.New(bulkhead.Config{}), timeout.New(30 * time.Second)}, nil, 9},
		"options": {http.HandlerFunc(short), []firebreak.Policy{bulkhead.New(bulkhead.Config{}), timeout.New(30 * time.Second)},
			[]firebreakhttp.HandlerOption{
				firebreakhttp.Trust(anybody), firebreakhttp.MinTime(time.Millisecond),
				firebreakhttp.Exempt(firebreakhttp.Routes("GET /healthz")),
				firebreakhttp.LongRunning(firebreakhttp.Routes("GET /events"), firebreak.New("streams")),
				firebreakhttp.PriorityBy(func(*http.Request) firebreak.Priority { return firebreak.PriorityDefault }),
			}, 9},
		"no timeout":  {http.HandlerFunc(short), []firebreak.Policy{timeout.Unbounded("a test"), bulkhead.New(bulkhead.Config{})}, nil, 2},
		"a rejection": {http.HandlerFunc(short), []firebreak.Policy{full, timeout.New(30 * time.Second)}, nil, 3},
	} {
		t.Run(name, func(t *testing.T) {
			h := firebreakhttp.Handler(c.next, firebreak.New("server", c.policies...), c.options...)
			r := incoming("GET", "/orders/").WithContext(context.Background())
			w := &stubWriter{header: make(http.Header)}
			got := testing.AllocsPerRun(200, func() {
				clear(w.header)
				h.ServeHTTP(w, r)
			})
			if got > c.want {
				t.Errorf("got %v allocations, want at most %v", got, c.want)
			}
		})
	}
}

func BenchmarkHandler(b *testing.B) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/", short)
	mux.HandleFunc("GET /users/{id}", short)
	policies := func() *firebreak.Stack {
		return firebreak.New("bench", bulkhead.New(bulkhead.Config{}), timeout.New(30*time.Second))
	}
	full := bulkhead.New(bulkhead.Config{MaxCalls: 1})
	_, _ = full.Allow(context.Background(), firebreak.Call{})
	for _, bench := range []struct {
		name, path string
		h          http.Handler
	}{
		{"handler alone", "/orders/", http.HandlerFunc(short)},
		{"bulkhead and timeout", "/orders/", firebreakhttp.Handler(http.HandlerFunc(short), policies())},
		{"shed, bulkhead and timeout", "/orders/", firebreakhttp.Handler(http.HandlerFunc(short), firebreak.New("bench",
			shed.New(shed.Config{}), bulkhead.New(bulkhead.Config{}), timeout.New(30*time.Second)))},
		{"mux alone", "/orders/", mux},
		{"mux", "/orders/", firebreakhttp.Handler(mux, policies())},
		{"mux with a wildcard alone", "/users/7", mux},
		{"mux with a wildcard", "/users/7", firebreakhttp.Handler(mux, policies())},
		{"refused", "/orders/", firebreakhttp.Handler(http.HandlerFunc(short), firebreak.New("bench", full))},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			r := incoming("GET", bench.path).WithContext(context.Background())
			w := &stubWriter{header: make(http.Header)}
			for b.Loop() {
				clear(w.header)
				bench.h.ServeHTTP(w, r)
			}
		})
	}
}
