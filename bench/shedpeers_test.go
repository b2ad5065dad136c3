package bench

import (
	"context"
	"runtime"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/adaptivelimiter"
	"github.com/zeromicro/go-zero/core/load"
	"github.com/zeromicro/go-zero/core/logx"
)

// safeLimiter is failsafe-go's adaptive limiter, as an executor and as it is. What
// differs from firebreak's:
//
//   - It has a queue only if told so, here of twice the limit; priorities are those of
//     another limiter.
//   - Its permit, TryAcquirePermit, has no queue, and no context.
//   - A refusal is always the same error: it does not say when to come back.
//   - It learns once a second, under the lock that all calls take when they end.
type safeLimiter[R any] struct {
	adaptivelimiter.AdaptiveLimiter[R]
	executor failsafe.Executor[R]
}

// Settings of peers that firebreak does not have.
const (
	safeLimit    = 20 // its default, for the calls that are to fill it
	safeQueue    = 2  // times the limit
	safeMaxWait  = 10 * time.Second
	zeroInFlight = 200 // calls of which half suffice to fill a shedder that has seen none end
)

func newSafeAdaptive[R any]() adaptivelimiter.AdaptiveLimiter[R] {
	return adaptivelimiter.NewBuilder[R]().
		WithLimits(1, 10*safeLimit, safeLimit).
		WithQueueing(safeQueue, safeQueue).
		WithMaxWaitTime(safeMaxWait).
		Build()
}

func newSafeLimiter() safeLimiter[any] {
	l := newSafeAdaptive[any]()
	return safeLimiter[any]{l, failsafe.With[any](l)}
}

// run makes a call through the executor.
func (l safeLimiter[R]) run(ctx context.Context) error {
	return l.executor.WithContext(ctx).Run(func() error { return nil })
}

// hold takes a permit and gives it back.
func (l safeLimiter[R]) hold() error {
	permit, ok := l.TryAcquirePermit()
	if !ok {
		return adaptivelimiter.ErrExceeded
	}
	permit.Record()
	return nil
}

func newFullSafeLimiter(ctx context.Context) safeLimiter[any] {
	l := newSafeLimiter()
	fillSafe(ctx, l.AdaptiveLimiter)
	return l
}

// fillSafe has calls that never end take all permits of l and all room to wait. They
// wait until ctx ends.
func fillSafe[R any](ctx context.Context, l adaptivelimiter.AdaptiveLimiter[R]) {
	for range safeLimit {
		_, err := l.AcquirePermit(ctx)
		must(err)
	}
	for range safeQueue * safeLimit {
		go func() { _, _ = l.AcquirePermit(ctx) }()
	}
	for l.Queued() < safeQueue*safeLimit {
		runtime.Gosched()
	}
}

// newZero returns go-zero's adaptive shedder. What differs from firebreak's:
//
//   - It refuses nobody as long as the CPU is used less than by 90 %, whatever the
//     latency; a goroutine of the package measures that four times a second.
//   - It has no queue, no priorities, and knows no context.
//   - A refusal is always the same error; what was seen is logged, once per refusal.
func newZero(options ...load.ShedderOption) load.Shedder {
	logx.Disable() // the log of a refusal would stand among the results
	return load.NewAdaptiveShedder(options...)
}

// newFullZero returns a shedder that believes the CPU to be in full use always, and
// has more calls in flight than it thinks good.
func newFullZero() load.Shedder {
	s := newZero(load.WithCpuThreshold(0))
	for i := range zeroInFlight {
		promise, err := s.Allow()
		must(err)
		if i%2 == 1 {
			defer promise.Fail() // it notes what is in flight when a call ends
		}
	}
	return s
}

// pass makes a call.
func pass(s load.Shedder) error {
	promise, err := s.Allow()
	if err != nil {
		return err
	}
	promise.Pass()
	return nil
}
