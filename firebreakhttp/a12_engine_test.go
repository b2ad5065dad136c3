package firebreakhttp_test

import (
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakhttp"
	"github.com/firebreak-go/firebreak/retry"
	"github.com/firebreak-go/firebreak/timeout"
)

// "Timers: Stop in all paths; nothing left running after Close." With timeouts of an
// hour, the context of each attempt, whose timer that is, is over when its body is.
func TestA12_222_NoTimerOutlivesItsAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := script(status(503), fail(io.ErrUnexpectedEOF), status(200), status(404), fail(io.EOF), stall(500, "sorry"), stall(200, "hello"))
		stack := firebreak.New("test", timeout.New(2*time.Hour), retrying(3, time.Second), breaker.New(breaker.Config{}),
			bulkhead.New(bulkhead.Config{MaxCalls: 1}), timeout.New(time.Hour))
		rt := firebreakhttp.Transport(base, stack)
		for _, read := range []bool{true, true, false, false} {
			resp, err := send(t, rt, newRequest(t, http.MethodGet, nil))
			if err != nil {
				t.Fatal(err)
			}
			if read {
				content(t, resp.Body)
			}
			_ = resp.Body.Close()
		}
		base.wantTries(t, 7)
		for i, tr := range base.tries() {
			if tr.ctx.Err() == nil {
				t.Errorf("the context of attempt %d is alive after its end, want its timer stopped", i+1)
			}
		}
	})
}

// forgetful keeps nothing of what its base did.
type forgetful struct{ base *scriptedBase }

func (f forgetful) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := f.base.RoundTrip(req)
	f.base.mu.Lock()
	f.base.log = nil
	f.base.mu.Unlock()
	return resp, err
}

// "Data races under -race in every case: Timeout around the default HTTP retry races
// on execution.lastResult."
func TestA12_232_PoliciesUnderConcurrency(t *testing.T) {
	base := script(func(tr *try) (*http.Response, error) {
		switch tr.begin.UnixNano() % 4 {
		case 0:
			return status(http.StatusServiceUnavailable)(tr)
		case 1:
			return nil, io.ErrUnexpectedEOF
		case 2:
			return hang()(tr)
		default:
			return status(http.StatusOK)(tr)
		}
	})
	stack := firebreak.New("test",
		timeout.New(30*time.Millisecond),
		retry.New(retry.Config{BaseDelay: time.Millisecond, ThrottledBaseDelay: time.Millisecond, MaxDelay: 2 * time.Millisecond}),
		breaker.New(breaker.Config{OpenFor: time.Millisecond, MaxOpenFor: 2 * time.Millisecond}),
		bulkhead.New(bulkhead.Config{MaxCalls: 8, MaxQueue: 8, MaxWait: 5 * time.Millisecond}),
		timeout.New(5*time.Millisecond),
	)
	rt := firebreakhttp.Transport(forgetful{base}, stack)
	var callers sync.WaitGroup
	for range 32 {
		callers.Go(func() {
			for range 20 {
				resp, err := send(t, rt, newRequest(t, http.MethodGet, nil))
				if err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
			}
		})
	}
	callers.Wait()
	stack.Report(func(s firebreak.Status) {
		if s.Policy == "bulkhead" && (s.InFlight != 0 || s.Waiting != 0) {
			t.Errorf("after all calls %d are in flight and %d wait, want none", s.InFlight, s.Waiting)
		}
	})
}
