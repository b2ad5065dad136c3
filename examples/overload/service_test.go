package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-go/firebreak/examples/internal/database"
)

// inMemory returns callers of h who need no socket, so that time is virtual. As with
// net/http, a handler whose client has left sees it at once.
func inMemory(h http.Handler) caller {
	return func(ctx context.Context, c class) outcome {
		r, err := newRequest(ctx, "http://a/", c)
		if err != nil {
			return failed
		}
		r.RemoteAddr = "127.0.0.1:1"
		w := httptest.NewRecorder()
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer func() {
				if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // what net/http compares with, too
					panic(p)
				}
			}()
			h.ServeHTTP(w, r)
		}()
		select {
		case <-ctx.Done():
			return lateOrFailed(ctx.Err())
		case <-done:
			return outcomeOf(w.Code, w.Header())
		}
	}
}

// A query for a caller who leaves ends with him, and was wasted.
func TestServiceHeedsItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(false)
		const stays = 10 * time.Millisecond
		ctx, cancel := context.WithTimeout(t.Context(), stays)
		defer cancel()
		if o := inMemory(s)(ctx, critical); o != late {
			t.Errorf("got outcome %v, want %v", o, late)
		}
		synctest.Wait()
		if got, want := s.db.Used(), (database.Use{All: stays, Wasted: stays}); got != want {
			t.Errorf("got use %+v, want %+v", got, want)
		}
	})
}

func TestServiceAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if o := inMemory(newService(false))(t.Context(), critical); o != good {
			t.Errorf("got outcome %v, want %v", o, good)
		}
	})
}

func TestOutcomeOf(t *testing.T) {
	for _, tt := range []struct {
		status int
		after  string // Retry-After
		want   outcome
	}{
		{200, "", good}, {503, "1", refused}, {503, "", late}, {500, "", failed}, {429, "1", failed}, {404, "", failed},
	} {
		header := make(http.Header)
		if tt.after != "" {
			header.Set("Retry-After", tt.after)
		}
		if got := outcomeOf(tt.status, header); got != tt.want {
			t.Errorf("status %d, Retry-After %q: got outcome %d, want %d", tt.status, tt.after, got, tt.want)
		}
	}
}

func TestNewRequestSaysWhoCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		for c, want := range map[class]string{critical: "critical", bestEffort: "best-effort"} {
			r, err := newRequest(ctx, "http://a/", c)
			if err != nil {
				t.Fatal(err)
			}
			if got := r.Header.Get("Firebreak-Priority"); got != want {
				t.Errorf("Firebreak-Priority: got %q, want %q", got, want)
			}
			if got := r.Header.Get("Request-Timeout-Ms"); got != "1000" {
				t.Errorf("Request-Timeout-Ms: got %q, want 1000", got)
			}
		}
	})
}

func TestFromLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:80": true, "127.1.2.3:80": true, "[::1]:80": true,
		"192.0.2.1:80": false, "[2001:db8::1]:80": false, "": false, "pipe": false,
	} {
		if got := fromLoopback(&http.Request{RemoteAddr: address}); got != want {
			t.Errorf("%q: got %t, want %t", address, got, want)
		}
	}
}
