package firebreak_test

import (
	"context"
	"testing"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/timeout"
)

// Behaviour 235: "Alloc budget of the no-failure path". Four allocations are those
// of context.WithDeadlineCause, one is the call's.
func TestA12_235_Allocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	retry, breaker := describedAs(firebreak.KindRetry, "retry"), describedAs(firebreak.KindBreaker, "breaker")
	full := &slots{}
	ctx := context.Background()
	nothing := func(context.Context) (struct{}, error) { return struct{}{}, nil }
	c, next := firebreak.Call{Op: "GET"}, answer(nil, nil)
	do := func(s *firebreak.Stack) func() {
		return func() { _, _ = firebreak.Do(ctx, s, "lookup", nothing) }
	}
	unbounded := firebreak.New("test", timeout.Unbounded("test"))
	for _, test := range []struct {
		name string
		call func()
		want float64
	}{
		{"Do, two timeouts", do(firebreak.New("test", timeout.New(10*time.Second), retry, breaker, timeout.New(time.Second))), 5},
		{"Do, the default timeout", do(firebreak.New("test")), 5},
		{"Do, no timeout", do(unbounded), 1},
		{"Do, no timeout, four policies", do(firebreak.New("test", timeout.Unbounded("test"), retry, breaker, &described{})), 1},
		{"Do, per key", do(firebreak.New("test", timeout.Unbounded("test"), firebreak.Keyed(
			firebreak.ByTarget, func(string) firebreak.Policy { return describedAs(firebreak.KindBreaker, "breaker") }))), 1},
		{"Stack.Do, no timeout", func() { _, _ = unbounded.Do(ctx, c, next) }, 1},
		{"Do, a rejection", do(firebreak.New("test", timeout.Unbounded("test"), full)), 2},
		{"Emit without a subscriber", func() { c.Emit(ctx, firebreak.Event{Kind: firebreak.EventRetry}) }, 0},
		{"Outcome", func() { c.Outcome(errFailure) }, 0},
	} {
		test.call()
		if got := testing.AllocsPerRun(200, test.call); got > test.want {
			t.Errorf("%s: %v allocations, want at most %v", test.name, got, test.want)
		}
	}
}

// A result that has the callbacks of six policies brings no allocation but itself
// and theirs.
func TestA12_235_LifetimeAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	f := func(firebreak.Outcome) {}
	if got := testing.AllocsPerRun(200, func() {
		b := new(body)
		for range 6 {
			b.OnDone(f)
		}
		b.End(firebreak.Outcome{})
	}); got > 1 {
		t.Errorf("%v allocations, want at most 1, the result", got)
	}
}

func BenchmarkDo(b *testing.B) {
	stacks := []*firebreak.Stack{
		firebreak.New("unbounded", timeout.Unbounded("benchmark")),
		firebreak.New("timeout", timeout.New(time.Second)),
		firebreak.New("timeouts", timeout.New(10*time.Second), describedAs(firebreak.KindRetry, "retry"), timeout.New(time.Second)),
	}
	for _, s := range stacks {
		b.Run(s.Name(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = firebreak.Do(b.Context(), s, "lookup", one)
			}
		})
	}
}

func BenchmarkKeyed(b *testing.B) {
	k := firebreak.Keyed(firebreak.ByTarget, func(string) firebreak.Policy { return describedAs(firebreak.KindBreaker, "breaker") })
	c, next := firebreak.Call{Target: "api.example.com"}, answer(nil, nil)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = k.Do(b.Context(), c, next)
	}
}
