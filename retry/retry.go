// Package retry makes a call again that failed: a few times, after waits that
// grow and are random, and only as long as a budget lasts.
//
// What is repeated: calls that are idempotent, and calls that provably never
// left. What is not: rejections of firebreak's own policies, and what comes out
// the same each time. No wait is begun that cannot end within the deadline: the
// call then ends with what it has, at once.
package retry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/firebreak-go/firebreak"
)

// Defaults of Config.
const (
	DefaultMaxAttempts        = 3
	DefaultBaseDelay          = 50 * time.Millisecond
	DefaultThrottledBaseDelay = time.Second
	DefaultMaxDelay           = 5 * time.Second
	DefaultMaxRetryAfter      = 60 * time.Second
)

// Config configures a Retry. Its zero value is right for most dependencies.
type Config struct {
	// MaxAttempts is how often a call is made at the most, the first time
	// included: 1 is no retry. The default is 3; more rarely helps, as the budget
	// is the bound that counts.
	MaxAttempts int

	// BaseDelay is the longest wait before the first retry of a failure. It
	// doubles with each retry; the wait is random between 0 and that (full
	// jitter). The default is 50ms.
	BaseDelay time.Duration

	// ThrottledBaseDelay is BaseDelay for a dependency that said that it is
	// overloaded. The default is 1s.
	ThrottledBaseDelay time.Duration

	// MaxDelay caps the waits, and is at least as long as both base delays. The
	// default is 5s.
	MaxDelay time.Duration

	// MaxRetryAfter is the longest wait that a server may ask for. A server that
	// asks for more is not asked again: the call ends with its answer. The default
	// is 60s. What the server asks for is waited in full, and the random wait on top.
	MaxRetryAfter time.Duration

	// NewBackOff, if not nil, returns the waits of one call in place of those
	// above; it must return a new one each time. A wait below 0, such as
	// [backoff.Stop], ends the call with what it has.
	NewBackOff func() backoff.BackOff

	// Budget bounds the retries of all calls together. The default is one of the
	// policy's own, with the defaults of [BudgetConfig].
	Budget *Budget

	// RetryNested allows retries also for a call that is made for a call that is
	// itself a retry. The default is not to: each layer of three attempts would
	// triple the traffic of the one above.
	RetryNested bool
}

// Validate returns all that is wrong with cfg, or nil.
func (cfg Config) Validate() error {
	var problems []error
	if cfg.MaxAttempts < 0 {
		problems = append(problems, fmt.Errorf("MaxAttempts is %d, want 1 or more, or 0 for %d", cfg.MaxAttempts, DefaultMaxAttempts))
	}
	full := cfg.withDefaults()
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"BaseDelay", full.BaseDelay}, {"ThrottledBaseDelay", full.ThrottledBaseDelay},
		{"MaxDelay", full.MaxDelay}, {"MaxRetryAfter", full.MaxRetryAfter},
	} {
		if d.value < 0 {
			problems = append(problems, fmt.Errorf("%s is %v, want more than 0, or 0 for the default", d.field, d.value))
		}
	}
	for _, base := range []struct {
		field string
		value time.Duration
	}{{"BaseDelay", full.BaseDelay}, {"ThrottledBaseDelay", full.ThrottledBaseDelay}} {
		if full.MaxDelay >= 0 && full.MaxDelay < base.value {
			problems = append(problems, fmt.Errorf("MaxDelay is %v, want at least %s, %v", full.MaxDelay, base.field, base.value))
		}
	}
	if cfg.NewBackOff != nil && (cfg.BaseDelay != 0 || cfg.ThrottledBaseDelay != 0 || cfg.MaxDelay != 0) {
		problems = append(problems, errors.New("NewBackOff is set together with BaseDelay, ThrottledBaseDelay or MaxDelay, want one or the other"))
	}
	return errors.Join(problems...)
}

func (cfg Config) withDefaults() Config {
	cfg.MaxAttempts = orDefault(cfg.MaxAttempts, DefaultMaxAttempts)
	cfg.BaseDelay = orDefault(cfg.BaseDelay, DefaultBaseDelay)
	cfg.ThrottledBaseDelay = orDefault(cfg.ThrottledBaseDelay, DefaultThrottledBaseDelay)
	cfg.MaxDelay = orDefault(cfg.MaxDelay, DefaultMaxDelay)
	cfg.MaxRetryAfter = orDefault(cfg.MaxRetryAfter, DefaultMaxRetryAfter)
	return cfg
}

// A Retry is a policy that makes failed calls again. It is safe for concurrent
// use.
type Retry struct {
	cfg Config // with a Budget in any case
}

// New returns a Retry. It panics if cfg is not valid.
func New(cfg Config) *Retry {
	if err := cfg.Validate(); err != nil {
		panic(fmt.Errorf("retry.New: %w", err))
	}
	cfg = cfg.withDefaults()
	if cfg.Budget == nil {
		cfg.Budget = NewBudget(BudgetConfig{})
		cfg.Budget.own = true
	}
	return &Retry{cfg: cfg}
}

// Do runs next until it succeeds, or until another attempt is not allowed or
// would not help. It returns the last result and error as they are.
func (r *Retry) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	var waits waits
	inner := ctx
	for n := 1; ; n++ {
		c.Attempt = n
		result, err := next(inner, c)
		if err == nil {
			if n == 1 {
				r.cfg.Budget.deposit()
			}
			return result, nil
		}
		o, wait, ok := r.again(ctx, c, &waits, result, err)
		if !ok {
			return result, err
		}
		if err := pause(ctx, c, result, wait, o); err != nil {
			return nil, err
		}
		if n == 1 {
			inner = Suppress(ctx)
		}
	}
}

// again reports after what wait the attempt that ended with result and err is to
// be repeated, or that it is not to be. A panic in it, of a classifier, a backoff
// or a Rewinder, must not leave the result behind.
func (r *Retry) again(
	ctx context.Context, c firebreak.Call, waits *waits, result any, err error,
) (o firebreak.Outcome, wait time.Duration, ok bool) {
	decided := false
	defer func() {
		if !decided {
			firebreak.Discard(result)
		}
	}()
	o = c.Outcome(err)
	if c.Attempt == 1 && o.Class != firebreak.Ignored {
		r.cfg.Budget.deposit()
	}
	allowed := c.Attempt < r.cfg.MaxAttempts && (r.cfg.RetryNested || !suppressed(ctx))
	if allowed && repeatable(c, o) && c.Err(ctx) == nil {
		wait, ok = waits.next(&r.cfg, o)
		ok = ok && fits(ctx, c, wait) && r.prepare(ctx, c, o)
	}
	decided = true
	return o, wait, ok
}

// repeatable reports whether making the call again is safe and may help.
func repeatable(c firebreak.Call, o firebreak.Outcome) bool {
	said, ok := errors.AsType[*firebreak.AttemptError](o.Err)
	_, rejected := errors.AsType[*firebreak.RejectedError](o.Err)
	switch {
	case o.Class == firebreak.Ignored:
		return false
	case ok && said.Repeat != firebreak.RepeatByClass:
		return said.Repeat == firebreak.RepeatAlways
	case rejected && !ok: // also where the user's classifier takes it for a failure
		return false
	}
	return c.Idempotent && (o.Class == firebreak.Failure || o.Class == firebreak.Overload)
}

// fits reports whether an attempt after wait would still begin in time.
func fits(ctx context.Context, c firebreak.Call, wait time.Duration) bool {
	deadline, ok := c.Deadline(ctx)
	return !ok || wait < time.Until(deadline)
}

// prepare makes the request ready and pays for the retry. A request that cannot be
// sent again costs nothing, and one that nobody pays for is not made ready: it may
// have to open a file.
func (r *Retry) prepare(ctx context.Context, c firebreak.Call, o firebreak.Outcome) bool {
	paid := false
	if r.cfg.Budget.Available() >= 1 {
		if rw, ok := c.Request.(firebreak.Rewinder); ok && rw.Rewind() != nil {
			return false
		}
		paid = r.cfg.Budget.withdraw() // another call may have been faster
	}
	if !paid {
		c.Emit(ctx, firebreak.Event{Kind: firebreak.EventReject, Policy: "budget", Reason: "spent", Err: o.Err})
	}
	return paid
}

// pause gives up result and waits before the next attempt. The wait begins before
// the result is drained: it was found to fit into the deadline, and both together
// might not.
func pause(ctx context.Context, c firebreak.Call, result any, wait time.Duration, o firebreak.Outcome) error {
	begin := time.Now()
	firebreak.Discard(result)
	_, err := c.Wait(ctx, wait-time.Since(begin), nil)
	reason := "transient"
	switch {
	case err != nil:
		reason = "canceled" // no attempt follows
	case o.Class == firebreak.Overload:
		reason = "throttled"
	}
	c.Emit(ctx, firebreak.Event{
		Kind: firebreak.EventRetry, Policy: "retry", Reason: reason, Attempt: c.Attempt + 1, Duration: time.Since(begin), Err: o.Err,
	})
	return err
}

// Describe implements [firebreak.Describer]. It panics for a zero value, so that a
// Stack is not made of one.
func (r *Retry) Describe() firebreak.Description {
	if r.cfg.Budget == nil {
		panic("retry: a Retry that New has not made, want one of retry.New")
	}
	return firebreak.Description{Kind: firebreak.KindRetry, Text: fmt.Sprintf("retry %d attempts", r.cfg.MaxAttempts)}
}

// Report implements [firebreak.Reporter].
func (r *Retry) Report(yield func(firebreak.Status)) {
	yield(firebreak.Status{Policy: "retry", Budget: r.cfg.Budget.Available(), Budgeted: true})
}

// Evictable implements [firebreak.Evicter]: a budget of the policy's own that was
// drawn on is not forgotten, for in its place one with a full floor would begin.
func (r *Retry) Evictable() bool { return !r.cfg.Budget.own || r.cfg.Budget.rested() }

type suppressedKey struct{}

// Suppress returns a context under which calls are not retried, unless their
// Retry has RetryNested set. A server marks the context of a request with it that
// is itself a retry; a Retry does so for its own second and later attempts.
func Suppress(ctx context.Context) context.Context {
	return context.WithValue(ctx, suppressedKey{}, true)
}

func suppressed(ctx context.Context) bool { return ctx.Value(suppressedKey{}) != nil }
