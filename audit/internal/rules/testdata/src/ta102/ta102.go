// Package ta102 makes clients.
package ta102

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"example.com/sdk"
)

func literal(where string) error {
	client := &http.Client{} // want "TA102: this http.Client has no Timeout: Get without a deadline at ta102.go"
	resp, err := client.Get(where)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func made(where string) error {
	client := new(http.Client) // want "TA102: this http.Client has no Timeout"
	resp, err := client.Head(where)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func variable(where string) error {
	var client http.Client // want "TA102: this http.Client has no Timeout"
	resp, err := client.Get(where)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func written(where string) {
	client := http.Client{Timeout: 0} // want "TA102: this http.Client has no Timeout"
	client.Get(where)
}

func byConstant(where string) {
	client := http.Client{Timeout: 5 * time.Second}
	client.Get(where)
}

func byArgument(where string, timeout time.Duration) {
	client := http.Client{Timeout: timeout}
	client.Get(where)
}

func byZeroHelper(where string) {
	client := zeroHelper(0) // the finding is where the client is made
	client.Get(where)
}

func zeroHelper(timeout time.Duration) *http.Client {
	return &http.Client{Timeout: timeout} // want "TA102: this http.Client has no Timeout: Get without a deadline"
}

func later(where string, d time.Duration) {
	client := &http.Client{}
	client.Timeout = d
	client.Get(where)
}

func byHelper(where string) {
	client := &http.Client{}
	harden(client)
	client.Get(where)
}

func harden(c *http.Client) { c.Timeout = time.Second }

type option func(*http.Client)

func withTimeout(d time.Duration) option { return func(c *http.Client) { c.Timeout = d } }

func byOption(where string) {
	client := newWith(withTimeout(time.Second))
	client.Get(where)
}

func newWith(options ...option) *http.Client {
	client := &http.Client{}
	for _, o := range options {
		o(client)
	}
	return client
}

var global = http.Client{} // want "TA102: this http.Client has no Timeout: Get without a deadline"

var globalBounded = &http.Client{}

func init() { globalBounded.Timeout = time.Minute }

func useGlobals(where string) {
	global.Get(where)
	globalBounded.Get(where)
}

// A service has a client in a field, which another function bounds.
type service struct {
	client  *http.Client
	limited *http.Client
	value   http.Client
}

func newService() *service {
	return &service{
		client:  &http.Client{}, // want "TA102: this http.Client has no Timeout: Get without a deadline"
		limited: &http.Client{},
		value:   http.Client{}, // want "TA102: this http.Client has no Timeout: Get without a deadline"
	}
}

func (s *service) configure(d time.Duration) { s.limited.Timeout = d }

func (s *service) call(where string) {
	s.client.Get(where)
	s.limited.Get(where)
	s.value.Get(where)
}

// A doer hides the client behind an interface.
type doer interface {
	Do(*http.Request) (*http.Response, error)
}

func newDoer() doer {
	return &http.Client{} // want "TA102: this http.Client has no Timeout: Do without a deadline"
}

func hidden(where string) {
	req, err := http.NewRequest(http.MethodGet, where, nil)
	if err == nil {
		newDoer().Do(req)
	}
}

// Of a request that is served the context ends when its client leaves, and not before.
func handler(w http.ResponseWriter, r *http.Request) {
	client := &http.Client{} // want "TA102: this http.Client has no Timeout: Do with the context of the request that is served"
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "https://example.com", nil)
	if err != nil {
		return
	}
	resp, err := client.Do(req)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	io.Copy(w, resp.Body)
}

func boundedByContext(where string) error {
	client := &http.Client{}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// CallerDecides leaves the deadline to those who call it.
func CallerDecides(ctx context.Context, where string) error {
	client := &http.Client{}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// Transports that limit all that comes before the body bound a client.

func boundedByTransport(where string, d time.Duration) {
	client := &http.Client{Transport: &http.Transport{
		DialContext:           (&net.Dialer{Timeout: d}).DialContext,
		TLSHandshakeTimeout:   d,
		ResponseHeaderTimeout: d,
	}}
	client.Get(where)
}

func clone(where string) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = time.Second
	client := &http.Client{Transport: transport}
	client.Get(where)
}

func cloneOnly(where string) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	client := &http.Client{Transport: transport} // want "TA102: this http.Client has no Timeout"
	client.Get(where)
}

func half(where string) {
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{}}} // want "TA102: this http.Client has no Timeout"
	client.Get(where)
}

// logging passes requests on.
type logging struct{ next http.RoundTripper }

func (l *logging) RoundTrip(r *http.Request) (*http.Response, error) { return l.next.RoundTrip(r) }

// limiting gives each request a deadline.
type limiting struct{ next http.RoundTripper }

func (l *limiting) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(r.Context(), time.Second)
	defer cancel()
	return l.next.RoundTrip(r.WithContext(ctx))
}

func wrapped(where string) {
	a := &http.Client{Transport: &logging{http.DefaultTransport}} // want "TA102: this http.Client has no Timeout"
	a.Get(where)
	b := &http.Client{Transport: &limiting{http.DefaultTransport}}
	b.Get(where)
	c := &http.Client{Transport: sdk.Wrap(http.DefaultTransport)} // want "TA102: this http.Client has no Timeout"
	c.Get(where)
}

// Libraries call by what they are given.

func constructor() error {
	client := sdk.NewClient(&http.Client{}) // want "TA102: this http.Client has no Timeout and is handed to sdk.NewClient"
	return client.Ping()
}

func field() (*sdk.Client, error) {
	config := &sdk.Config{}
	config.HTTP = &http.Client{} // want "TA102: this http.Client has no Timeout and is handed to sdk in field HTTP"
	return sdk.NewFromConfig(config)
}

func withOption() {
	client := sdk.New(sdk.WithHTTP(&http.Client{})) // want "TA102: this http.Client has no Timeout and is handed to sdk.WithHTTP"
	client.Fetch(context.Background(), "a")
}

func withOptionBounded() {
	client := sdk.New(sdk.WithHTTP(&http.Client{}))
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	client.Fetch(ctx, "a")
	client.Repos.List(ctx)
}

// ByTheirContext lets the callers decide about the library's calls.
func ByTheirContext(ctx context.Context) {
	client := sdk.NewClient(&http.Client{})
	client.Fetch(ctx, "a")
}

// Clients that are kept in a container are still clients.
var (
	mu      sync.Mutex
	clients = make(map[string]*http.Client)
)

func keep(name, where string) {
	mu.Lock()
	defer mu.Unlock()
	client, ok := clients[name]
	if !ok {
		client = &http.Client{} // want "TA102: this http.Client has no Timeout: Get without a deadline"
		clients[name] = client
	}
	client.Get(where)
}

func captured(where string) func() {
	client := &http.Client{} // want "TA102: this http.Client has no Timeout: Get without a deadline"
	return func() { client.Get(where) }
}

func unused() *http.Client { return &http.Client{} }

func copied(where string) {
	client := *http.DefaultClient
	client.Timeout = time.Second
	client.Get(where)
}

func copiedUnbounded(where string) {
	client := *http.DefaultClient // want "TA102: this http.Client has no Timeout"
	client.CheckRedirect = nil
	client.Get(where)
}
