package snippets

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/firebreakhttp"
)

// shop answers with the deadline and the priority that its handlers see.
func shop() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) { answerWith(w, r.Context()) })
	mux.HandleFunc("GET /orders/{id}", func(w http.ResponseWriter, r *http.Request) { answerWith(w, r.Context()) })
	return mux
}

func answerWith(w http.ResponseWriter, ctx context.Context) { //nolint:revive // as a handler has them
	if _, ok := ctx.Deadline(); ok {
		w.Header().Set("Deadline", "yes")
	}
	w.Header().Set("Priority", firebreak.PriorityOf(ctx).String())
}

func serve(h http.Handler, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestServer(t *testing.T) {
	srv := server(shop())
	if srv.Addr != ":8080" || srv.ReadHeaderTimeout == 0 || srv.IdleTimeout == 0 {
		t.Errorf("got %+v, want a server with its timeouts set", srv)
	}
	if got := serve(srv.Handler, "/orders/1"); got.Code != 200 || got.Header().Get("Deadline") != "yes" {
		t.Errorf("got %d %v, want 200 under a deadline", got.Code, got.Header())
	}
}

func TestHandler(t *testing.T) {
	h, limiter := handler(shop(), func(r *http.Request) bool { return r.Header.Get("Via") == "inside" })
	if got := serve(h, "/orders/1", "Via", "inside", firebreakhttp.PriorityHeader, "critical"); got.Header().Get("Priority") != "critical" {
		t.Errorf("from inside: the priority is %q, want critical", got.Header().Get("Priority"))
	}
	if got := serve(h, "/orders/1", firebreakhttp.PriorityHeader, "critical"); got.Header().Get("Priority") != "default" {
		t.Errorf("from a stranger: the priority is %q, want default", got.Header().Get("Priority"))
	}
	if got := serve(h, "/events"); got.Code != 200 || got.Header().Get("Deadline") != "" {
		t.Errorf("a stream: got %d %v, want no deadline", got.Code, got.Header())
	}
	limiter.Close()
	if got := serve(h, "/orders/1"); got.Code != 503 {
		t.Errorf("after Close: got %d %v, want 503", got.Code, got.Header())
	}
	if got := serve(h, "/healthz"); got.Code != 200 {
		t.Errorf("a health check after Close: got %d, want 200", got.Code)
	}
}

func TestQuota(t *testing.T) {
	stack := firebreak.New("api", quota(func(r *http.Request) string { return strings.TrimPrefix(r.URL.Path, "/") }))
	h := firebreakhttp.Handler(http.NotFoundHandler(), stack)
	counts := map[int]int{}
	for range 1000 {
		counts[serve(h, "/busy").Code]++
	}
	if counts[404] < 200 || counts[429] < 500 {
		t.Errorf("got %v, want some 200 answers, and 429 for the rest", counts)
	}
	if got := serve(h, "/other"); got.Code != 404 {
		t.Errorf("another caller: got %d, want its answer", got.Code)
	}
}
