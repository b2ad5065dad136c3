// Package ta101 uses http.DefaultClient.
package ta101

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"example.com/sdk"
)

func get() {
	resp, err := http.Get("https://example.com") // want "TA101: http.Get uses http.DefaultClient, which never times out"
	if err == nil {
		resp.Body.Close()
	}
	http.Head("https://example.com")                          // want "TA101: http.Head"
	http.Post("https://example.com", "text/plain", nil)       // want "TA101: http.Post "
	http.PostForm("https://example.com", make(url.Values))    // want "TA101: http.PostForm"
	go http.Post("http://localhost:80", "", io.MultiReader()) // want "TA101: http.Post "
}

// A fetcher keeps the default client, and calls by it without a deadline.
type fetcher struct{ client *http.Client }

func newFetcher() *fetcher {
	return &fetcher{client: http.DefaultClient} // want "TA101: http.DefaultClient never times out: Do without a deadline"
}

func (f *fetcher) fetch(where string) error {
	req, err := http.NewRequest(http.MethodGet, where, nil)
	if err != nil {
		return err
	}
	resp, err := f.client.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// A prober keeps the default client as well, and gives each request a deadline.
type prober struct{ client *http.Client }

func newProber() *prober { return &prober{client: http.DefaultClient} }

func (p *prober) probe(where string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return err
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// Library lets its callers decide.
type Library struct{ HTTP *http.Client }

func (l *Library) client() *http.Client {
	if l.HTTP != nil {
		return l.HTTP
	}
	return http.DefaultClient
}

// Call calls as long as ctx lets it.
func (l *Library) Call(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://example.com", strings.NewReader(""))
	if err != nil {
		return err
	}
	resp, err := l.client().Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func handed() *sdk.Client {
	return sdk.NewClient(http.DefaultClient) // want "TA101: http.DefaultClient never times out: handed to sdk.NewClient, which sets no limit"
}

func handedAndBounded() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, err := sdk.NewClient(http.DefaultClient).Fetch(ctx, "a")
	return err
}
