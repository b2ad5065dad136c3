// Package ta103 sends requests by clients that others made.
package ta103

import (
	"context"
	"net/http"
	"time"

	"github.com/hashicorp/go-cleanhttp"
	"golang.org/x/oauth2"
)

func root(where string) error {
	req, err := http.NewRequest(http.MethodGet, where, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req) // want `TA103: http.DefaultClient never times out: Do without a deadline \(http.NewRequest has context.Background\(\) at ta103.go`
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func handler(w http.ResponseWriter, r *http.Request) {
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "https://example.com", nil)
	if err != nil {
		return
	}
	http.DefaultClient.Do(req) // want "TA103: http.DefaultClient never times out: Do with the context of the request that is served"
}

func bounded(where string) {
	req, _ := http.NewRequest(http.MethodGet, where, nil)
	ctx, cancel := context.WithTimeout(req.Context(), time.Second)
	defer cancel()
	http.DefaultClient.Do(req.WithContext(ctx))
}

// Open lets its callers decide.
func Open(ctx context.Context, where string) {
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	http.DefaultClient.Do(req)
}

func libraries(where string, source oauth2.TokenSource) {
	cleanhttp.DefaultClient().Get(where) // want "TA103: the client of cleanhttp.DefaultClient never times out: Get without a deadline"
	hc := oauth2.NewClient(context.Background(), source)
	hc.Get(where) // want "TA103: the client of oauth2.NewClient never times out: Get without a deadline"
	limited := oauth2.NewClient(context.Background(), source)
	limited.Timeout = time.Second
	limited.Get(where)
}
