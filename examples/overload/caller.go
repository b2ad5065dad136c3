package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/firebreak-go/firebreak/firebreakhttp"
)

// patience is for how long a caller waits for an answer.
const patience = time.Second

// An outcome is what a caller got.
type outcome int

const (
	good     outcome = iota
	late             // nothing while he waited
	refused          // a 503 with Retry-After, from a server that had too much to do
	failed           // anything else
	outcomes         // how many there are
)

// A caller makes a request of a class and returns what became of it. ctx has the
// deadline of the caller.
type caller func(ctx context.Context, c class) outcome

// newRequest returns a request that says how long its caller waits, and of what class
// he is.
func newRequest(ctx context.Context, url string, c class) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set(firebreakhttp.PriorityHeader, c.String())
	if deadline, ok := ctx.Deadline(); ok {
		left := max(time.Until(deadline).Milliseconds(), 1)
		r.Header.Set(firebreakhttp.TimeoutHeader, strconv.FormatInt(left, 10))
	}
	return r, nil
}

// outcomeOf tells an outcome by the status and the header of an answer.
func outcomeOf(status int, header http.Header) outcome {
	switch {
	case status == http.StatusOK:
		return good
	case status == http.StatusServiceUnavailable && header.Get("Retry-After") != "":
		return refused
	case status == http.StatusServiceUnavailable: // the server gave up when the caller did
		return late
	default:
		return failed
	}
}

// newCaller returns callers of url. They have connections of their own, as many as they
// need.
func newCaller(url string) (c caller, hangUp func()) {
	base := &http.Transport{MaxIdleConnsPerHost: maxInFlight, DisableCompression: true}
	client := &http.Client{Transport: base}
	return func(ctx context.Context, c class) outcome {
		r, err := newRequest(ctx, url, c)
		if err != nil {
			return failed
		}
		resp, err := client.Do(r)
		if err != nil {
			return lateOrFailed(err)
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)); err != nil {
			return lateOrFailed(err)
		}
		return outcomeOf(resp.StatusCode, resp.Header)
	}, base.CloseIdleConnections
}

func lateOrFailed(err error) outcome {
	if errors.Is(err, context.DeadlineExceeded) {
		return late
	}
	return failed
}
