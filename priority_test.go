package firebreak_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/timeout"
)

func TestPriorityOf(t *testing.T) {
	ctx := t.Context()
	if got := firebreak.PriorityOf(ctx); got != firebreak.PriorityDefault {
		t.Errorf("without one: got %v, want default", got)
	}
	for p, want := range map[firebreak.Priority]firebreak.Priority{
		firebreak.PriorityCritical: firebreak.PriorityCritical, firebreak.PriorityDegraded: firebreak.PriorityDegraded,
		-7: firebreak.PriorityCritical, 1 << 40: firebreak.PriorityBestEffort,
	} {
		inner, cancel := context.WithCancel(firebreak.WithPriority(firebreak.WithPriority(ctx, firebreak.PriorityDegraded), p))
		defer cancel()
		if got := firebreak.PriorityOf(inner); got != want {
			t.Errorf("WithPriority(%d): got %v, want %v", int(p), got, want)
		}
	}
}

func TestParsePriority(t *testing.T) {
	for i, p := range []firebreak.Priority{
		firebreak.PriorityCritical, firebreak.PriorityDefault, firebreak.PriorityDegraded, firebreak.PriorityBestEffort,
	} {
		for _, s := range []string{p.String(), string(rune('0' + i))} {
			if got, ok := firebreak.ParsePriority(s); !ok || got != p {
				t.Errorf("ParsePriority(%q) = %v, %t, want %v, true", s, got, ok, p)
			}
		}
	}
	for _, s := range []string{"", "-1", "4", "00", "1 ", "Critical", "critical\x00", "1e0", "²", strings.Repeat("9", 1<<16)} {
		if got, ok := firebreak.ParsePriority(s); ok || got != firebreak.PriorityDefault {
			t.Errorf("ParsePriority(%.20q) = %v, %t, want default, false", s, got, ok)
		}
	}
	if got := firebreak.Priority(9).String(); got != "priority(9)" {
		t.Errorf("got %q, want priority(9)", got)
	}
}

func TestMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m firebreak.Moment
		if at, ok := m.Time(); ok {
			t.Errorf("a moment to come was at %v", at)
		}
		time.Sleep(time.Second)
		want := time.Now()
		m.Mark()
		time.Sleep(time.Hour)
		m.Mark()
		if at, ok := m.Time(); !ok || !at.Equal(want) {
			t.Errorf("got %v, %t, want %v, true", at, ok, want)
		}
		var earlier firebreak.Moment
		earlier.MarkAt(want.Add(-time.Minute))
		earlier.MarkAt(want)
		earlier.Mark()
		if at, ok := earlier.Time(); !ok || !at.Equal(want.Add(-time.Minute)) {
			t.Errorf("marked at another time: got %v, %t, want %v, true", at, ok, want.Add(-time.Minute))
		}
	})
}

// Who rejected what of which importance: the event says it, and the counter.
func TestRejectionsByPriority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []firebreak.Event
		defer firebreak.Subscribe(func(e firebreak.Event) { got = append(got, e) })()
		m := newMeter()
		s := firebreak.New("shop", timeout.New(time.Second),
			policyFunc(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
				rejection := &firebreak.RejectedError{Policy: "shed", Reason: "full", RetryAfter: time.Second, Limit: 2, Usage: 2}
				if c.Op == "shadow" {
					c.Shadow(ctx, rejection)
					return next(ctx, c)
				}
				return nil, c.Reject(ctx, rejection)
			})).WithProviders(nil, m)
		ctx := firebreak.WithPriority(t.Context(), firebreak.PriorityBestEffort)
		if _, err := firebreak.Do(ctx, s, "lookup", one); err == nil {
			t.Error("the call was not rejected")
		}
		if n, err := firebreak.Do(ctx, s, "shadow", one); n != 1 || err != nil {
			t.Errorf("got %v, %v, want 1: what looks on only rejects nobody", n, err)
		}
		synctest.Wait()
		if len(got) != 2 || got[0].Kind != firebreak.EventReject || got[1].Kind != firebreak.EventShadow {
			t.Fatalf("got %+v, want a rejection and one that was not", got)
		}
		for _, e := range got {
			if e.Priority != firebreak.PriorityBestEffort || e.Policy != "shed" || e.Reason != "full" || e.RetryAfter != time.Second || e.Limit != 2 {
				t.Errorf("got %+v, want the rejection of a best-effort call", e)
			}
		}
		series := m.series(t)
		for _, name := range []string{"firebreak.rejections", "firebreak.shadow"} {
			key := name + " firebreak.policy=shed firebreak.priority=best-effort firebreak.reason=full firebreak.stack=shop"
			if series[key] != 1 {
				t.Errorf("%s is %v, want 1, in %v", key, series[key], series)
			}
		}
	})
}
