// Package sdk stands in for a library that calls a service by a client it is given.
package sdk

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
)

// Client calls the service.
type Client struct {
	Repos *Repos
	hc    *http.Client
}

// Repos is a part of it.
type Repos struct{ hc *http.Client }

// Config configures a Client.
type Config struct {
	HTTP      *http.Client
	Transport http.RoundTripper
	Dial      func(network, address string) (net.Conn, error)
	TLS       *tls.Config
}

// NewClient returns a Client that calls by hc.
func NewClient(hc *http.Client) *Client { return &Client{Repos: &Repos{hc}, hc: hc} }

// NewFromConfig returns a Client.
func NewFromConfig(c *Config) (*Client, error) { return NewClient(c.HTTP), nil }

// Fetch fetches.
func (c *Client) Fetch(ctx context.Context, id string) (string, error) { return id, ctx.Err() }

// Ping asks.
func (c *Client) Ping() error { return nil }

// List lists.
func (r *Repos) List(ctx context.Context) ([]string, error) { return nil, ctx.Err() }

// Option is an option.
type Option func(*Client)

// WithHTTP makes New use hc.
func WithHTTP(hc *http.Client) Option { return func(c *Client) { c.hc = hc } }

// New returns a Client.
func New(opts ...Option) *Client { return &Client{} }

// WithDefaults gives a server the limits that it lacks.
func WithDefaults(s *http.Server) *http.Server { return s }

// ListenAndServe serves, and sets no limit.
func ListenAndServe(s *http.Server, file string) error { return s.ListenAndServe() }

// Wrap wraps a transport.
func Wrap(next http.RoundTripper) http.RoundTripper { return next }
