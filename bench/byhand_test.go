package bench

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
)

// handStack is what one writes without a library: gobreaker, context.WithTimeout,
// a channel for slots and a loop. What differs from firebreak's: it has no budget
// of retries, no telemetry, and its errors do not tell a timeout of its own from
// the caller's, nor why and for how long a call was rejected.
type handStack struct {
	breaker *gobreaker.CircuitBreaker[*user]
	slots   chan struct{}
}

var errFull = errors.New("all slots are taken")

func newHandStack(slots int) *handStack {
	return &handStack{
		breaker: gobreaker.NewCircuitBreaker[*user](handSettings()),
		slots:   make(chan struct{}, slots),
	}
}

func handSettings() gobreaker.Settings {
	return gobreaker.Settings{
		MaxRequests:  probes,
		Interval:     window,
		BucketPeriod: window / buckets,
		Timeout:      openFor,
		ReadyToTrip: func(n gobreaker.Counts) bool {
			return n.ConsecutiveFailures >= consecutiveFailures ||
				n.Requests >= minCalls && float64(n.TotalFailures) >= failureRatio*float64(n.Requests)
		},
		IsExcluded: func(err error) bool {
			return err != nil && (errors.Is(err, errFull) || errors.Is(err, context.Canceled))
		},
	}
}

func (s *handStack) call(ctx context.Context, f func(context.Context) (*user, error)) (*user, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	for n := 1; ; n++ {
		u, err := s.breaker.Execute(func() (*user, error) { return s.attempt(ctx, f) })
		if err == nil || n == maxAttempts || final(err) || !sleep(ctx, n) {
			return u, err
		}
	}
}

func (s *handStack) attempt(ctx context.Context, f func(context.Context) (*user, error)) (*user, error) {
	select {
	case s.slots <- struct{}{}:
	default:
		return nil, errFull
	}
	defer func() { <-s.slots }()
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	return f(ctx)
}

// final reports whether another attempt would not help.
func final(err error) bool {
	return errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) ||
		errors.Is(err, errFull) || errors.Is(err, context.Canceled)
}

// sleep waits before attempt n+1. It reports false if ctx ended.
func sleep(ctx context.Context, n int) bool {
	timer := time.NewTimer(rand.N(min(baseDelay<<(n-1), maxDelay)))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// open has the breaker open by failures.
func (s *handStack) open() {
	for range consecutiveFailures {
		_, _ = s.breaker.Execute(func() (*user, error) { return nil, errUnavailable })
	}
}

// handTransport is handStack for HTTP. As with firebreak, the slot, both timeouts
// and the vote last until the body has ended, and the header that is sent is the
// attempt's own: a base may sign it. Its context is a copy of the caller's
// request, as the rules of an http.RoundTripper ask for.
type handTransport struct {
	base    http.RoundTripper
	breaker *gobreaker.TwoStepCircuitBreaker[struct{}]
	slots   chan struct{}
}

func newHandTransport(base http.RoundTripper) http.RoundTripper {
	return &handTransport{
		base:    base,
		breaker: gobreaker.NewTwoStepCircuitBreaker[struct{}](handSettings()),
		slots:   make(chan struct{}, maxCalls),
	}
}

func (t *handTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(req.Context(), callTimeout)
	for n := 1; ; n++ {
		resp, err := t.attempt(ctx, req, n)
		failed := err != nil || temporary(resp.StatusCode)
		again := failed && n < maxAttempts && repeatable(req) && (err == nil || !final(err))
		switch {
		case again && resp != nil:
			_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
			_ = resp.Body.Close()
		case again:
		case err != nil:
			cancel()
			return nil, err
		default:
			resp.Body.(*handBody).cancelCall = cancel
			return resp, nil
		}
		if !sleep(ctx, n) {
			cancel()
			return nil, ctx.Err()
		}
	}
}

func temporary(status int) bool {
	switch status {
	case 408, 425, 429, 502, 503, 504:
		return true
	default:
		return false
	}
}

func repeatable(req *http.Request) bool {
	return (req.Method == http.MethodGet || req.Method == http.MethodHead) && (req.Body == nil || req.GetBody != nil)
}

func (t *handTransport) attempt(ctx context.Context, req *http.Request, n int) (*http.Response, error) {
	done, err := t.breaker.Allow()
	if err != nil {
		return nil, err
	}
	select {
	case t.slots <- struct{}{}:
	default:
		done(errFull)
		return nil, errFull
	}
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	end := func(err error) {
		cancel()
		<-t.slots
		done(err)
	}
	sent := req.WithContext(ctx)
	sent.Header = req.Header.Clone()
	if n > 1 && req.GetBody != nil {
		if sent.Body, err = req.GetBody(); err != nil {
			end(context.Canceled)
			return nil, err
		}
	}
	resp, err := t.base.RoundTrip(sent)
	if err != nil {
		end(err)
		return nil, err
	}
	b := &handBody{ReadCloser: resp.Body, end: end}
	if resp.StatusCode >= http.StatusInternalServerError {
		b.status = errUnavailable
	}
	resp.Body = b
	return resp, nil
}

// handBody ends the attempt, and with the last one the call, when the body has
// ended.
type handBody struct {
	io.ReadCloser
	end        func(error)
	cancelCall context.CancelFunc // nil for a body that is thrown away
	status     error              // what a body that is read to its end votes
	once       sync.Once
}

func (b *handBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		b.finish(b.status)
	default:
		b.finish(err)
	}
	return n, err
}

func (b *handBody) Close() error {
	defer b.finish(b.status)
	return b.ReadCloser.Close()
}

func (b *handBody) finish(err error) {
	b.once.Do(func() {
		b.end(err)
		if b.cancelCall != nil {
			b.cancelCall()
		}
	})
}
