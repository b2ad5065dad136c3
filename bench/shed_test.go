package bench

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/failsafe-go/failsafe-go/adaptivelimiter"
	"github.com/zeromicro/go-zero/core/load"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/internal/adaptive"
	"github.com/firebreak-go/firebreak/shed"
)

// nothing is what a call does that only costs what its policy costs.
func nothing(context.Context, firebreak.Call) (any, error) { return nil, nil }

// The limiter of Shed alone, which is given the time and makes no error, and the clock
// alone, which Shed reads when a call is let in and when it ends, are parts of it.
const (
	limiterAlone = "limiter alone"
	clockAlone   = "clock alone"
)

// BenchmarkShed is a call that is let in at once, does nothing, and gives its place
// back.
func BenchmarkShed(b *testing.B) {
	ctx := context.Background()
	compare(b, []contestant{
		{"firebreak", func() func() func() error {
			s := shed.New(shed.Config{})
			return each(func() error { return shedCall(ctx, s) })
		}},
		{"failsafe-go", func() func() func() error {
			l := newSafeLimiter()
			return each(func() error { return l.run(ctx) })
		}},
		{"failsafe-go permit", func() func() func() error {
			l := newSafeLimiter()
			return each(l.hold)
		}},
		{"go-zero", func() func() func() error {
			s := newZero()
			return each(func() error { return pass(s) })
		}},
		{limiterAlone, func() func() func() error {
			l := adaptive.New(0, adaptive.Config{})
			return func() func() error {
				now := time.Duration(0)
				return func() error {
					now += time.Microsecond
					return admitAndRelease(l, now)
				}
			}
		}},
		{clockAlone, func() func() func() error {
			origin := time.Now()
			return each(func() error {
				if begin := time.Since(origin); time.Since(origin) < begin {
					return errors.New("the clock goes back")
				}
				return nil
			})
		}},
	})
}

// BenchmarkShedFull is a call that finds all places taken, and no room to wait for
// one.
func BenchmarkShedFull(b *testing.B) {
	ctx := context.Background()
	compare(b, []contestant{
		{"firebreak", func() func() func() error {
			s := newFullShed(b.Context())
			return each(func() error { return refused(shedCall(ctx, s)) })
		}},
		{"failsafe-go", func() func() func() error {
			l := newFullSafeLimiter(b.Context())
			return each(func() error { return rejected(l.run(ctx), adaptivelimiter.ErrExceeded) })
		}},
		{"failsafe-go permit", func() func() func() error {
			l := newFullSafeLimiter(b.Context())
			return each(func() error { return rejected(l.hold(), adaptivelimiter.ErrExceeded) })
		}},
		{"go-zero", func() func() func() error {
			s := newFullZero()
			return each(func() error { return rejected(pass(s), load.ErrServiceOverloaded) })
		}},
		{limiterAlone, func() func() func() error {
			l := newFullLimiter()
			return func() func() error {
				w := &adaptive.Waiter{Wake: func() {}}
				return func() error { return refuse(l, w) }
			}
		}},
		{limiterAlone + " and Retry-After", func() func() func() error {
			l := newFullLimiter()
			return func() func() error {
				w := &adaptive.Waiter{Wake: func() {}}
				return func() error {
					if l.RetryAfter(0, adaptive.Default) < time.Second {
						return errors.New("want a time to come back")
					}
					return refuse(l, w)
				}
			}
		}},
	})
}

func shedCall(ctx context.Context, s *shed.Shed) error {
	_, err := s.Do(ctx, firebreak.Call{}, nothing)
	return err
}

// refused returns nil if err is that of a full shed: not of one in which the call has
// waited.
func refused(err error) error {
	if r, ok := errors.AsType[*firebreak.RejectedError](err); ok && r.Reason == "full" {
		return nil
	}
	return errors.Join(errors.New("want a refusal"), err)
}

// newFullShed returns a Shed with calls that never end in all places and in the queue.
// Those in the queue wait until ctx ends, but no longer than Shed has them wait, which
// is 10s.
func newFullShed(ctx context.Context) *shed.Shed {
	s := shed.New(shed.Config{})
	for range s.Snapshot().Limit {
		_, err := s.Allow(ctx, firebreak.Call{})
		must(err)
	}
	const more = 100 // than there is room for
	turnedAway := new(atomic.Int64)
	for range more {
		go func() {
			if _, err := s.Allow(ctx, firebreak.Call{}); err != nil {
				turnedAway.Add(1)
			}
		}()
	}
	for s.Snapshot().Waiting+int(turnedAway.Load()) < more {
		runtime.Gosched()
	}
	return s
}

func admitAndRelease(l *adaptive.Limiter, now time.Duration) error {
	if !l.TryAdmit(now) {
		return errors.New("want to be let in")
	}
	l.Release(now, time.Microsecond, adaptive.Completed)
	return nil
}

func refuse(l *adaptive.Limiter, w *adaptive.Waiter) error {
	if v := l.Arrive(0, adaptive.Default, 0, w); v != adaptive.Full {
		return errors.New("want a refusal, got " + v.String())
	}
	return nil
}

// newFullLimiter returns the limiter of a full Shed.
func newFullLimiter() *adaptive.Limiter {
	l := adaptive.New(0, adaptive.Config{})
	for l.TryAdmit(0) {
	}
	for l.Arrive(0, adaptive.Default, 0, &adaptive.Waiter{Wake: func() {}}) == adaptive.Queued {
	}
	return l
}
