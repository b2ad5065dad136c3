package firebreakhttp_test

import (
	"io"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakhttp"
	"github.com/firebreak-go/firebreak/retry"
	"github.com/firebreak-go/firebreak/timeout"
)

// five is the Stack of the documentation, with limits that nothing here reaches.
func five() *firebreak.Stack {
	return firebreak.New("test", timeout.New(2*time.Hour), retry.New(retry.Config{}), breaker.New(breaker.Config{}),
		bulkhead.New(bulkhead.Config{MaxCalls: 64}), timeout.New(time.Hour))
}

// "Timers: Stop in all paths ... B: leaked AfterFunc keeps response bodies alive."
// With timeouts of an hour, a body that was read is garbage at once.
func TestA12_222_NoTimerKeepsABodyAlive(t *testing.T) {
	const calls = 100
	var freed atomic.Int32
	base := script(func(tr *try) (*http.Response, error) {
		body := newTracked("hello")
		runtime.AddCleanup(body, func(struct{}) { freed.Add(1) }, struct{}{})
		return response(http.StatusOK, body), nil
	})
	stack := five()
	rt := firebreakhttp.Transport(forgetful{base}, stack)
	for range calls {
		resp := mustSend(t, rt, newRequest(t, http.MethodGet, nil), http.StatusOK)
		content(t, resp.Body)
	}
	for range 50 { // cleanups run in a goroutine of the runtime's
		runtime.GC()
		if freed.Load() >= calls-1 {
			break
		}
		runtime.Gosched()
	}
	if got := freed.Load(); got < calls-1 { // the last one may still be in a register
		t.Errorf("%d of %d bodies were freed, want all: a timer holds them", got, calls)
	}
	runtime.KeepAlive(stack)
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
