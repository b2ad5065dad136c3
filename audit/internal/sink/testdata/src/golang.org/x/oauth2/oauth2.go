// Package oauth2 stands in for the library.
package oauth2

import (
	"context"
	"net/http"
)

// TokenSource gives tokens.
type TokenSource interface{ Token() (string, error) }

// NewClient returns a client.
func NewClient(ctx context.Context, src TokenSource) *http.Client { return &http.Client{} }

// Transport authorizes.
type Transport struct {
	Source TokenSource
	Base   http.RoundTripper
}

// RoundTrip sends.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) { return t.Base.RoundTrip(r) }

type Config struct{}

func (*Config) Exchange(ctx context.Context, code string) (string, error) { return "", nil }

func (*Config) Client(ctx context.Context, token string) *http.Client { return nil }
