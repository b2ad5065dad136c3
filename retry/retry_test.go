package retry_test

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
	"github.com/firebreak-go/firebreak/retry"
)

// Behaviours 70 to 84, as far as they are no matter of a transport: what is
// repeated is idempotent, or provably never left; "local refusals: default not
// retried, never spin".
func TestA5_84_RepeatsWhatIsSafeAndMayHelp(t *testing.T) {
	rejected := &firebreak.RejectedError{Policy: "breaker", Reason: "open", Err: errors.New("open")}
	attempt := func(class firebreak.Class, repeat firebreak.Repeat) error {
		return &firebreak.AttemptError{Err: errDown, Class: class, Repeat: repeat}
	}
	always := func(class firebreak.Class) func(error) firebreak.Class {
		return func(error) firebreak.Class { return class }
	}
	for _, test := range []struct {
		name       string
		err        error
		idempotent bool
		classify   func(error) firebreak.Class
		want       int
	}{
		{"a failure, idempotent", errDown, true, nil, 3},
		{"a failure, not idempotent", errDown, false, nil, 1},
		{"an overload, idempotent", attempt(firebreak.Overload, firebreak.RepeatByClass), true, nil, 3},
		{"an overload, not idempotent", attempt(firebreak.Overload, firebreak.RepeatByClass), false, nil, 1},
		{"an answer that says no", attempt(firebreak.Success, firebreak.RepeatByClass), true, nil, 1},
		{"what nobody counts", attempt(firebreak.Ignored, firebreak.RepeatByClass), true, nil, 1},
		{"what nobody counts, though it never left", attempt(firebreak.Ignored, firebreak.RepeatAlways), true, nil, 1},
		{"what never left, not idempotent", attempt(firebreak.Failure, firebreak.RepeatAlways), false, nil, 3},
		{"what never left, wrapped", fmt.Errorf("dial: %w", attempt(firebreak.Failure, firebreak.RepeatAlways)), false, nil, 3},
		{"what comes out the same each time", attempt(firebreak.Failure, firebreak.RepeatNever), true, nil, 1},
		{"a caller who gave up", context.Canceled, true, nil, 1},
		{"a deadline that only the attempt had", context.DeadlineExceeded, true, nil, 3},
		{"a rejection", rejected, true, nil, 1},
		{"a rejection, wrapped", fmt.Errorf("lookup: %w", rejected), true, nil, 1},
		{"a rejection that the user takes for a failure", rejected, true, always(firebreak.Failure), 1},
		{"a failure that the user takes for an answer", errDown, true, always(firebreak.Success), 1},
		{"a failure that the user ignores", errDown, true, always(firebreak.Ignored), 1},
		{
			"a rejection that the transport says to repeat, with another replica",
			&firebreak.AttemptError{Err: rejected, Class: firebreak.Failure, Repeat: firebreak.RepeatAlways}, false, nil, 3,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := failing(test.err)
				c := firebreak.Call{Idempotent: test.idempotent, Classify: test.classify}
				_, err := retry.New(retry.Config{}).Do(t.Context(), c, d.handle)
				d.wantAttempts(t, test.want)
				if err != test.err { //nolint:errorlint // the error itself is to come back
					t.Errorf("the error is %v, want %v", err, test.err)
				}
			})
		})
	}
}

// Behaviour 99: "Attempts are attempts. 1 = no retry." B: "WithMax(1) 'max retries'
// gives none."
func TestA6_99_MaxAttemptsCountsTheFirst(t *testing.T) {
	for _, test := range []struct{ max, want int }{{0, retry.DefaultMaxAttempts}, {1, 1}, {2, 2}, {7, 7}} {
		synctest.Test(t, func(t *testing.T) {
			d := failing(errDown)
			_, _ = retry.New(retry.Config{MaxAttempts: test.max}).Do(t.Context(), idempotent(), d.handle)
			d.wantAttempts(t, test.want)
			for i, c := range d.calls {
				if c.Attempt != i+1 {
					t.Errorf("MaxAttempts %d: attempt %d has the number %d", test.max, i+1, c.Attempt)
				}
			}
		})
	}
}

func TestSuccessEndsTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dependency{respond: func(n int) (any, error) {
			if n < 3 {
				return nil, errDown
			}
			return "answer", nil
		}}
		got, err := retry.New(retry.Config{MaxAttempts: 10}).Do(t.Context(), idempotent(), d.handle)
		if got != "answer" || err != nil {
			t.Errorf("Do returned %v, %v, want answer, nil", got, err)
		}
		d.wantAttempts(t, 3)
	})
}

// Behaviour 29: "Exhausted = last response: body readable."
func TestA2_29_LastResultAndErrorAreReturnedAsTheyAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		errs := []error{errors.New("first"), errors.New("second"), errors.New("third")}
		d := &dependency{respond: func(n int) (any, error) { return new(body), errs[n-1] }}
		got, err := retry.New(retry.Config{}).Do(t.Context(), idempotent(), d.handle)
		if got != d.results[2] || err != errs[2] { //nolint:errorlint // the error itself is to come back
			t.Errorf("Do returned %p, %v, want %p, %v", got, err, d.results[2], errs[2])
		}
		d.wantDiscarded(t, false)
	})
}

// Behaviour 27: "Release before the wait. B: holds connection and inner slots
// during a 10 s backoff. T: look 5 s into a 10 s wait."
func TestA2_27_ResultIsDiscardedBeforeTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := failingWithBody(errDown)
		go func() { _, _ = after(10*time.Second).Do(t.Context(), idempotent(), d.handle) }()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		d.wantAttempts(t, 1)
		d.wantDiscarded(t, true)
		time.Sleep(time.Minute)
		synctest.Wait()
		d.wantAttempts(t, 3)
	})
}

// A result may take up to 50ms to discard. The wait goes on meanwhile: it was found
// to fit into the deadline, the sum of both was not.
func TestA2_26_DiscardingIsPartOfTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 1020*time.Millisecond)
		defer cancel()
		d := &dependency{respond: func(n int) (any, error) {
			if n > 1 {
				return "answer", nil
			}
			return &slowBody{}, errDown
		}}
		begin := time.Now()
		got, err := after(time.Second).Do(ctx, idempotent(), d.handle)
		if got != "answer" || err != nil {
			t.Errorf("Do returned %v, %v, want answer, nil", got, err)
		}
		wantTook(t, begin, time.Second)
	})
}

type slowBody struct{ body }

func (b *slowBody) Discard() {
	time.Sleep(50 * time.Millisecond)
	b.body.Discard()
}

// Behaviour 15: "GetBody fails. R: return what is in hand, exactly one of
// response/error; B: sends an empty body after having closed the 503."
func TestA1_15_RequestIsRewoundBeforeTheResultIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := failingWithBody(errDown)
		budget := retry.NewBudget(retry.BudgetConfig{})
		c := idempotent()
		request := &rewinder{err: errors.New("no copy")}
		c.Request = request
		begin := time.Now()
		got, err := retry.New(retry.Config{Budget: budget}).Do(t.Context(), c, d.handle)
		if got != d.results[0] || err != errDown { //nolint:errorlint // the error itself is to come back
			t.Errorf("Do returned %p, %v, want %p, %v", got, err, d.results[0], errDown)
		}
		d.wantAttempts(t, 1)
		d.wantDiscarded(t, false)
		wantTook(t, begin, 0)
		if request.count != 1 {
			t.Errorf("the request was rewound %d times, want 1", request.count)
		}
		if got := budget.Available(); got != 10.2 {
			t.Errorf("%v left in the budget, want 10.2: a retry that was not made costs nothing", got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		d := failingWithBody(errDown)
		c := idempotent()
		request := &rewinder{}
		request.look = func() { d.wantDiscarded(t, false) }
		c.Request = request
		_, _ = retry.New(retry.Config{}).Do(t.Context(), c, d.handle)
		d.wantAttempts(t, 3)
		if request.count != 2 {
			t.Errorf("the request was rewound %d times, want 2: once for each retry", request.count)
		}
	})
}

// A request may have to open a file to be sent again: nobody does that for a retry
// that is not paid.
func TestSpentBudgetDoesNotRewind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := retry.NewBudget(retry.BudgetConfig{Floor: 1})
		r := retry.New(retry.Config{Budget: budget})
		d := failing(errDown)
		_, _ = r.Do(t.Context(), idempotent(), d.handle)
		d.wantAttempts(t, 2) // 0.2 and the floor: one retry
		c := idempotent()
		request := &rewinder{}
		c.Request = request
		d = failingWithBody(errDown)
		got, err := r.Do(t.Context(), c, d.handle)
		if got != d.results[0] || err != errDown { //nolint:errorlint // the error itself is to come back
			t.Errorf("Do returned %v, %v, want the result at hand and %v", got, err, errDown)
		}
		d.wantAttempts(t, 1)
		d.wantDiscarded(t, false)
		if request.count != 0 {
			t.Errorf("the request was rewound %d times, want 0", request.count)
		}
	})
}

// Behaviour 56: "Cancel in the backoff: at once, errors.Is(Canceled), no further
// try." 57: "error matches both context.Canceled and X." 28: "Held response closed
// when the wait is cancelled."
func TestA4_56_57_CancelEndsTheWaitAtOnce(t *testing.T) {
	errCause := errors.New("user pressed stop")
	for _, cause := range []error{nil, errCause} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(3*time.Second, func() { cancel(cause) })
			d := failingWithBody(errDown)
			begin := time.Now()
			got, err := after(10*time.Second).Do(ctx, idempotent(), d.handle)
			wantTook(t, begin, 3*time.Second)
			if got != nil || !errors.Is(err, context.Canceled) {
				t.Errorf("Do returned %v, %v, want nil and an error that matches context.Canceled", got, err)
			}
			if cause != nil && !errors.Is(err, cause) {
				t.Errorf("the error is %v, want one that matches the cause %v", err, cause)
			}
			d.wantAttempts(t, 1)
			d.wantDiscarded(t, true)
		})
	}
}

// Behaviour 63: "req.Cancel in the backoff. R: select on it."
func TestA4_63_CancelChannelEndsTheWaitAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stop := make(chan struct{})
		time.AfterFunc(3*time.Second, func() { close(stop) })
		c := idempotent()
		c.Cancel = stop
		d := failingWithBody(errDown)
		begin := time.Now()
		got, err := after(10*time.Second).Do(t.Context(), c, d.handle)
		wantTook(t, begin, 3*time.Second)
		if got != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("Do returned %v, %v, want nil, context.Canceled", got, err)
		}
		d.wantAttempts(t, 1)
		d.wantDiscarded(t, true)
	})
}

// A caller who left during the attempt gets what that ended with, whatever it is.
func TestA4_56_NoRetryForACallerWhoHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		stop := make(chan struct{})
		close(stop)
		for name, leave := range map[string]func(*firebreak.Call){
			"context": func(*firebreak.Call) { cancel() },
			"channel": func(c *firebreak.Call) { c.Cancel = stop },
		} {
			d := failingWithBody(errDown)
			c := idempotent()
			leave(&c)
			got, err := after(time.Second).Do(ctx, c, d.handle)
			if got == nil || err != errDown { //nolint:errorlint // the error itself is to come back
				t.Errorf("%s: Do returned %v, %v, want the result at hand and %v", name, got, err, errDown)
			}
			d.wantAttempts(t, 1)
			d.wantDiscarded(t, false)
		}
	})
}

// Behaviour 230: "Panic in user callbacks: slot and permit still released." What
// decides about a result must not leave it behind, either.
func TestA12_230_PanicOfUsersCodeDiscardsTheResult(t *testing.T) {
	boom := func() { panic("boom") }
	for name, test := range map[string]struct {
		cfg     retry.Config
		request any
		class   func(error) firebreak.Class
	}{
		"classifier":        {class: func(error) firebreak.Class { boom(); return 0 }},
		"NewBackOff":        {cfg: retry.Config{NewBackOff: func() backoff.BackOff { boom(); return nil }}},
		"nil of NewBackOff": {cfg: retry.Config{NewBackOff: func() backoff.BackOff { return nil }}},
		"Rewinder":          {request: &rewinder{look: boom}},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := failingWithBody(errDown)
			r := retry.New(test.cfg)
			c := idempotent()
			c.Request, c.Classify = test.request, test.class
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s: no panic, want it to pass", name)
					}
				}()
				_, _ = r.Do(t.Context(), c, d.handle)
			}()
			d.wantAttempts(t, 1)
			d.wantDiscarded(t, true)
			for range 10 {
				if got, err := r.Do(t.Context(), idempotent(), (&dependency{respond: func(int) (any, error) { return "answer", nil }}).handle); err != nil {
					t.Fatalf("%s: a good call after the panic returned %v, %v, want answer, nil", name, got, err)
				}
			}
		})
	}
}

func TestPanicAndGoexitOfAnAttemptPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dependency{respond: func(n int) (any, error) {
			if n == 2 {
				panic("boom")
			}
			return new(body), errDown
		}}
		func() {
			defer func() {
				if got := recover(); got != "boom" {
					t.Errorf("Do panicked with %v, want boom", got)
				}
			}()
			_, _ = retry.New(retry.Config{}).Do(t.Context(), idempotent(), d.handle)
		}()
		d.wantAttempts(t, 2)
		d.wantDiscarded(t, true)
	})
	synctest.Test(t, func(t *testing.T) {
		d := &dependency{respond: func(n int) (any, error) {
			if n == 2 {
				runtime.Goexit()
			}
			return new(body), errDown
		}}
		done := make(chan struct{})
		returned := false
		go func() {
			defer close(done)
			_, _ = retry.New(retry.Config{}).Do(t.Context(), idempotent(), d.handle)
			returned = true
		}()
		<-done
		if returned {
			t.Error("Do returned although its attempt ended the goroutine")
		}
		d.wantDiscarded(t, true)
	})
}

// Nested retries are suppressed: each layer of three attempts would triple the
// traffic of the one above.
func TestNestedRetriesAreSuppressed(t *testing.T) {
	for _, test := range []struct {
		name   string
		nested bool
		inner  []int // attempts of the inner call in each attempt of the outer one
	}{
		{"by default", false, []int{3, 1, 1}},
		{"not where they are asked for", true, []int{3, 3, 3}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				outer, inner := retry.New(retry.Config{}), retry.New(retry.Config{RetryNested: test.nested})
				var got []int
				_, _ = outer.Do(t.Context(), idempotent(), func(ctx context.Context, _ firebreak.Call) (any, error) {
					d := failing(errDown)
					_, err := inner.Do(ctx, idempotent(), d.handle)
					got = append(got, len(d.calls))
					return nil, err
				})
				if fmt.Sprint(got) != fmt.Sprint(test.inner) {
					t.Errorf("the inner call had %v attempts in those of the outer one, want %v", got, test.inner)
				}
			})
		})
	}
}

func TestSuppressTurnsRetriesOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := failing(&firebreak.AttemptError{Err: errDown, Class: firebreak.Failure, Repeat: firebreak.RepeatAlways})
		_, _ = retry.New(retry.Config{}).Do(retry.Suppress(t.Context()), idempotent(), d.handle)
		d.wantAttempts(t, 1)
		d = failing(errDown)
		_, _ = retry.New(retry.Config{RetryNested: true}).Do(retry.Suppress(t.Context()), idempotent(), d.handle)
		d.wantAttempts(t, 3)
	})
}

// Behaviour 64: "Caller cancels = ignore for budget." And neither do rejections of
// the policies further in pay.
func TestA4_64_IgnoredCallsDoNotPay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := retry.NewBudget(retry.BudgetConfig{})
		r := retry.New(retry.Config{Budget: budget, MaxAttempts: 1})
		rejected := &firebreak.RejectedError{Policy: "bulkhead", Reason: "full", Err: errors.New("full")}
		for _, test := range []struct {
			err  error
			left float64
		}{{context.Canceled, 10}, {rejected, 10}, {errDown, 10.2}, {nil, 10.4}, {overload(0), 10.6}} {
			_, _ = r.Do(t.Context(), firebreak.Call{}, failing(test.err).handle)
			if got := budget.Available(); got != test.left {
				t.Errorf("after a call that ended with %v: %v in the budget, want %v", test.err, got, test.left)
			}
		}
	})
}

// Behaviour 58: "Done before start. R: nothing sent, no budget taken."
func TestA4_58_DoneBeforeStartTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := retry.NewBudget(retry.BudgetConfig{})
		stack := firebreak.New("test", retry.New(retry.Config{Budget: budget}))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		d := failing(errDown)
		if _, err := stack.Do(ctx, idempotent(), d.handle); !errors.Is(err, context.Canceled) {
			t.Errorf("the error is %v, want context.Canceled", err)
		}
		d.wantAttempts(t, 0)
		if got := budget.Available(); got != 10 {
			t.Errorf("%v in the budget, want 10", got)
		}
	})
}

// Behaviour 100: "Retry budget per client, not per call. T: 100 failing calls,
// count tries."
func TestA6_100_BudgetBoundsAllCallsTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := retry.New(retry.Config{NewBackOff: func() backoff.BackOff { return &backoff.ZeroBackOff{} }})
		d := failing(errDown)
		for range 100 {
			_, _ = r.Do(t.Context(), idempotent(), d.handle)
		}
		d.wantAttempts(t, 100+10+20) // the calls, the floor, and one for each five
	})
}

// One Budget in two policies is one budget; a policy without has one of its own.
func TestBudgetIsSharedWhereItIsGiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := retry.NewBudget(retry.BudgetConfig{Floor: 1})
		d := failing(errDown)
		for range 2 {
			_, _ = retry.New(retry.Config{Budget: budget, MaxAttempts: 2}).Do(t.Context(), idempotent(), d.handle)
		}
		d.wantAttempts(t, 3)
		d = failing(errDown)
		for range 2 {
			_, _ = retry.New(retry.Config{MaxAttempts: 2}).Do(t.Context(), idempotent(), d.handle)
		}
		d.wantAttempts(t, 4)
	})
}

// Behaviour 235: "Alloc budget of the no-failure path."
func TestA12_235_SuccessAllocatesNothing(t *testing.T) {
	r := retry.New(retry.Config{})
	c := idempotent()
	next := func(context.Context, firebreak.Call) (any, error) { return nil, nil }
	if got := testing.AllocsPerRun(100, func() { _, _ = r.Do(t.Context(), c, next) }); got > 0 {
		t.Errorf("%v allocations for a call that succeeds, want 0", got)
	}
}
