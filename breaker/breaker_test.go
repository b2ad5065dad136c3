package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/retry"
	"github.com/firebreak-go/firebreak/timeout"
)

// hang does what a dependency does that never answers.
func hang(ctx context.Context) (any, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestHangingDependencyOpens: a dependency that hangs until the attempt timeout
// opens the breaker, with the default settings in the stack of five policies, also
// if each call has to wait longer than the breaker's window, and also if only one
// caller is left, who waits for each call before the next.
func TestHangingDependencyOpens(t *testing.T) {
	for _, test := range []struct {
		name          string
		call, attempt time.Duration
		callers       int
		earliest      time.Duration
		latest        time.Duration // with the random waits of the retries
	}{
		{"OneCaller", 10 * time.Second, 2 * time.Second, 1, 20 * time.Second, 21 * time.Second},
		{"OneCallerDefaultTimeouts", 30 * time.Second, 10 * time.Second, 1, 100 * time.Second, 101 * time.Second},
		{"OneCallerLongerThanWindow", 5 * time.Minute, time.Minute, 1, 10 * time.Minute, 10*time.Minute + time.Second},
		{"ManyCallers", 30 * time.Second, 10 * time.Second, 50, 10 * time.Second, 10 * time.Second},
		{"ManyCallersLongerThanWindow", 5 * time.Minute, time.Minute, 50, time.Minute, time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var opened time.Duration
				b := breaker.New(breaker.Config{OnStateChange: func(breaker.Change) { opened = time.Since(start) }})
				stack := firebreak.New("payments", timeout.New(test.call), retry.New(retry.Config{}), b,
					bulkhead.New(bulkhead.Config{}), timeout.New(test.attempt))
				var callers sync.WaitGroup
				for range test.callers {
					callers.Go(func() {
						for b.State() == breaker.Closed && time.Since(start) < time.Hour {
							_, _ = firebreak.Do(t.Context(), stack, "lookup", hang, firebreak.Idempotent)
						}
					})
				}
				callers.Wait()
				if b.State() != breaker.Open || opened < test.earliest || opened > test.latest {
					t.Errorf("%v after %v, want open after %v to %v", b.State(), opened, test.earliest, test.latest)
				}
			})
		})
	}
}

// TestHangingDependencyOpensByRatio: those who wait longer than the window count
// for the ratio, too.
func TestHangingDependencyOpensByRatio(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := breaker.New(breaker.Config{ConsecutiveFailures: 1000})
		stack := firebreak.New("payments", timeout.New(5*time.Minute), b, timeout.New(time.Minute))
		var calls sync.WaitGroup
		for range 20 {
			calls.Go(func() { _, _ = firebreak.Do(t.Context(), stack, "lookup", hang) })
		}
		calls.Wait()
		wantState(t, b, breaker.Open)
	})
}

// "Inner refusals are ignored by outer breakers. B: full bulkhead opens the
// breaker: overload becomes outage."
func TestA12_213_InnerRejectionsAreIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := breaker.New(breaker.Config{ConsecutiveFailures: 1, MinCalls: 1})
		stack := firebreak.New("payments", b, bulkhead.New(bulkhead.Config{MaxCalls: 1}))
		release := make(chan struct{})
		go func() {
			_, _ = firebreak.Do(t.Context(), stack, "slow", func(context.Context) (any, error) { <-release; return nil, nil })
		}()
		synctest.Wait()
		for range 100 {
			_, err := firebreak.Do(t.Context(), stack, "lookup", func(context.Context) (any, error) { return nil, nil })
			if !errors.Is(err, bulkhead.ErrFull) {
				t.Fatalf("got %v, want %v", err, bulkhead.ErrFull)
			}
		}
		close(release)
		wantState(t, b, breaker.Closed)
	})
}

// "Caller cancels = ignore for breaker, limiter and budget. B: impatient users
// open the breaker for everybody."
func TestA4_64_CancelledCallersDoNotVote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := breaker.New(breaker.Config{ConsecutiveFailures: 1, MinCalls: 1})
		stack := firebreak.New("payments", b)
		for range 100 {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			if _, err := firebreak.Do(ctx, stack, "lookup", hang); !errors.Is(err, context.Canceled) {
				t.Fatalf("got %v, want %v", err, context.Canceled)
			}
			result, _ := do(ctx, b, func() (any, error) { return new(body), nil }) // gone before
			firebreak.Discard(result)
		}
		wantState(t, b, breaker.Closed)
	})
}

// "A passed caller deadline counts as failure only if the caller gave it a fair
// time (option; default: count)."
func TestA4_65_FairTime(t *testing.T) {
	const fair = 2 * time.Second
	for _, test := range []struct {
		name     string
		fairTime time.Duration
		callers  time.Duration // the caller's deadline; 0 is none
		policys  time.Duration // of a timeout policy; 0 is none
		outside  bool          // the policy stands outside of the breaker
		own      error         // what the dependency fails with
		after    time.Duration // when
		want     breaker.State
	}{
		{name: "DefaultCounts", callers: time.Millisecond, want: breaker.Open},
		{name: "Unfair", fairTime: fair, callers: fair - 1, want: breaker.Closed},
		{name: "Fair", fairTime: fair, callers: fair, want: breaker.Open},
		{name: "PolicyCounts", fairTime: fair, policys: time.Second, want: breaker.Open},
		{name: "PolicyOutsideCounts", fairTime: fair, policys: time.Second, outside: true, want: breaker.Open},
		{name: "PolicyBeforeCaller", fairTime: fair, callers: time.Second + 1, policys: time.Second, want: breaker.Open},
		{name: "CallerBeforePolicy", fairTime: fair, callers: time.Second, policys: time.Second + 1, want: breaker.Closed},
		{name: "DependencysOwnDeadline", fairTime: fair, callers: fair, own: context.DeadlineExceeded, want: breaker.Open},
		{name: "OtherFailure", fairTime: fair, callers: fair, own: os.ErrClosed, want: breaker.Open},
		{name: "OtherFailureTooLate", fairTime: fair, callers: time.Second, own: os.ErrClosed, after: time.Second + 1, want: breaker.Open},
	} {
		for _, body := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s_body_%t", test.name, body), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := breaker.New(breaker.Config{ConsecutiveFailures: 1, FairTime: test.fairTime})
					policies := []firebreak.Policy{timeout.Unbounded("it is the caller's"), b}
					switch {
					case test.outside:
						policies = []firebreak.Policy{timeout.New(test.policys), b}
					case test.policys > 0:
						policies = []firebreak.Policy{b, timeout.New(test.policys)}
					}
					ctx := t.Context()
					if test.callers > 0 {
						var cancel context.CancelFunc
						ctx, cancel = context.WithTimeout(ctx, test.callers)
						defer cancel()
					}
					ends := func(ctx context.Context) error {
						if test.own != nil {
							time.Sleep(test.after)
							return test.own
						}
						<-ctx.Done()
						return context.Cause(ctx)
					}
					_, _ = firebreak.New("payments", policies...).Do(ctx, firebreak.Call{}, func(ctx context.Context, _ firebreak.Call) (any, error) {
						if !body {
							return nil, ends(ctx)
						}
						result := newBody()
						go func() { result.End(firebreak.Call{}.Outcome(ends(ctx))) }()
						return result, nil
					})
					time.Sleep(time.Minute)
					wantState(t, b, test.want)
				})
			})
		}
	}
}

func newBody() *body { return new(body) }

// TestAnswersThatSayNo: 4xx are answers; a 429 without a hint does not vote.
func TestAnswersThatSayNo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := breaker.New(breaker.Config{ConsecutiveFailures: 1, MinCalls: 1})
		for _, class := range []firebreak.Class{firebreak.Success, firebreak.Overload, firebreak.Ignored, firebreak.Class(17)} {
			for range 30 {
				_, err := do(t.Context(), b, func() (any, error) {
					return nil, &firebreak.AttemptError{Err: errors.New("status 4xx"), Class: class}
				})
				if errors.Is(err, breaker.ErrOpen) {
					t.Fatalf("class %v: got %v", class, err)
				}
			}
		}
		wantState(t, b, breaker.Closed)
	})
}

// TestRejection holds the text and the fields of a rejection. Its cause is told,
// but is not what went wrong with this call.
func TestRejection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := breaker.New(breaker.Config{ConsecutiveFailures: 1})
		stack := firebreak.New("payments", b, timeout.New(2*time.Second))
		_, cause := firebreak.Do(t.Context(), stack, "lookup", hang)
		if !errors.Is(cause, context.DeadlineExceeded) {
			t.Fatalf("got %v, want a timeout", cause)
		}
		sent := false
		_, err := firebreak.Do(t.Context(), stack, "lookup", func(context.Context) (any, error) { sent = true; return nil, nil })
		rejection, ok := errors.AsType[*firebreak.RejectedError](err)
		if !ok || sent {
			t.Fatalf("got %v (sent: %t), want a rejection, nothing sent", err, sent)
		}
		if d := rejection.RetryAfter; d < 4*time.Second || d > 6*time.Second {
			t.Errorf("RetryAfter is %v, want 4s to 6s", d)
		}
		rejection.RetryAfter = 3210 * time.Millisecond
		if got, want := err.Error(), "breaker payments: open for 3.2s: timeout: call took over 2s"; got != want {
			t.Errorf("Error is %q, want %q", got, want)
		}
		want := firebreak.RejectedError{
			Policy: "breaker", Stack: "payments", Reason: "open", Err: breaker.ErrOpen, RetryAfter: rejection.RetryAfter, Cause: cause,
		}
		if *rejection != want {
			t.Errorf("got %+v, want %+v", *rejection, want)
		}
		if !errors.Is(err, breaker.ErrOpen) {
			t.Errorf("%v is not ErrOpen", err)
		}
		if errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v is a DeadlineExceeded: that was another call", err)
		}
		if got := firebreak.Classify(err); got != firebreak.Ignored {
			t.Errorf("a rejection is a %v, want %v", got, firebreak.Ignored)
		}
	})
}

// TestCauseIsBare: the caller sees the failure, not what a transport noted on it.
func TestCauseIsBare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		noted := func(class firebreak.Class) (any, error) {
			return nil, &firebreak.AttemptError{Err: errStatus, Class: class, RetryAfter: time.Minute}
		}
		for _, class := range []firebreak.Class{firebreak.Failure, firebreak.Overload} {
			b := breaker.New(breaker.Config{ConsecutiveFailures: 1})
			_, _ = do(t.Context(), b, func() (any, error) { return noted(class) })
			_, err := do(t.Context(), b, succeed)
			if rejection, ok := errors.AsType[*firebreak.RejectedError](err); !ok || rejection.Cause != errStatus { //nolint:errorlint // the error itself, not one around it
				t.Errorf("after a %v: got %#v, want the cause %v", class, err, errStatus)
			}
		}
	})
}

// TestHoldMeetsRetry: a retry waits for as long as the dependency asked for, and
// the breaker holds calls off for as long. The retry that ends its wait at the
// instant at which the hold ends is made.
func TestHoldMeetsRetry(t *testing.T) {
	for _, withBody := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := breaker.New(breaker.Config{})
			stack := firebreak.New("payments", timeout.New(time.Minute),
				retry.New(retry.Config{BaseDelay: 1, ThrottledBaseDelay: 1}), b) // no more than the hint, but for a nanosecond
			start := time.Now()
			var attempts []time.Duration
			_, err := stack.Do(t.Context(), firebreak.Call{Idempotent: true}, func(context.Context, firebreak.Call) (any, error) {
				attempts = append(attempts, time.Since(start).Truncate(time.Microsecond))
				if len(attempts) == 3 {
					return nil, nil
				}
				err := &firebreak.AttemptError{Err: errStatus, Class: firebreak.Overload, RetryAfter: 7 * time.Second}
				if withBody {
					return &drainedBody{took: 50 * time.Millisecond}, err
				}
				return nil, err
			})
			if err != nil || len(attempts) != 3 {
				t.Errorf("attempts at %v, error %v, want 3 attempts", attempts, err)
			}
		})
	}
}

// drainedBody takes a while to be discarded.
type drainedBody struct {
	body

	took time.Duration
}

func (b *drainedBody) Discard() {
	time.Sleep(b.took)
	b.body.Discard()
}

func TestEvictable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := breaker.New(breaker.Config{ConsecutiveFailures: 1, Probes: 2})
		want := func(when string, want bool) {
			t.Helper()
			if got := b.Evictable(); got != want {
				t.Errorf("%s: Evictable is %t, want %t", when, got, want)
			}
		}
		want("closed", true)
		_, _ = do(t.Context(), b, fail)
		want("open", false)
		waitOut(t, b)
		want("open, after its time", true)
		_, _ = do(t.Context(), b, succeed)
		want("half-open", true)
		b.ForceOpen()
		want("forced open", false)
		b.ForceClosed()
		want("forced closed", false)
		b.Reset()
		want("reset", true)
		_, _ = do(t.Context(), b, func() (any, error) {
			return nil, &firebreak.AttemptError{Err: errStatus, Class: firebreak.Overload, RetryAfter: 10 * time.Second}
		})
		want("held", false)
		time.Sleep(10 * time.Second)
		want("held, after its time", true)
	})
}

// TestExactHintHoldsNobodyElse holds that a hint for one call, as grpc-retry-pushback-ms is,
// is none for the others, who would be rejected for what is no trouble of theirs.
func TestExactHintHoldsNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, exact := range []bool{false, true} {
			b := breaker.New(breaker.Config{})
			_, _ = do(t.Context(), b, func() (any, error) {
				return nil, &firebreak.AttemptError{Err: errStatus, Class: firebreak.Overload, RetryAfter: 10 * time.Second, Exact: exact}
			})
			if _, err := do(t.Context(), b, succeed); errors.Is(err, breaker.ErrOpen) == exact {
				t.Errorf("exact %t: the next call ended with %v, want a rejection: %t", exact, err, !exact)
			}
		}
	})
}

// TestOpenBreakerIsNotForgotten in a Keyed, however many keys come.
func TestOpenBreakerIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keyed := firebreak.Keyed(firebreak.ByTarget, func(string) firebreak.Policy {
			return breaker.New(breaker.Config{ConsecutiveFailures: 1})
		}, firebreak.MaxKeys(4))
		call := func(target string, err error) error {
			_, got := keyed.Do(t.Context(), firebreak.Call{Target: target}, func(context.Context, firebreak.Call) (any, error) { return nil, err })
			return got
		}
		_ = call("down", errStatus)
		for i := range 1000 {
			_ = call(fmt.Sprint("other ", i), nil)
		}
		if err := call("down", nil); !errors.Is(err, breaker.ErrOpen) {
			t.Errorf("got %v, want %v", err, breaker.ErrOpen)
		}
		var reports []string
		keyed.Report(func(s firebreak.Status) {
			if s.Key == "down" {
				reports = append(reports, s.Policy+" "+s.State)
			}
		})
		if diff := cmp.Diff([]string{"breaker open"}, reports); diff != "" {
			t.Errorf("Report (-want +got):\n%s", diff)
		}
	})
}

// TestReport: the states are a closed set, as they are values of a metric.
func TestReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := breaker.New(breaker.Config{ConsecutiveFailures: 1})
		want := func(state string) {
			t.Helper()
			var got []firebreak.Status
			b.Report(func(s firebreak.Status) { got = append(got, s) })
			if diff := cmp.Diff([]firebreak.Status{{Policy: "breaker", State: state}}, got); diff != "" {
				t.Errorf("Report (-want +got):\n%s", diff)
			}
		}
		want("closed")
		untilProbing(t, b)
		want("open")
		_, _ = do(t.Context(), b, succeed)
		want("half-open")
		b.ForceOpen()
		want("forced-open")
		b.ForceClosed()
		want("forced-closed")
	})
}

// "Permit misuse: double release ignored." Only the first outcome that a gate is
// told counts.
func TestA12_223_DoneCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := breaker.New(breaker.Config{ConsecutiveFailures: 2, Probes: 2})
		failure := firebreak.Outcome{Class: firebreak.Failure, Err: errStatus}
		for range 3 {
			done, err := b.Allow(t.Context(), firebreak.Call{})
			if err != nil {
				t.Fatal(err)
			}
			done(firebreak.Outcome{Class: firebreak.Success})
			done(failure)
			done(failure)
		}
		wantState(t, b, breaker.Closed)
		done, err := b.Allow(t.Context(), firebreak.Call{})
		if err != nil {
			t.Fatal(err)
		}
		done(failure)
		done(failure)
		wantState(t, b, breaker.Closed)
	})
}

// TestConcurrentUse is for the race detector: calls that end in every way while
// the breaker is forced, reset, asked and evicted.
func TestConcurrentUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := breaker.New(breaker.Config{
			Window: time.Second, ConsecutiveFailures: 3, MinCalls: 5, OpenFor: 10 * time.Millisecond, ProbeTimeout: 20 * time.Millisecond,
			SlowAfter: 15 * time.Millisecond, FairTime: 5 * time.Millisecond, MaxHold: 10 * time.Millisecond, OnStateChange: func(breaker.Change) {},
		})
		ends := []error{
			nil, nil, errStatus, context.Canceled, context.DeadlineExceeded,
			&firebreak.AttemptError{Err: errStatus, Class: firebreak.Overload, RetryAfter: time.Second},
		}
		var admitted atomic.Int64
		var calls sync.WaitGroup
		for i := range 32 {
			calls.Go(func() {
				for j := range 100 {
					result, _ := do(t.Context(), b, func() (any, error) {
						admitted.Add(1)
						time.Sleep(time.Duration((i*j)%30) * time.Millisecond)
						return new(body), ends[(i+j)%len(ends)]
					})
					time.Sleep(time.Duration((i+j)%30) * time.Millisecond)
					if r, ok := result.(*body); ok {
						r.End(firebreak.Call{}.Outcome(ends[(i*j)%len(ends)]))
					}
					switch (i * j) % 97 {
					case 1:
						b.ForceOpen()
					case 2:
						b.ForceClosed()
					case 3, 4, 5:
						b.Reset()
					default:
						_, _ = b.State(), b.Evictable()
					}
				}
			})
		}
		calls.Wait()
		if admitted.Load() < 100 {
			t.Errorf("%d calls were admitted, want enough to race", admitted.Load())
		}
		b.Reset()
		_, err := do(t.Context(), b, succeed)
		if err != nil {
			t.Errorf("after all: got %v", err)
		}
	})
}

// TestAllocations: a call through a closed breaker costs one, for gobreaker's
// vote; a rejection at most two.
func TestAllocations(t *testing.T) {
	ctx := t.Context()
	next := func(context.Context, firebreak.Call) (any, error) { return nil, nil }
	b := breaker.New(breaker.Config{})
	if got := testing.AllocsPerRun(1000, func() { _, _ = b.Do(ctx, firebreak.Call{}, next) }); got > 1 {
		t.Errorf("a call through a closed breaker makes %v allocations, want 1", got)
	}
	measured := breaker.New(breaker.Config{SlowAfter: time.Hour, FairTime: time.Hour})
	if got := testing.AllocsPerRun(1000, func() { _, _ = measured.Do(ctx, firebreak.Call{}, next) }); got > 1 {
		t.Errorf("a call that is measured makes %v allocations, want 1", got)
	}
	b.ForceClosed()
	if got := testing.AllocsPerRun(1000, func() { _, _ = b.Do(ctx, firebreak.Call{}, next) }); got > 0 {
		t.Errorf("a call through a breaker that was forced closed makes %v allocations, want 0", got)
	}
	b.ForceOpen()
	if got := testing.AllocsPerRun(1000, func() { _, _ = b.Do(ctx, firebreak.Call{}, next) }); got > 2 {
		t.Errorf("a rejection makes %v allocations, want 2 at most", got)
	}
}

// A health check is answered while the breaker is open, and is no probe of it.
func TestExempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := breaker.New(breaker.Config{ConsecutiveFailures: 1, MinCalls: 1})
		health := firebreak.Call{Exempt: true}
		fail := func(context.Context, firebreak.Call) (any, error) { return nil, errStatus }
		if _, err := b.Do(t.Context(), health, fail); !errors.Is(err, errStatus) {
			t.Errorf("got %v, want %v", err, errStatus)
		}
		wantState(t, b, breaker.Closed)
		_, _ = b.Do(t.Context(), firebreak.Call{}, fail)
		wantState(t, b, breaker.Open)
		if _, err := b.Do(t.Context(), health, fail); !errors.Is(err, errStatus) {
			t.Errorf("got %v, want %v: an open breaker lets it pass", err, errStatus)
		}
		done, err := b.Allow(t.Context(), health)
		if err != nil {
			t.Fatal(err)
		}
		done(firebreak.Outcome{})
		wantState(t, b, breaker.Open)
	})
}

// Whose caller is gone may panic: that is no failure of the dependency.
func TestPanicAfterTheCallerIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, gone := range []bool{true, false} {
			b := breaker.New(breaker.Config{ConsecutiveFailures: 1, MinCalls: 1})
			ctx, cancel := context.WithCancel(t.Context())
			func() {
				defer func() { _ = recover() }()
				_, _ = b.Do(ctx, firebreak.Call{}, func(context.Context, firebreak.Call) (any, error) {
					if gone {
						cancel()
					}
					panic("broken pipe")
				})
			}()
			cancel()
			want := breaker.Open
			if gone {
				want = breaker.Closed
			}
			wantState(t, b, want)
		}
	})
}
