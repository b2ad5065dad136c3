// Package ta916 calls by firebreak's transport, and without it.
package ta916

import (
	"context"
	"net/http"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/firebreakhttp"
)

var guarded = firebreakhttp.NewClient("prices")

func prices(ctx context.Context) {
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "https://example.com", nil)
	guarded.Do(req)
}

func around(stack *firebreak.Stack) {
	client := &http.Client{Transport: firebreakhttp.Transport(http.DefaultTransport, stack)}
	client.Get("https://example.com")
}

func without() {
	client := &http.Client{Timeout: time.Second} // want "TA916: this package calls by firebreak's transport at ta916.go:13, but by this client without it"
	client.Get("https://example.com")
}

// Fetch calls by http.DefaultClient.
func Fetch(ctx context.Context) {
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "https://example.com", nil)
	http.DefaultClient.Do(req) // want "TA916: this package calls by firebreak's transport"
}
