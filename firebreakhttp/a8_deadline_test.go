package firebreakhttp_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakhttp"
	"github.com/firebreak-go/firebreak/timeout"
)

func anybody(*http.Request) bool { return true }

// "Deadline header in (Request-Timeout, x-envoy-expected-rq-timeout-ms): from trusted
// callers only; min(header, own max); 0, negative, garbage, huge ignored or 400; counted
// from arrival, not from dequeue. T: table."
func TestA8_145_DeadlineHeaderIn(t *testing.T) {
	const own = 10 * time.Second
	ms, envoy, grpc := "Request-Timeout-Ms", "X-Envoy-Expected-Rq-Timeout-Ms", "Grpc-Timeout"
	for _, c := range []struct {
		header []string
		want   time.Duration
	}{
		{nil, own},
		{[]string{ms, "1500"}, 1500 * time.Millisecond},
		{[]string{ms, "1"}, time.Millisecond},
		{[]string{ms, "007"}, 7 * time.Millisecond},
		{[]string{ms, "60000"}, own},
		{[]string{ms, "0"}, own},
		{[]string{ms, "-1"}, own},
		{[]string{ms, "+1"}, own},
		{[]string{ms, "1.5"}, own},
		{[]string{ms, "1e3"}, own},
		{[]string{ms, "1s"}, own},
		{[]string{ms, "soon"}, own},
		{[]string{ms, ""}, own},
		{[]string{ms, "0x10"}, own},
		{[]string{ms, "１"}, own},
		{[]string{ms, "1000000000000000000"}, own},
		{[]string{ms, "9223372036854775808"}, own},
		{[]string{ms, strings.Repeat("9", 10_000)}, own},
		{[]string{envoy, "250"}, 250 * time.Millisecond},
		{[]string{envoy, "-250"}, own},
		{[]string{grpc, "1H"}, own},
		{[]string{grpc, "99999999H"}, own},
		{[]string{grpc, "1M"}, own},
		{[]string{grpc, "2S"}, 2 * time.Second},
		{[]string{grpc, "300m"}, 300 * time.Millisecond},
		{[]string{grpc, "400u"}, 400 * time.Microsecond},
		{[]string{grpc, "99999999n"}, 99999999},
		{[]string{grpc, "123456789n"}, own},
		{[]string{grpc, "0S"}, own},
		{[]string{grpc, "S"}, own},
		{[]string{grpc, "2"}, own},
		{[]string{grpc, "2s"}, own},
		{[]string{grpc, "-2S"}, own},
		{[]string{ms, "3000", envoy, "2000", grpc, "1S"}, time.Second},
		{[]string{ms, "1000", envoy, "2000", grpc, "3S"}, time.Second},
		{[]string{ms, "x", envoy, "2000"}, 2 * time.Second},
		{[]string{ms, "3000", ms, "2000"}, 2 * time.Second},
	} {
		for _, trusted := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				begin, want := time.Now(), own
				if trusted {
					want = c.want
				}
				h := firebreakhttp.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					if at, _ := r.Context().Deadline(); at.Sub(begin) != want {
						t.Errorf("trusted %v, %v: got a deadline after %v, want %v", trusted, c.header, at.Sub(begin), want)
					}
					<-r.Context().Done()
				}), firebreak.New("server", timeout.New(own)), firebreakhttp.Trust(func(*http.Request) bool { return trusted }))
				w := get(h, "/", c.header...)
				wantStatus(t, w, 503, "after the deadline")
				wantElapsed(t, begin, want)
			})
		}
	}
}

// By default nobody is trusted.
func TestA8_145_NobodyIsTrusted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := handle(func(_ http.ResponseWriter, r *http.Request) {
			if at, _ := r.Context().Deadline(); time.Until(at) != time.Second || firebreak.PriorityOf(r.Context()) != firebreak.PriorityDefault {
				t.Errorf("got deadline in %v and priority %v, want those of the server", time.Until(at), firebreak.PriorityOf(r.Context()))
			}
		}, second())
		get(h, "/", "Request-Timeout-Ms", "5", "Firebreak-Priority", "critical")
	})
}

// "Counted from arrival, not from dequeue", and a wait in the queue ends with it.
func TestA8_145_CountedFromArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slots := bulkhead.New(bulkhead.Config{MaxCalls: 1, MaxQueue: 5, MaxWait: time.Minute})
		h := firebreakhttp.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/first" {
				time.Sleep(time.Second)
				return
			}
			<-r.Context().Done()
		}), firebreak.New("server", slots, timeout.New(10*time.Second)), firebreakhttp.Trust(anybody))
		begin := time.Now()
		go get(h, "/first")
		synctest.Wait()
		go func() {
			wantStatus(t, get(h, "/impatient", "Request-Timeout-Ms", "500"), 503, "a deadline that passes in the queue")
			wantElapsed(t, begin, 500*time.Millisecond)
		}()
		wantStatus(t, get(h, "/second", "Request-Timeout-Ms", "1500"), 503, "a deadline that passes in the handler")
		wantElapsed(t, begin, 1500*time.Millisecond)
	})
}

// "Deadline header out: remaining time minus a margin, recomputed per try; never forward
// the inbound value."
func TestA8_146_DeadlineHeaderOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := script(after(2*time.Second, status(503)), after(time.Second, status(503)), status(200))
		stack := firebreak.New("client", timeout.New(10*time.Second), retrying(3, time.Second), timeout.New(6*time.Second))
		rt := firebreakhttp.Transport(base, stack, firebreakhttp.Propagate())
		req := newRequest(t, "GET", nil)
		req.Header.Set("Request-Timeout-Ms", "123456") // of an inbound request, through a proxy
		req.Header.Set("Firebreak-Priority", "critical")
		req = req.WithContext(firebreak.WithPriority(req.Context(), firebreak.PriorityDegraded))
		content(t, mustSend(t, rt, req, 200).Body)
		var got []string
		for _, tr := range base.tries() {
			got = append(got, tr.req.Header.Get("Request-Timeout-Ms")+" "+tr.req.Header.Get("Firebreak-Priority"))
		}
		// each less 10ms: the attempt's 6s, the attempt's 6s of 7s that are left, 5s of the call
		if want := []string{"5990 degraded", "5990 degraded", "4990 degraded"}; !cmp.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if req.Header.Get("Request-Timeout-Ms") != "123456" {
			t.Errorf("the caller's header was changed: %v", req.Header)
		}
	})
}

func TestA8_146_WhatIsSent(t *testing.T) {
	for _, c := range []struct {
		left     time.Duration
		priority firebreak.Priority
		options  []firebreakhttp.Option
		want     string
	}{
		{time.Second, 0, nil, " "},
		{time.Second, firebreak.PriorityCritical, nil, " "},
		{time.Second, 0, []firebreakhttp.Option{firebreakhttp.Propagate()}, "990 "},
		{time.Second, firebreak.PriorityCritical, []firebreakhttp.Option{firebreakhttp.Propagate()}, "990 critical"},
		{time.Second, firebreak.PriorityBestEffort, []firebreakhttp.Option{firebreakhttp.Propagate()}, "990 best-effort"},
		{10 * time.Millisecond, 0, []firebreakhttp.Option{firebreakhttp.Propagate()}, "9 "},
		{time.Millisecond, 0, []firebreakhttp.Option{firebreakhttp.Propagate()}, " "},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(firebreak.WithPriority(t.Context(), c.priority), c.left)
			defer cancel()
			base := script(status(200))
			rt := firebreakhttp.Transport(base, firebreak.New("client"), c.options...)
			content(t, mustSend(t, rt, newRequest(t, "GET", nil).WithContext(ctx), 200).Body)
			header := base.tries()[0].req.Header
			if got := header.Get("Request-Timeout-Ms") + " " + header.Get("Firebreak-Priority"); got != c.want {
				t.Errorf("with %v left, priority %v and %d options: got %q, want %q", c.left, c.priority, len(c.options), got, c.want)
			}
		})
	}
}

// From the client of one to the next, the deadline gets shorter and the priority stays.
func TestA8_146_AlongAChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var deadlines []time.Duration
		begin := time.Now()
		h := http.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			at, _ := r.Context().Deadline()
			deadlines = append(deadlines, at.Sub(begin))
			if p := firebreak.PriorityOf(r.Context()); p != firebreak.PriorityCritical {
				t.Errorf("the priority is %v, want critical", p)
			}
		}))
		for range 3 {
			next := firebreakhttp.Handler(h, firebreak.New("server", timeout.New(time.Minute)), firebreakhttp.Trust(anybody))
			base := roundTripper(func(req *http.Request) (*http.Response, error) { return serveTo(next, req).Result(), nil })
			rt := firebreakhttp.Transport(base, firebreak.New("client", timeout.New(time.Minute)), firebreakhttp.Propagate())
			h = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				req, err := http.NewRequestWithContext(r.Context(), "GET", "http://server.test/", nil)
				if err != nil {
					t.Fatal(err)
				}
				content(t, mustSend(t, rt, req, 200).Body)
			})
		}
		r := incoming("GET", "/")
		ctx, cancel := context.WithTimeout(firebreak.WithPriority(r.Context(), firebreak.PriorityCritical), time.Second)
		defer cancel()
		wantStatus(t, serveTo(h, r.WithContext(ctx)), 200, "a chain")
		if want := []time.Duration{970 * time.Millisecond}; !cmp.Equal(deadlines, want) {
			t.Errorf("got deadlines %v, want %v", deadlines, want)
		}
	})
}

// "Dead on arrival: deadline passed, or less than the known minimum service time: refuse
// before the handler. T: Deadline 1 ms, minimum 50 ms: handler must not run."
func TestA8_147_DeadOnArrival(t *testing.T) {
	for _, c := range []struct {
		left, minimum time.Duration // 0 for none
		runs          bool
	}{
		{time.Millisecond, 50 * time.Millisecond, false},
		{49 * time.Millisecond, 50 * time.Millisecond, false},
		{50 * time.Millisecond, 50 * time.Millisecond, true},
		{time.Millisecond, 0, true},
		{-time.Millisecond, 0, false},
		{0, 0, true},
		{0, 50 * time.Millisecond, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			events := make(chan firebreak.Event, 10)
			defer firebreak.Subscribe(func(e firebreak.Event) { events <- e })()
			ran, slots, seen := false, one(), new(witness)
			options := []firebreakhttp.HandlerOption{firebreakhttp.Trust(anybody)}
			if c.minimum > 0 {
				options = append(options, firebreakhttp.MinTime(c.minimum))
			}
			h := firebreakhttp.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { ran = true }), firebreak.New("server", seen, slots), options...)
			r := incoming("GET", "/")
			switch {
			case c.left > 0:
				r.Header.Set("Request-Timeout-Ms", fmt.Sprint(c.left.Milliseconds()))
			case c.left < 0: // a server in front of the Handler has set it
				ctx, cancel := context.WithDeadline(r.Context(), time.Now().Add(c.left))
				defer cancel()
				r = r.WithContext(ctx)
			}
			w := serveTo(h, r)
			synctest.Wait()
			if ran != c.runs {
				t.Errorf("%+v: the handler ran: %v", c, ran)
			}
			if c.runs {
				wantStatus(t, w, 200, "in time")
				return
			}
			wantStatus(t, w, 503, "dead on arrival")
			seen.want(t)
			if len(events) != 1 {
				t.Fatalf("%d events, want the rejection", len(events))
			}
			if e := <-events; e.Kind != firebreak.EventReject || e.Policy != "deadline" || e.Reason != "dead_on_arrival" || e.Stack != "server" || e.Op != "GET" {
				t.Errorf("got %+v, want a rejection", e)
			}
		})
	}
}

// Priorities: of a trusted caller's header, else of a function of the user's, else of the
// context.
func TestPriorityIn(t *testing.T) {
	byRoute := firebreakhttp.PriorityBy(func(r *http.Request) firebreak.Priority {
		if r.URL.Path == "/batch" {
			return firebreak.PriorityBestEffort
		}
		return firebreak.PriorityDefault
	})
	for _, c := range []struct {
		path, header string
		options      []firebreakhttp.HandlerOption
		want         firebreak.Priority
	}{
		{"/", "critical", nil, firebreak.PriorityDefault},
		{"/", "critical", []firebreakhttp.HandlerOption{firebreakhttp.Trust(anybody)}, firebreak.PriorityCritical},
		{"/", "0", []firebreakhttp.HandlerOption{firebreakhttp.Trust(anybody)}, firebreak.PriorityCritical},
		{"/", "3", []firebreakhttp.HandlerOption{firebreakhttp.Trust(anybody)}, firebreak.PriorityBestEffort},
		{"/", "4", []firebreakhttp.HandlerOption{firebreakhttp.Trust(anybody)}, firebreak.PriorityDefault},
		{"/", "-1", []firebreakhttp.HandlerOption{firebreakhttp.Trust(anybody)}, firebreak.PriorityDefault},
		{"/", "CRITICAL", []firebreakhttp.HandlerOption{firebreakhttp.Trust(anybody)}, firebreak.PriorityDefault},
		{"/", strings.Repeat("0", 10_000), []firebreakhttp.HandlerOption{firebreakhttp.Trust(anybody)}, firebreak.PriorityDefault},
		{"/batch", "", []firebreakhttp.HandlerOption{byRoute}, firebreak.PriorityBestEffort},
		{"/batch", "critical", []firebreakhttp.HandlerOption{byRoute}, firebreak.PriorityBestEffort},
		{"/batch", "critical", []firebreakhttp.HandlerOption{byRoute, firebreakhttp.Trust(anybody)}, firebreak.PriorityCritical},
		{"/batch", "default", []firebreakhttp.HandlerOption{byRoute, firebreakhttp.Trust(anybody)}, firebreak.PriorityDefault},
		{"/batch", "whatever", []firebreakhttp.HandlerOption{byRoute, firebreakhttp.Trust(anybody)}, firebreak.PriorityBestEffort},
	} {
		seen := firebreak.Priority(99)
		policy := policyFunc(func(ctx context.Context, call firebreak.Call, next firebreak.Handler) (any, error) {
			seen = firebreak.PriorityOf(ctx)
			return next(ctx, call)
		})
		get(firebreakhttp.Handler(http.NotFoundHandler(), firebreak.New("server", policy), c.options...), c.path, "Firebreak-Priority", c.header)
		if seen != c.want {
			t.Errorf("%s with %q and %d options: got %v, want %v", c.path, c.header, len(c.options), seen, c.want)
		}
	}
}

// A request that is itself a retry is not retried further on: retries would multiply along
// a chain.
func TestInboundRetriesAreNotRetried(t *testing.T) {
	for value, want := range map[string]int{
		"": 3, "2": 1, "3": 1, "1": 3, "0": 3, "-2": 3, "two": 3, "2.0": 3, strings.Repeat("9", 1000): 3,
	} {
		synctest.Test(t, func(t *testing.T) {
			base := script(status(503))
			rt := firebreakhttp.Transport(base, firebreak.New("client", retrying(3, time.Second)))
			h := handle(func(_ http.ResponseWriter, r *http.Request) {
				req, err := http.NewRequestWithContext(r.Context(), "GET", "http://dependency.test/", nil)
				if err != nil {
					t.Fatal(err)
				}
				content(t, mustSend(t, rt, req, 503).Body)
			})
			r := incoming("GET", "/")
			if value != "" {
				r.Header.Set("Firebreak-Attempt", value)
			}
			serveTo(h, r)
			base.wantTries(t, want)
		})
	}
}
