package firebreakgrpc_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/bulkhead"
)

const minute = time.Minute

// recorder is a policy that looks on: what others learn of the attempts.
type recorder struct {
	mu       sync.Mutex // guards the fields below
	calls    []firebreak.Call
	outcomes []firebreak.Outcome
}

func (r *recorder) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	r.mu.Lock()
	r.calls = append(r.calls, c)
	r.mu.Unlock()
	result, err := next(ctx, c)
	c.OnDone(result, err, func(o firebreak.Outcome) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.outcomes = append(r.outcomes, o)
	})
	return result, err
}

// Describe says that it waits for nothing, so that timeouts around it are merged.
func (r *recorder) Describe() firebreak.Description {
	return firebreak.Description{Kind: firebreak.KindBreaker, Text: "recorder"}
}

func (r *recorder) seen() (calls []firebreak.Call, outcomes []firebreak.Outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append(calls, r.calls...), append(outcomes, r.outcomes...)
}

// wantClasses checks the classes of the attempts that have ended.
func (r *recorder) wantClasses(t *testing.T, want ...firebreak.Class) {
	t.Helper()
	_, outcomes := r.seen()
	if len(outcomes) != len(want) {
		t.Errorf("%d attempts have ended, want %d", len(outcomes), len(want))
		return
	}
	for i, o := range outcomes {
		if o.Class != want[i] {
			t.Errorf("attempt %d was a %v (%v), want a %v", i+1, o.Class, o.Err, want[i])
		}
	}
}

// policyFunc is a policy that is one function.
type policyFunc func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error)

func (f policyFunc) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	return f(ctx, c, next)
}

// taken returns how many places of b are taken.
func taken(b *bulkhead.Bulkhead) (inFlight int) {
	b.Report(func(s firebreak.Status) { inFlight = s.InFlight })
	return inFlight
}

func wantTaken(t *testing.T, b *bulkhead.Bulkhead, want int, when string) {
	t.Helper()
	if got := taken(b); got != want {
		t.Errorf("%s: %d places are taken, want %d", when, got, want)
	}
}
