package bench

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/internal/adaptive"
	"github.com/firebreak-go/firebreak/retry"
	"github.com/firebreak-go/firebreak/shed"
	"github.com/firebreak-go/firebreak/timeout"
)

// Budgets of allocations, with no SDK of OpenTelemetry. Those of a round trip
// include the one of the base that answers.
const (
	maxAllocsDo        = 6
	maxAllocsRoundTrip = 14
	maxAllocsRejection = 2
	maxAllocsHandler   = 10
	maxAllocsRefusal   = 1 // of a Shed: the error that says it
	maxAllocsRefused   = 3 // of a request: that, the guard and the state of the call
	maxAllocsUnary     = 7 // four are the deadline's
	maxAllocsServed    = 8 // of a call over gRPC, that of the stub included
)

// maxKeyHeap is how many bytes of heap a key may take.
const maxKeyHeap = 1500

func TestAllocations(t *testing.T) {
	ctx := context.Background()
	stack := newFireStack(maxCalls)
	opened := newFireStack(maxCalls)
	opened.open()
	full := newFireStack(1)
	full.fill()
	transport := newFireTransport(reply{})
	req, buf := newRequest(ctx), make([]byte, 512)
	shedder, fullShedder, limiter := shed.New(shed.Config{}), newFullShed(t.Context()), newFullLimiter()
	waiter := &adaptive.Waiter{Wake: func() {}}
	handler := newFireHandler(t.Context(), http.HandlerFunc(short), false)
	fullHandler := newFireHandler(t.Context(), http.HandlerFunc(short), true)
	call, served, m := dialers[0].intercept(), serving[0].intercept(), wrapperspb.String("42")
	incoming, writer := newIncoming(t.Context()), &stubWriter{header: make(http.Header)}

	for _, tt := range []struct {
		name string
		most float64
		call func() error
		want error
	}{
		{"Do", maxAllocsDo, func() error { return only(stack.call(ctx)) }, nil},
		{"RoundTrip", maxAllocsRoundTrip, func() error { return exchange(transport, req, buf) }, nil},
		{"open breaker", maxAllocsRejection, func() error { return only(opened.call(ctx)) }, breaker.ErrOpen},
		{"full bulkhead", maxAllocsRejection, func() error { return only(full.call(ctx)) }, bulkhead.ErrFull},
		{"shed", 0, func() error { return shedCall(ctx, shedder) }, nil},
		{"full shed", maxAllocsRefusal, func() error { return shedCall(ctx, fullShedder) }, shed.ErrShed},
		{"full limiter", 0, func() error { return refuse(limiter, waiter) }, nil},
		{"handler", maxAllocsHandler, func() error { return writer.serve(handler, incoming, http.StatusOK) }, nil},
		{"full handler", maxAllocsRefused, func() error { return writer.serve(fullHandler, incoming, http.StatusServiceUnavailable) }, nil},
		{"gRPC call", maxAllocsUnary, func() error { return unary(ctx, call, invoke, m) }, nil},
		{"gRPC call that can be cancelled", maxAllocsUnary, func() error { return unary(t.Context(), call, invoke, m) }, nil},
		{"gRPC call served", maxAllocsServed, func() error { return serve(t.Context(), served, echo, m) }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.call(); !errors.Is(err, tt.want) {
				t.Fatalf("got error %v, want %v", err, tt.want)
			}
			got := testing.AllocsPerRun(200, func() { _ = tt.call() })
			if got > tt.most {
				t.Errorf("got %v allocations, want at most %v", got, tt.most)
			}
		})
	}
}

// Over gRPC firebreak makes at most half of the allocations of failsafe-go.
func TestAllocationsBesideFailsafe(t *testing.T) {
	m := wrapperspb.String("42")
	for name, call := range map[string]func(i int) func() error{
		"unary": func(i int) func() error {
			intercept := dialers[i].intercept()
			return func() error { return unary(context.Background(), intercept, invoke, m) }
		},
		"unary, for a caller who can cancel": func(i int) func() error {
			intercept := dialers[i].intercept()
			return func() error { return unary(t.Context(), intercept, invoke, m) }
		},
		"served": func(i int) func() error {
			intercept := serving[i].intercept()
			return func() error { return serve(t.Context(), intercept, echo, m) }
		},
	} {
		var got [2]float64
		for i := range got {
			f := call(i)
			got[i] = testing.AllocsPerRun(200, func() {
				if err := f(); err != nil {
					t.Fatalf("%s: got %v, want an answer", name, err)
				}
			})
		}
		t.Logf("%s: firebreak %v, failsafe-go %v", name, got[0], got[1])
		if got[0] > got[1]/2 {
			t.Errorf("%s: got %v allocations, want at most half of failsafe-go's %v", name, got[0], got[1])
		}
	}
}

// perHost is the policy of firebreakhttp.NewClient: one Stack for each host.
func perHost() *firebreak.KeyedPolicy {
	return firebreak.Keyed(firebreak.ByTarget, func(string) firebreak.Policy {
		return firebreak.New("bench", retry.New(retry.Config{}), breaker.New(breaker.Config{}), bulkhead.New(bulkhead.Config{}))
	})
}

// visit calls each of 1,000 hosts once.
func visit(tb testing.TB, s *firebreak.Stack) {
	tb.Helper()
	for _, host := range hostNames(1000) {
		atHost := func(c *firebreak.Call) { c.Target = host }
		if _, err := firebreak.Do(tb.Context(), s, "lookup", lookUp, atHost); err != nil {
			tb.Fatal(err)
		}
	}
}

func TestHeapPerKey(t *testing.T) {
	keyed := perHost()
	stack := firebreak.New("bench", timeout.New(callTimeout), keyed, timeout.New(attemptTimeout))
	if _, err := firebreak.Do(t.Context(), stack, "lookup", lookUp); err != nil { // makes what there is once
		t.Fatal(err)
	}
	before := heap()
	visit(t, stack)
	bytes := (heap() - before) / 1000
	if got, want := keyed.Len(), 1000; got != want {
		t.Fatalf("got %d keys, want %d", got, want)
	}
	t.Logf("a key takes %d bytes", bytes)
	if bytes > maxKeyHeap {
		t.Errorf("a key takes %d bytes, want at most %d", bytes, maxKeyHeap)
	}
}

// heap returns how many bytes are in use.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // the first leaves behind what has a finalizer
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Nothing of firebreak has a goroutine: neither an instance, nor a key, nor a call
// that succeeds.
func TestNoGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	var kept []any
	for range 1000 {
		s := newFireStack(maxCalls)
		transport := newFireTransport(reply{})
		if err := only(s.call(t.Context())); err != nil {
			t.Fatal(err)
		}
		kept = append(kept, s, transport, timeout.New(time.Second), retry.New(retry.Config{}), breaker.New(breaker.Config{}), bulkhead.New(bulkhead.Config{}))
	}
	opened := newFireStack(maxCalls) // an open circuit waits for its time without a goroutine, too
	opened.open()
	keyed := firebreak.New("bench", timeout.New(callTimeout), perHost(), timeout.New(attemptTimeout))
	visit(t, keyed)
	transport := newFireTransport(reply{})
	if err := exchange(transport, newRequest(t.Context()), make([]byte, 512)); err != nil {
		t.Fatal(err)
	}
	if got := runtime.NumGoroutine(); got > before { // fewer, if a test before this one still had one that was ending
		t.Errorf("got %d goroutines, want the %d from before", got, before)
	}
	runtime.KeepAlive([]any{kept, opened, keyed, transport})
}
