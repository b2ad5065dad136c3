package firebreakhttp_test

import (
	"context"
	"errors"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/firebreakhttp"
	"github.com/firebreak-go/firebreak/timeout"
)

// A call that a Handler's own client rejected, and of which that knows when to make it
// again, says nothing of when to make the request again that it was for: those above would
// repeat all that was done before it.
func TestHandlerDoesNotHaveItsCallersRetry(t *testing.T) {
	circuit := breaker.New(breaker.Config{ConsecutiveFailures: 1, OpenFor: time.Hour})
	_, _ = circuit.Do(t.Context(), firebreak.Call{}, func(context.Context, firebreak.Call) (any, error) { return nil, errors.New("down") })
	payments := firebreakhttp.Transport(script(), firebreak.New("payments", circuit))
	backend := &url.URL{Scheme: "http", Host: "payments.test"}
	quiet := log.New(discard{}, "", 0)
	for name, next := range map[string]http.Handler{
		"a proxy": &httputil.ReverseProxy{Transport: payments, ErrorLog: quiet, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(backend) }},
		"a proxy that answers 503": &httputil.ReverseProxy{
			Transport: payments, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(backend) },
			ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
			},
		},
		"a handler that answers 503": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			req, _ := http.NewRequestWithContext(r.Context(), http.MethodGet, backend.String(), nil)
			resp, err := payments.RoundTrip(req)
			if err == nil {
				resp.Body.Close()
			}
			if firebreak.RetryAfter(err) == 0 {
				t.Errorf("got %v, want a rejection that says when to come back", err)
			}
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}),
	} {
		w := get(firebreakhttp.Handler(next, firebreak.New("server", timeout.New(time.Minute))), "/")
		if after, ok := w.Header()["Retry-After"]; ok || w.Code < 500 {
			t.Errorf("%s: got %d with Retry-After %q, want an error without", name, w.Code, after)
		}
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
