package bench

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// script is a base whose n-th answer has the n-th status, then 200. A status of 0
// is none: it hangs until the request's context ends.
type script struct {
	statuses []int
	sent     int
}

func (s *script) RoundTrip(req *http.Request) (*http.Response, error) {
	s.sent++
	status := http.StatusOK
	if s.sent <= len(s.statuses) {
		status = s.statuses[s.sent-1]
	}
	if status == 0 {
		<-req.Context().Done()
		return nil, context.Cause(req.Context())
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(replyText)), Request: req}, nil
}

// The comparison says something only if all do their job.
func TestAllCall(t *testing.T) {
	safe, hand := newSafeCalls(maxCalls), newHandStack(maxCalls)
	for name, call := range map[string]func(context.Context) (*user, error){
		"firebreak":   newFireStack(maxCalls).call,
		"failsafe-go": func(ctx context.Context) (*user, error) { return safe.call(ctx, lookUp) },
		"by hand":     func(ctx context.Context) (*user, error) { return hand.call(ctx, lookUp) },
	} {
		if got, err := call(t.Context()); got != theUser || err != nil {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, theUser)
		}
	}
}

func TestAllRetry(t *testing.T) {
	for _, tt := range transports[:4] {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				base := &script{statuses: []int{503, 503}}
				resp, err := tt.wrap(base).RoundTrip(newRequest(t.Context()))
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				if resp.StatusCode != 200 || base.sent != 3 {
					t.Errorf("got status %d after %d attempts, want 200 after 3", resp.StatusCode, base.sent)
				}
			})
		})
	}
}

func TestAllTimeOut(t *testing.T) {
	for _, tt := range transports[:3] { // go-retryablehttp has no timeouts
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				base := &script{statuses: []int{0}}
				begin := time.Now()
				resp, err := tt.wrap(base).RoundTrip(newRequest(t.Context()))
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				took := time.Since(begin)
				if base.sent != 2 || took < attemptTimeout || took > attemptTimeout+2*baseDelay {
					t.Errorf("got an answer after %d attempts and %v, want it after 2 and little over %v", base.sent, took, attemptTimeout)
				}
			})
		})
	}
}

func TestAllOpen(t *testing.T) {
	for _, tt := range transports[:3] { // go-retryablehttp has no breaker
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				base := &script{statuses: make([]int, 200)}
				for i := range base.statuses {
					base.statuses[i] = 500
				}
				transport := tt.wrap(base)
				buf := make([]byte, 512)
				req := newRequest(t.Context())
				rejected := false
				for range 2 * minCalls {
					before := base.sent
					err := exchange(transport, req, buf)
					rejected = rejected || err != nil && base.sent == before
				}
				if !rejected {
					t.Errorf("got %d attempts for %d calls, want an open breaker", base.sent, 2*minCalls)
				}
			})
		})
	}
}
