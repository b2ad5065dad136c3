package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakhttp"
	"github.com/firebreak-go/firebreak/retry"
	"github.com/firebreak-go/firebreak/timeout"
)

// A getter gets the URL once for a caller who gives up at deadline. ctx ends with
// the run. It returns nil if the answer is good.
type getter func(ctx context.Context, deadline time.Time) error

// What the plain side has is what many a service has: a timeout on the client.
const (
	plainTimeout = 2 * time.Second
	plainText    = "http.Client{Timeout: 2s}, and nothing else"
)

func plainGetter(base http.RoundTripper, url string) getter {
	//firebreak-audit:ignore TA916 reason="the plain side of the comparison"
	client := &http.Client{Transport: base, Timeout: plainTimeout}
	return func(ctx context.Context, _ time.Time) error { return get(ctx, client, url) }
}

// newStack returns the Stack for the built-in third party, which answers in 40ms
// while it is well. The defaults of firebreakhttp.NewClient suit callers who wait
// for 30s and troubles that last minutes; here it is 1s, and seconds:
//
//   - The call ends before its caller gives up, who so has an error and some time to
//     do something about it.
//   - An attempt gets half a second: twelve times what an answer takes, and little
//     enough for a second attempt.
//   - The breaker looks at the last 3s, and probes a few times a second.
//   - The bulkhead has three times the places that good times need: 60 calls a
//     second of 40ms each are 2.4 in flight.
func newStack(rps int, tp trace.TracerProvider, mp metric.MeterProvider) *firebreak.Stack {
	return firebreak.New("third-party",
		timeout.New(900*time.Millisecond),
		retry.New(retry.Config{}),
		breaker.New(breaker.Config{
			Window:     3 * time.Second,
			OpenFor:    250 * time.Millisecond,
			MaxOpenFor: 250 * time.Millisecond,
		}),
		bulkhead.New(bulkhead.Config{MaxCalls: scaled(8, rps)}),
		timeout.New(500*time.Millisecond),
	).WithProviders(tp, mp)
}

// newStackForURL returns the Stack for a real address: with times that suit the
// internet, and defaults for the rest.
func newStackForURL(tp trace.TracerProvider, mp metric.MeterProvider) *firebreak.Stack {
	return firebreak.New("third-party",
		timeout.New(5*time.Second),
		retry.New(retry.Config{}),
		breaker.New(breaker.Config{}),
		bulkhead.New(bulkhead.Config{MaxCalls: 20}),
		timeout.New(2*time.Second),
	).WithProviders(tp, mp)
}

func firebreakGetter(base http.RoundTripper, stack *firebreak.Stack, url string) getter {
	client := &http.Client{Transport: firebreakhttp.Transport(base, stack)}
	return func(ctx context.Context, deadline time.Time) error {
		ctx, cancel := context.WithDeadline(ctx, deadline)
		defer cancel()
		return get(ctx, client, url)
	}
}

// maxBody is how much of an answer is read: what is longer is somebody's download.
const maxBody = 1 << 20

// get gets url and reads the answer. It returns nil if that is a good one.
func get(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.CopyN(io.Discard, resp.Body, maxBody); err != nil && err != io.EOF { //nolint:errorlint // CopyN returns it as it is
		return err
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("status %s", resp.Status)
	}
	return nil
}

// A countingBase counts what leaves, where the server cannot be asked.
type countingBase struct {
	http.RoundTripper
	counted func()
}

func (b countingBase) RoundTrip(req *http.Request) (*http.Response, error) {
	b.counted()
	return b.RoundTripper.RoundTrip(req)
}

func (b countingBase) CloseIdleConnections() {
	if c, ok := b.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
