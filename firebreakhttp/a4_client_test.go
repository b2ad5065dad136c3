package firebreakhttp_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
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

// errCanceled is what net/http's transport says of a request whose Cancel channel
// was closed.
var errCanceled = errors.New("net/http: request canceled")

// legacyHang hangs like a transport that heeds Request.Cancel and not the context.
func legacyHang() step {
	return func(tr *try) (*http.Response, error) {
		<-tr.req.Cancel //nolint:staticcheck // what is tested
		return nil, errCanceled
	}
}

// bothHang hangs like net/http's transport: the context or Request.Cancel, the
// faster of both.
func bothHang() step {
	return func(tr *try) (*http.Response, error) {
		select {
		case <-tr.ctx.Done():
			return nil, context.Cause(tr.ctx)
		case <-tr.req.Cancel: //nolint:staticcheck // what is tested
			return nil, errCanceled
		}
	}
}

// legacyStall answers with a body that stalls until Request.Cancel is closed.
func legacyStall() step {
	return func(tr *try) (*http.Response, error) {
		canceled := tr.req.Cancel //nolint:staticcheck // what is tested
		return response(200, track(1000, func(b *tracked) io.Reader {
			return readerFunc(func([]byte) (int, error) {
				select {
				case <-canceled:
					return 0, errCanceled
				case <-b.closed:
					return 0, http.ErrBodyReadAfterClose
				}
			})
		})), nil
	}
}

// Behaviour 62: "For an unknown RoundTripper type setRequestCancel sets both a
// context deadline and the legacy req.Cancel channel, by two timers. R: check both;
// treat `net/http: request canceled` with req.Cancel closed as the caller's end: no
// retry [...]; and the own error must say Timeout(), because http.Client's own flag
// races with the context timer. T: 40 runs in synctest." A deadline of the caller's
// counts as a failure, unless the breaker has a FairTime (behaviour 65).
func TestA4_62_ClientTimeout(t *testing.T) {
	for _, tt := range []struct {
		name  string
		base  step
		tries int
	}{
		{"a base that heeds the context", hang(), 1},
		{"a base that returns the cause", causeHang(), 1},
		{"a base that heeds Request.Cancel", legacyHang(), 1},
		{"a base that heeds both", bothHang(), 1},
		{"a body that heeds the context", stall(200, "x"), 1},
		{"a body that heeds Request.Cancel", legacyStall(), 1},
		{"in the second attempt", nil, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for run := range 40 {
				synctest.Test(t, func(t *testing.T) {
					begin, seen := time.Now(), &witness{}
					base := script(tt.base)
					if tt.base == nil {
						base = script(fail(io.ErrUnexpectedEOF), bothHang())
					}
					rt := firebreakhttp.Transport(base, firebreak.New("test",
						timeout.New(time.Minute), retrying(3, time.Second), seen, timeout.New(30*time.Second)))
					client := &http.Client{Transport: rt, Timeout: 5 * time.Second}
					resp, err := client.Do(newRequest(t, "GET", nil))
					if err == nil {
						_, err = io.ReadAll(resp.Body)
						resp.Body.Close()
					}
					wantElapsed(t, begin, 5*time.Second)
					base.wantTries(t, tt.tries)
					if e, ok := err.(interface{ Timeout() bool }); !ok || !e.Timeout() {
						t.Fatalf("run %d: error %v (%T), want one whose Timeout is true", run, err, err)
					}
					if _, ours := errors.AsType[*timeout.Error](err); ours {
						t.Errorf("run %d: error %v, want the caller's timeout, not one of a policy", run, err)
					}
					if classes := seen.classes(); classes[len(classes)-1] != firebreak.Failure {
						t.Errorf("run %d: attempts ended as %v, want a failure: the caller's deadline", run, classes)
					}
				})
			}
		})
	}
	t.Run("in the backoff", func(t *testing.T) {
		for run := range 40 {
			synctest.Test(t, func(t *testing.T) {
				begin, base := time.Now(), script(fail(io.ErrUnexpectedEOF))
				rt := firebreakhttp.Transport(base, firebreak.New("test", timeout.New(time.Minute), retrying(3, 10*time.Second)))
				_, err := (&http.Client{Transport: rt, Timeout: 5 * time.Second}).Do(newRequest(t, "GET", nil))
				wantElapsed(t, begin, 0) // the wait would not end in time: it is not begun
				base.wantTries(t, 1)
				if !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("run %d: error %v, want what the attempt ended with", run, err)
				}
			})
		}
	})
}

// Behaviour 63: "req.Cancel in the backoff. R: select on it."
func TestA4_63_RequestCancel(t *testing.T) {
	for _, tt := range []struct {
		name    string
		base    step
		classes []firebreak.Class
	}{
		{"in the backoff", fail(io.ErrUnexpectedEOF), []firebreak.Class{firebreak.Failure}},
		{"in an attempt", legacyHang(), []firebreak.Class{firebreak.Ignored}},
		{"in the body", legacyStall(), []firebreak.Class{firebreak.Ignored}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin, seen, base := time.Now(), &witness{}, script(tt.base)
				canceled := make(chan struct{})
				time.AfterFunc(time.Second, func() { close(canceled) })
				req := newRequest(t, "GET", nil)
				req.Cancel = canceled //nolint:staticcheck // what is tested
				rt := firebreakhttp.Transport(base, firebreak.New("test",
					timeout.New(time.Minute), retrying(3, 10*time.Second), seen, timeout.New(30*time.Second)))
				resp, err := send(t, rt, req)
				if err == nil {
					_, err = io.ReadAll(resp.Body)
				}
				wantElapsed(t, begin, time.Second)
				base.wantTries(t, 1)
				if !errors.Is(err, context.Canceled) {
					t.Errorf("error %v, want one that is %v", err, context.Canceled)
				}
				seen.want(t, tt.classes...)
			})
		})
	}
	t.Run("before the start", func(t *testing.T) {
		canceled := make(chan struct{})
		close(canceled)
		body, base := newTracked("body"), script(status(200))
		req := newRequest(t, "PUT", body)
		req.Cancel = canceled //nolint:staticcheck // what is tested
		if err := mustFail(t, firebreakhttp.Transport(base, firebreak.New("test")), req); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want one that is %v", err, context.Canceled)
		}
		base.wantTries(t, 0)
		body.wantClosed(t, "the request body")
	})
}

// Behaviour 64: "Caller cancels = ignore for breaker, limiter and budget."
func TestA4_64_CallerCancelsIsIgnored(t *testing.T) {
	for _, tt := range []struct {
		name string
		base step
	}{
		{"in an attempt", hang()},
		{"in an attempt of net/http", causeHang()},
		{"in an attempt that fails otherwise at that moment", func(tr *try) (*http.Response, error) {
			<-tr.ctx.Done()
			return nil, io.ErrUnexpectedEOF
		}},
		{"in the body", stall(200, "x")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				budget := retry.NewBudget(retry.BudgetConfig{})
				b := breaker.New(breaker.Config{ConsecutiveFailures: 1})
				slots := bulkhead.New(bulkhead.Config{MaxCalls: 1})
				seen := &witness{}
				rt := firebreakhttp.Transport(script(tt.base), firebreak.New("test",
					retry.New(retry.Config{Budget: budget}), b, slots, seen))
				before := budget.Available()
				for range 20 {
					ctx, cancel := context.WithCancelCause(t.Context())
					time.AfterFunc(time.Millisecond, func() { cancel(io.ErrClosedPipe) })
					if resp, err := send(t, rt, newRequest(t, "GET", nil).WithContext(ctx)); err == nil {
						_, _ = io.ReadAll(resp.Body)
					}
				}
				if got := b.State(); got != breaker.Closed {
					t.Errorf("breaker is %v after 20 impatient callers, want %v", got, breaker.Closed)
				}
				for i, class := range seen.classes() {
					if class != firebreak.Ignored {
						t.Errorf("attempt %d ended as %v, want %v", i+1, class, firebreak.Ignored)
					}
				}
				slots.Report(func(s firebreak.Status) {
					if s.InFlight != 0 {
						t.Errorf("%d slots are taken, want none", s.InFlight)
					}
				})
				if tt.name == "in the body" {
					return // the answer was a success: it pays
				}
				if got := budget.Available(); got != before {
					t.Errorf("budget is %v after 20 impatient callers, want %v", got, before)
				}
			})
		})
	}
}

// Behaviour 65: "A passed caller deadline counts as failure only if the caller gave
// it a fair time (option; default: count)."
func TestA4_65_CallersDeadlineCounts(t *testing.T) {
	for _, tt := range []struct {
		fair, caller time.Duration
		want         breaker.State
	}{
		{0, time.Millisecond, breaker.Open},
		{time.Second, 999 * time.Millisecond, breaker.Closed},
		{time.Second, time.Second, breaker.Open},
	} {
		for _, base := range []step{hang(), stall(200, "x")} {
			synctest.Test(t, func(t *testing.T) {
				b := breaker.New(breaker.Config{ConsecutiveFailures: 1, FairTime: tt.fair})
				ctx, cancel := context.WithTimeout(t.Context(), tt.caller)
				defer cancel()
				rt := firebreakhttp.Transport(script(base), firebreak.New("test", b))
				resp, err := send(t, rt, newRequest(t, "GET", nil).WithContext(ctx))
				if err == nil {
					_, err = io.ReadAll(resp.Body)
				}
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("error %v, want one that is %v", err, context.DeadlineExceeded)
				}
				if got := b.State(); got != tt.want {
					t.Errorf("FairTime %v, caller waited %v: breaker is %v, want %v", tt.fair, tt.caller, got, tt.want)
				}
			})
		}
	}
}

// Behaviour 66: "timer fires while the base returns. R: one winner by one
// atomic/lock; the loser's resources closed. T: -race loop with equal times."
func TestA4_66_TimeoutRacesSuccess(t *testing.T) {
	answered, expired := 0, 0
	for run := range 200 {
		synctest.Test(t, func(t *testing.T) {
			body := newTracked("just in time")
			slots := bulkhead.New(bulkhead.Config{MaxCalls: 1})
			base := script(func(*try) (*http.Response, error) { // deaf to its context
				time.Sleep(time.Second)
				return response(200, body), nil
			})
			rt := firebreakhttp.Transport(base, firebreak.New("test", retrying(1, 0), slots, timeout.New(time.Second)))
			resp, err := send(t, rt, newRequest(t, "GET", nil))
			switch {
			case err == nil:
				answered++
				if got, err := io.ReadAll(resp.Body); string(got) != "just in time" {
					t.Errorf("run %d: body %q and %v, want all of it", run, got, err)
				}
				resp.Body.Close()
			case errors.Is(err, context.DeadlineExceeded):
				expired++
			default:
				t.Errorf("run %d: error %v, want a timeout", run, err)
			}
			body.wantClosed(t, "the body")
			slots.Report(func(s firebreak.Status) {
				if s.InFlight != 0 {
					t.Errorf("run %d: %d slots are taken, want none", run, s.InFlight)
				}
			})
		})
	}
	t.Logf("%d answers, %d timeouts", answered, expired)
}

// Behaviour 67: "Goroutine-free. R: no goroutine per call; timers via context or
// AfterFunc stopped at end. T: NumGoroutine after 200 mixed calls." A bubble of
// synctest ends only when no goroutine is left in it.
func TestA4_67_NoGoroutines(t *testing.T) {
	during := 0
	count := func(s step) step {
		return func(tr *try) (*http.Response, error) {
			during = max(during, runtime.NumGoroutine())
			return s(tr)
		}
	}
	base := script(
		count(status(200)), count(status(503)), count(status(200)), count(fail(io.ErrUnexpectedEOF)), count(status(404)),
		count(func(*try) (*http.Response, error) { return response(200, newBroken("x", io.ErrUnexpectedEOF)), nil }),
	)
	base.steps = slices.Repeat(base.steps, 100)
	rt := firebreakhttp.Transport(base, firebreak.New("test",
		timeout.New(time.Hour), retrying(3, time.Microsecond), breaker.New(breaker.Config{ConsecutiveFailures: 1000, FailureRatio: 1}),
		bulkhead.New(bulkhead.Config{}), timeout.New(time.Minute)))
	before := runtime.NumGoroutine()
	for range 200 {
		if resp, err := send(t, rt, newRequest(t, "GET", nil)); err == nil {
			_, _ = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines after 200 calls, %d before", after, before)
	}
	if during > before {
		t.Errorf("%d goroutines in the middle of a call, %d before", during, before)
	}
}

// Behaviour 68: "server refuses all h2 streams. http2Transport retries by itself
// 7 times with 1 s, 2 s, 4 s ... R: a per-try timeout bounds it; document. T: framer
// server refusing all."
func TestA4_68_HiddenBackoffIsBounded(t *testing.T) {
	for _, tt := range []struct {
		name   string
		policy firebreak.Policy
		atMost time.Duration
		over   time.Duration
	}{
		{"without a timeout", timeout.Unbounded("shows what the transport does by itself"), 2 * time.Minute, 20 * time.Second},
		{"with one", timeout.New(2 * time.Second), 2 * time.Second, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := &h2Server{answer: func(c *h2Conn, stream uint32, _ int) { c.reset(stream, h2RefusedStream) }}
				tr := server.transport()
				defer server.stop()
				begin := time.Now()
				err := mustFail(t, firebreakhttp.Transport(tr, firebreak.New("test", tt.policy)), newRequest(t, "GET", nil))
				if got := time.Since(begin); got > tt.atMost || got < tt.over {
					t.Errorf("took %v and ended with %v, want %v to %v", got, err, tt.over, tt.atMost)
				}
			})
		})
	}
}

// race is a policy of a user's own that makes two attempts at once and returns the
// first answer.
type race struct{}

func (race) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	type answer struct {
		result any
		err    error
		cancel context.CancelFunc
	}
	answers := make(chan answer)
	var wg sync.WaitGroup
	for n := range 2 {
		inner, cancel := context.WithCancel(ctx)
		c := c
		c.Attempt = n + 1
		wg.Go(func() {
			result, err := next(inner, c)
			answers <- answer{result, err, cancel}
		})
	}
	first := <-answers
	second := <-answers
	wg.Wait()
	firebreak.Discard(second.result)
	second.cancel()
	if p, ok := first.result.(firebreak.Pending); ok {
		p.OnDone(func(firebreak.Outcome) { first.cancel() })
	} else {
		first.cancel()
	}
	return first.result, first.err
}

// Behaviour 69: "Early cancel of siblings. S: hedging or first-of-n. R: cancel
// losers' contexts and close their bodies; each has its own header/reply targets."
// firebreak has no hedging policy yet; one of the user's must find what it needs.
func TestA4_69_SiblingsShareNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bodies := []*tracked{newTracked("one"), newTracked("two")}
		answer := func(body *tracked) step {
			return func(tr *try) (*http.Response, error) {
				tr.req.Header.Set("X-Signed", tr.req.Header.Get(firebreakhttp.AttemptHeader)) // a signing base
				return response(200, body), nil
			}
		}
		base := script(answer(bodies[0]), answer(bodies[1]))
		slots := bulkhead.New(bulkhead.Config{MaxCalls: 2})
		req := newRequest(t, "GET", nil)
		resp := mustSend(t, firebreakhttp.Transport(base, firebreak.New("test", timeout.New(time.Minute), race{}, slots)), req, 200)
		got := content(t, resp.Body)
		for _, body := range bodies {
			body.wantClosed(t, "a body")
		}
		if got != "one" && got != "two" {
			t.Errorf("body %q, want that of one attempt", got)
		}
		for i, tr := range base.tries() {
			if tr.ctx.Err() == nil {
				t.Errorf("the context of try %d lives on", i+1)
			}
		}
		if len(req.Header) != 0 {
			t.Errorf("the caller's header became %v", req.Header)
		}
		slots.Report(func(s firebreak.Status) {
			if s.InFlight != 0 {
				t.Errorf("%d slots are taken, want none", s.InFlight)
			}
		})
	})
}

// Errors name what ended the call, but never payload, URL or header (behaviour 233).
func TestA12_233_ErrorsHoldNoPayload(t *testing.T) {
	const secret = "s3cr3t"
	request := func(t *testing.T, method string) *http.Request {
		t.Helper()
		req := newRequest(t, method, io.NopCloser(strings.NewReader("body="+secret)))
		req.URL = &url.URL{Scheme: "http", User: url.UserPassword("user", secret), Host: "dependency.test", Path: "/" + secret, RawQuery: "token=" + secret}
		req.Header.Set("Authorization", secret)
		return req
	}
	leaky := func(*try) (*http.Response, error) { // as an http.Client inside of a base fails
		return nil, &url.Error{Op: "Get", URL: "http://dependency.test/?token=" + secret, Err: io.ErrUnexpectedEOF}
	}
	answer := respond(503, newTracked(secret), "Set-Cookie", secret)
	for _, tt := range []struct {
		name string
		base step
	}{
		{"timeout", hang()},
		{"open, after statuses", answer},
		{"open, after resets", fail(io.ErrUnexpectedEOF)},
		{"open, after errors that say too much", leaky},
		{"neither", func(*try) (*http.Response, error) { return nil, nil }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var texts []string
				rt := firebreakhttp.Transport(script(tt.base), firebreak.New("test",
					retrying(2, 0), breaker.New(breaker.Config{ConsecutiveFailures: 2}), bulkhead.New(bulkhead.Config{}), timeout.New(time.Second)))
				for range 5 {
					for _, method := range []string{"GET", "PUT", "POST"} {
						resp, err := send(t, rt, request(t, method))
						if err != nil {
							if _, own := errors.AsType[*firebreak.RejectedError](err); own || tt.name != "open, after errors that say too much" {
								texts = append(texts, err.Error())
							}
							continue
						}
						resp.Body.Close()
					}
				}
				if len(texts) == 0 {
					t.Fatal("no errors, want some")
				}
				for _, text := range texts {
					if strings.Contains(text, secret) || strings.Contains(text, "dependency.test/") {
						t.Errorf("error %q, want one without payload, URL or header", text)
					}
				}
			})
		})
	}
}
