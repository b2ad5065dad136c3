package bulkhead_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/policytest"
	"github.com/firebreak-go/firebreak/retry"
)

func TestContract(t *testing.T) {
	t.Run("without a queue", func(t *testing.T) {
		policytest.Run(t, func() firebreak.Policy { return bulkhead.New(bulkhead.Config{MaxCalls: 2}) })
	})
	t.Run("with a queue", func(t *testing.T) {
		policytest.Run(t, func() firebreak.Policy { return bulkhead.New(bulkhead.Config{MaxCalls: 2, MaxQueue: 2}) })
	})
}

func TestNoMoreThanMaxCallsAreInFlight(t *testing.T) {
	for _, test := range []struct{ max, want int }{{1, 1}, {3, 3}, {0, bulkhead.DefaultMaxCalls}} {
		synctest.Test(t, func(t *testing.T) {
			b := bulkhead.New(bulkhead.Config{MaxCalls: test.max})
			release := occupy(t, b, test.want)
			wantStatus(t, b, test.want, 0)
			begin := time.Now()
			_, err := b.Do(t.Context(), firebreak.Call{}, unreachable(t))
			wantRejected(t, err, "full")
			wantTook(t, begin, 0)
			release()
			wantStatus(t, b, 0, 0)
			if got, err := b.Do(t.Context(), firebreak.Call{}, answering("answer", nil)); got != "answer" || err != nil {
				t.Errorf("Do returned %v, %v with free slots, want answer, nil", got, err)
			}
		})
	}
}

// Behaviour 33: "Bulkhead slot until Close/EOF. B: released at headers: Bulkhead(1)
// ran 20 downloads. T: hold a body, second call must be refused." 35: "Exactly once.
// S: EOF, Close, Close again, late Close after another call took the slot."
func TestA3_33_35_SlotIsHeldUntilTheResultHasEnded(t *testing.T) {
	for _, failure := range []error{nil, errors.New("status 503")} {
		b := bulkhead.New(bulkhead.Config{MaxCalls: 1})
		first := new(body)
		if got, err := b.Do(t.Context(), firebreak.Call{}, answering(first, failure)); got != first || !errors.Is(err, failure) {
			t.Fatalf("Do returned %v, %v, want the body and %v", got, err, failure)
		}
		wantStatus(t, b, 1, 0)
		_, err := b.Do(t.Context(), firebreak.Call{}, unreachable(t))
		wantRejected(t, err, "full")

		first.End(firebreak.Outcome{})
		wantStatus(t, b, 0, 0)
		second := new(body)
		if _, err := b.Do(t.Context(), firebreak.Call{}, answering(second, failure)); !errors.Is(err, failure) {
			t.Fatalf("the second call returned %v, want %v", err, failure)
		}
		first.End(firebreak.Outcome{})
		first.Discard()
		wantStatus(t, b, 1, 0)
		_, err = b.Do(t.Context(), firebreak.Call{}, unreachable(t))
		wantRejected(t, err, "full")
		second.Discard()
		wantStatus(t, b, 0, 0)
	}
}

// Behaviour 36: "Bodiless responses: release at once." So do values that are not
// Pending, errors, and results that ended before they were returned.
func TestA3_36_ResultsWithoutAnEndReleaseAtOnce(t *testing.T) {
	ended := new(body)
	ended.End(firebreak.Outcome{})
	for name, next := range map[string]firebreak.Handler{
		"value": answering("answer", nil), "nothing": answering(nil, nil),
		"error": answering(nil, errors.New("connection reset")), "ended": answering(ended, nil),
	} {
		b := bulkhead.New(bulkhead.Config{MaxCalls: 1})
		for i := range 3 {
			if _, err := b.Do(t.Context(), firebreak.Call{}, next); errors.Is(err, bulkhead.ErrFull) {
				t.Fatalf("%s: call %d was rejected: %v", name, i+1, err)
			}
			wantStatus(t, b, 0, 0)
		}
	}
}

// Behaviour 37: "Error and panic of the base release. B: no defer: one panic and
// Bulkhead(1) refuses for ever."
func TestA3_37_PanicAndGoexitRelease(t *testing.T) {
	b := bulkhead.New(bulkhead.Config{MaxCalls: 1})
	for range 3 {
		func() {
			defer func() {
				if got := recover(); got != "boom" {
					t.Errorf("Do panicked with %v, want boom", got)
				}
			}()
			_, _ = b.Do(t.Context(), firebreak.Call{}, func(context.Context, firebreak.Call) (any, error) { panic("boom") })
		}()
		wantStatus(t, b, 0, 0)
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = b.Do(t.Context(), firebreak.Call{}, func(context.Context, firebreak.Call) (any, error) {
				runtime.Goexit()
				return nil, nil
			})
		}()
		<-done
		wantStatus(t, b, 0, 0)
	}
	if _, err := b.Do(t.Context(), firebreak.Call{}, answering(nil, nil)); err != nil {
		t.Errorf("a good call afterwards returned %v", err)
	}
}

// Behaviour 38: "Discarded tries release. S: Retry over Bulkhead(1). T: 503, 503,
// 200. B: inner slot of the discarded 503 is still held when the retry asks for one."
func TestA3_38_DiscardedAttemptsRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bulkhead.New(bulkhead.Config{MaxCalls: 1})
		stack := firebreak.New("test", retry.New(retry.Config{
			NewBackOff: func() backoff.BackOff { return backoff.NewConstantBackOff(time.Second) },
		}), b)
		attempts := 0
		got, err := stack.Do(t.Context(), firebreak.Call{Idempotent: true}, func(context.Context, firebreak.Call) (any, error) {
			wantStatus(t, b, 1, 0)
			attempts++
			if attempts < 3 {
				return new(body), errors.New("status 503")
			}
			return new(body), nil
		})
		if attempts != 3 || err != nil {
			t.Errorf("%d attempts and the error %v, want 3 and nil", attempts, err)
		}
		wantStatus(t, b, 1, 0)
		firebreak.Discard(got)
		wantStatus(t, b, 0, 0)
	})
}

// Behaviour 217: "Re-entrancy. S: handler behind Bulkhead(1) calls itself through the
// same bulkhead. R: refuse or time out. T: nested call returns Full."
func TestA12_217_NestedCallIsRejected(t *testing.T) {
	for _, test := range []struct {
		cfg    bulkhead.Config
		reason string
		took   time.Duration
	}{
		{bulkhead.Config{MaxCalls: 1}, "full", 0},
		{bulkhead.Config{MaxCalls: 1, MaxQueue: 1}, "queue_timeout", time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := bulkhead.New(test.cfg)
			begin := time.Now()
			_, err := b.Do(t.Context(), firebreak.Call{}, func(ctx context.Context, c firebreak.Call) (any, error) {
				return b.Do(ctx, c, unreachable(t))
			})
			wantRejected(t, err, test.reason)
			wantTook(t, begin, test.took)
			wantStatus(t, b, 0, 0)
		})
	}
}

// Behaviour 223: "Permit misuse: double release ignored, release without acquire
// impossible by construction (closure, not counter)."
func TestA12_223_DoneOfAllowReleasesOnce(t *testing.T) {
	b := bulkhead.New(bulkhead.Config{MaxCalls: 2})
	first, err := b.Allow(t.Context(), firebreak.Call{})
	if err != nil {
		t.Fatalf("Allow returned %v, want a slot", err)
	}
	if _, err = b.Allow(t.Context(), firebreak.Call{}); err != nil {
		t.Fatalf("the second Allow returned %v, want a slot", err)
	}
	done, err := b.Allow(t.Context(), firebreak.Call{})
	wantRejected(t, err, "full")
	if done != nil {
		t.Error("Allow returned a function together with an error, want nil")
	}
	for range 3 {
		first(firebreak.Outcome{Class: firebreak.Failure})
		wantStatus(t, b, 1, 0)
	}
}

func TestRejectedErrorSaysHowManyAreInUse(t *testing.T) {
	for _, test := range []struct {
		stack, want string
		queue       int
	}{
		{"", "bulkhead: full (2 of 2 in use)", 0},
		{"payments", "bulkhead payments: full (2 of 2 in use)", 0},
		{"payments", "bulkhead payments: queue_timeout (2 of 2 in use)", 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := bulkhead.New(bulkhead.Config{MaxCalls: 2, MaxQueue: test.queue})
			release := occupy(t, b, 2)
			defer release()
			var p firebreak.Policy = b
			if test.stack != "" {
				p = firebreak.New(test.stack, b)
			}
			_, err := p.Do(t.Context(), firebreak.Call{}, unreachable(t))
			if got := fmt.Sprint(err); got != test.want {
				t.Errorf("the error is %q, want %q", got, test.want)
			}
			rejected, ok := errors.AsType[*firebreak.RejectedError](err)
			if !ok || rejected.Policy != "bulkhead" || rejected.Stack != test.stack || rejected.Limit != 2 || rejected.Usage != 2 {
				t.Errorf("the rejection is %+v, want it to say policy, stack, limit and usage", rejected)
			}
		})
	}
}

func TestDescribe(t *testing.T) {
	for _, test := range []struct {
		cfg  bulkhead.Config
		want string
	}{
		{bulkhead.Config{}, "bulkhead 256"},
		{bulkhead.Config{MaxCalls: 64}, "bulkhead 64"},
		{bulkhead.Config{MaxCalls: 64, MaxQueue: 10}, "bulkhead 64 (queue 10 for 1s)"},
		{bulkhead.Config{MaxCalls: 64, MaxQueue: 10, MaxWait: 250 * time.Millisecond}, "bulkhead 64 (queue 10 for 250ms)"},
	} {
		got := bulkhead.New(test.cfg).Describe()
		if want := (firebreak.Description{Kind: firebreak.KindBulkhead, Text: test.want}); got.Kind != want.Kind || got.Text != want.Text {
			t.Errorf("%+v: Describe is %+v, want %+v", test.cfg, got, want)
		}
	}
}

func TestReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bulkhead.New(bulkhead.Config{MaxCalls: 2, MaxQueue: 5})
		release := occupy(t, b, 2)
		for range 3 {
			go func() { _, _ = b.Do(t.Context(), firebreak.Call{}, answering(nil, nil)) }()
		}
		synctest.Wait()
		if got, want := statusOf(b), (firebreak.Status{Policy: "bulkhead", InFlight: 2, Waiting: 3, Limit: 2}); got != want {
			t.Errorf("Report yields %+v, want %+v", got, want)
		}
		release()
		// yield may use the Bulkhead.
		b.Report(func(firebreak.Status) { wantStatus(t, b, 0, 0) })
	})
}

func TestConfigValidate(t *testing.T) {
	for _, test := range []struct {
		cfg  bulkhead.Config
		want string
	}{
		{bulkhead.Config{}, ""},
		{bulkhead.Config{MaxCalls: 1, MaxQueue: 1, MaxWait: 1}, ""},
		{
			bulkhead.Config{MaxCalls: -1, MaxQueue: -2, MaxWait: -3},
			"MaxCalls is -1, want more than 0, or 0 for 256\n" +
				"MaxQueue is -2, want 0 or more\n" +
				"MaxWait is -3ns, want more than 0, or 0 for 1s",
		},
		{bulkhead.Config{MaxWait: time.Second}, "MaxWait is 1s without a queue, want MaxQueue over 0 or no MaxWait"},
	} {
		got := ""
		if err := test.cfg.Validate(); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%+v.Validate() = %q, want %q", test.cfg, got, test.want)
		}
	}
}

// Behaviour 218: "negative durations: constructor error, not panic at the first
// call."
func TestA12_218_NewPanicsWithAllProblems(t *testing.T) {
	cfg := bulkhead.Config{MaxCalls: -1, MaxWait: time.Second}
	defer func() {
		if got, want := fmt.Sprint(recover()), "bulkhead.New: "+cfg.Validate().Error(); got != want {
			t.Errorf("New panicked with %q, want %q", got, want)
		}
	}()
	bulkhead.New(cfg)
}

// Behaviour 235: "Alloc budget of the no-failure path."
func TestA12_235_FreeSlotCostsNoAllocation(t *testing.T) {
	b := bulkhead.New(bulkhead.Config{})
	next := answering(nil, nil)
	if got := testing.AllocsPerRun(100, func() { _, _ = b.Do(t.Context(), firebreak.Call{}, next) }); got > 0 {
		t.Errorf("%v allocations for a call with a free slot, want 0", got)
	}
	result := new(body)
	result.End(firebreak.Outcome{})
	next = answering(result, nil)
	if got := testing.AllocsPerRun(100, func() { _, _ = b.Do(t.Context(), firebreak.Call{}, next) }); got > 0 {
		t.Errorf("%v allocations for a call whose result is pending, want 0", got)
	}
}

// "Privileged/health traffic bypasses" what limits load: it takes no slot, and passes
// when there is none.
func TestExempt(t *testing.T) {
	b := bulkhead.New(bulkhead.Config{MaxCalls: 1})
	done, err := b.Allow(t.Context(), firebreak.Call{})
	if err != nil {
		t.Fatal(err)
	}
	health := firebreak.Call{Exempt: true}
	ran := false
	if _, err := b.Do(t.Context(), health, func(context.Context, firebreak.Call) (any, error) { ran = true; return nil, nil }); err != nil || !ran {
		t.Errorf("got %v, ran: %t, want a full bulkhead to let it pass", err, ran)
	}
	passed, err := b.Allow(t.Context(), health)
	if err != nil {
		t.Fatal(err)
	}
	passed(firebreak.Outcome{})
	if _, err := b.Allow(t.Context(), firebreak.Call{}); !errors.Is(err, bulkhead.ErrFull) {
		t.Errorf("got %v, want %v: an exempt call gives no slot back", err, bulkhead.ErrFull)
	}
	done(firebreak.Outcome{})
}
