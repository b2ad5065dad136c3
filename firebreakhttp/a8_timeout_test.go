package firebreakhttp_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/timeout"
)

// "Timeout before headers: 503/504; handler's ctx.Err()=DeadlineExceeded, Cause=policy."
// "Deadline visible to the handler."
func TestA8_128_129_TimeoutBeforeHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := new(witness)
		begin := time.Now()
		h := handle(func(_ http.ResponseWriter, r *http.Request) {
			if at, ok := r.Context().Deadline(); !ok || !at.Equal(begin.Add(time.Second)) {
				t.Errorf("the handler sees the deadline %v, want it after 1s", at)
			}
			<-r.Context().Done()
			expired, ours := errors.AsType[*timeout.Error](context.Cause(r.Context()))
			if err := r.Context().Err(); err != context.DeadlineExceeded || !ours || expired.After != time.Second {
				t.Errorf("the context ends with %v and cause %v, want the timeout of 1s", err, context.Cause(r.Context()))
			}
		}, seen, second())
		w := get(h, "/")
		wantStatus(t, w, 503, "after the timeout")
		wantElapsed(t, begin, time.Second)
		seen.want(t, firebreak.Failure)
	})
}

// "Handler ignoring its context: client still gets 503 in time. Timer goroutine writes
// through a mutex-guarded writer with explicit Content-Length, Connection: close and
// Flush, while the handler's own goroutine goes on."
func TestA8_131_HandlerIgnoresItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		returned := time.Time{}
		s := servePipes(t, handle(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(10 * time.Second)
			returned = time.Now()
		}, second()))
		for _, http2 := range []bool{false, true} {
			begin := time.Now()
			resp, err := s.client(t, http2).Get("http://server.test/")
			if err != nil {
				t.Fatal(err)
			}
			wantElapsed(t, begin, time.Second)
			if resp.StatusCode != 503 || resp.ContentLength != int64(len("Service Unavailable")) || resp.Close == http2 {
				t.Errorf("got %v, length %d, close %v", resp.Status, resp.ContentLength, resp.Close)
			}
			body := make([]byte, resp.ContentLength)
			if _, err := io.ReadFull(resp.Body, body); err != nil || string(body) != "Service Unavailable" {
				t.Errorf("got body %q and %v", body, err)
			}
			wantElapsed(t, begin, time.Second)
			_, err = resp.Body.Read(body)
			if http2 { // the end of the stream waits for the handler, but not for ever
				wantElapsed(t, begin, 2*time.Second)
			} else if err != io.EOF {
				t.Errorf("the body ends with %v, want EOF", err)
			}
			resp.Body.Close()
			time.Sleep(10 * time.Second)
			wantElapsed(t, begin.Add(10*time.Second), returned.Sub(begin.Add(10*time.Second))+time.Since(returned))
		}
	})
}

// "Timeout after headers: append nothing, no second WriteHeader; abort with
// ErrAbortHandler when the handler returns so the client sees a broken response."
func TestA8_130_TimeoutAfterHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := new(witness)
		s := servePipes(t, handle(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `{"items":[1,2`)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			if _, err := io.WriteString(w, ",3]}"); err != http.ErrHandlerTimeout {
				t.Errorf("a write after the timeout: got %v, want %v", err, http.ErrHandlerTimeout)
			}
		}, seen, second()))
		for _, http2 := range []bool{false, true} {
			begin := time.Now()
			resp, err := s.client(t, http2).Get("http://server.test/")
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(resp.Body)
			if resp.StatusCode != 200 || string(b) != `{"items":[1,2` || err == nil {
				t.Errorf("HTTP/2 %v: got status %d, body %q and %v, want a broken one", http2, resp.StatusCode, b, err)
			}
			wantElapsed(t, begin, time.Second)
		}
		seen.want(t, firebreak.Failure, firebreak.Failure)
		_ = bufio.NewReader
	})
}
