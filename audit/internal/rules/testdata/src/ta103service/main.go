// Command ta103service sends requests with contexts that its callers pass.
package main

import (
	"context"
	"net/http"
	"os"
	"time"
)

// Some callers pass a deadline: it is for the others to pass one, too.
func someBound(ctx context.Context) error {
	return send(ctx)
}

func send(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://example.com", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func withDeadline() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return someBound(ctx)
}

func without() error { return someBound(context.Background()) }

// Nobody is known who passes a deadline.
func noneBound(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://example.com", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req) // want "TA103: http.DefaultClient never times out: Do with a context that no caller bounds"
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func fromSomewhere(contexts map[string]context.Context) error {
	return noneBound(contexts[os.Args[0]])
}

func fromRoot() error { return noneBound(context.Background()) }

// One caller serves a request: its client may wait for ever, whatever the others do.
func served(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://example.com", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req) // want "TA103: http.DefaultClient never times out: Do with a context that no caller bounds"
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func servedHandler(w http.ResponseWriter, r *http.Request) { _ = served(r.Context()) }

func servedBounded() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return served(ctx)
}

func main() {
	_, _ = withDeadline(), without()
	_, _, _ = fromSomewhere(nil), fromRoot(), servedBounded()
	http.HandleFunc("/", servedHandler)
	server := &http.Server{Addr: ":8080", ReadHeaderTimeout: time.Second}
	_ = server.ListenAndServe()
}
