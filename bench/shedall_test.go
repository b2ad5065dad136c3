package bench

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failsafe-go/failsafe-go/adaptivelimiter"
	"github.com/zeromicro/go-zero/core/load"

	"github.com/firebreak-go/firebreak/shed"
)

// What refuses must have let in before, and go on to refuse.
func TestAllShed(t *testing.T) {
	safe, fullSafe := newSafeLimiter(), newFullSafeLimiter(t.Context())
	ours, fullOurs := shed.New(shed.Config{}), newFullShed(t.Context())
	zero, fullZero := newZero(), newFullZero()
	for _, tt := range []struct {
		name         string
		idle, filled func() error
		want         error
	}{
		{"firebreak", func() error { return shedCall(t.Context(), ours) }, func() error { return shedCall(t.Context(), fullOurs) }, shed.ErrShed},
		{"failsafe-go", func() error { return safe.run(t.Context()) }, func() error { return fullSafe.run(t.Context()) }, adaptivelimiter.ErrExceeded},
		{"failsafe-go permit", safe.hold, fullSafe.hold, adaptivelimiter.ErrExceeded},
		{"go-zero", func() error { return pass(zero) }, func() error { return pass(fullZero) }, load.ErrServiceOverloaded},
	} {
		for range 100 {
			if err := tt.idle(); err != nil {
				t.Fatalf("%s: got %v of an idle one, want no error", tt.name, err)
			}
			if err := tt.filled(); !errors.Is(err, tt.want) {
				t.Fatalf("%s: got %v of a full one, want %v", tt.name, err, tt.want)
			}
		}
	}
}

// A refusal comes without the answer of the handler, which all others have whole.
func TestAllServe(t *testing.T) {
	for _, tt := range handlers {
		w := httptest.NewRecorder()
		tt.wrap(t.Context(), http.HandlerFunc(short), false).ServeHTTP(w, newIncoming(t.Context()))
		if w.Code != http.StatusOK || w.Body.String() != replyText {
			t.Errorf("%s: got %d %q, want the answer", tt.name, w.Code, w.Body)
		}
	}
	for _, tt := range handlers[:2] {
		w := httptest.NewRecorder()
		tt.wrap(t.Context(), http.HandlerFunc(short), true).ServeHTTP(w, newIncoming(t.Context()))
		if w.Code != http.StatusServiceUnavailable && w.Code != http.StatusTooManyRequests || strings.Contains(w.Body.String(), replyText) {
			t.Errorf("%s: got %d %q of a full one, want a refusal", tt.name, w.Code, w.Body)
		}
	}
}

func TestAllServeInTime(t *testing.T) {
	for _, tt := range handlers[:3] {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				waits := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
				w := httptest.NewRecorder()
				begin := time.Now()
				tt.wrap(ctx, waits, false).ServeHTTP(w, newIncoming(ctx))
				if took := time.Since(begin); w.Code != http.StatusServiceUnavailable || took != callTimeout {
					t.Errorf("got status %d after %v, want 503 after %v", w.Code, took, callTimeout)
				}
			})
		})
	}
}
