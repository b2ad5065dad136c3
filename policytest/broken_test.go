package policytest_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/firebreak-go/firebreak"
)

var errFull = errors.New("full")

// limit is a correct policy: at most places calls at once.
type limit struct {
	mu     sync.Mutex // guards the field below
	places int
}

func (l *limit) take() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.places == 0 {
		return false
	}
	l.places--
	return true
}

func (l *limit) give() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.places++
}

func (l *limit) Allow(ctx context.Context, c firebreak.Call) (func(firebreak.Outcome), error) {
	if ctx.Err() != nil {
		return nil, c.Err(ctx)
	}
	if !l.take() {
		return nil, c.Reject(ctx, &firebreak.RejectedError{Policy: "limit", Reason: "full", Err: errFull})
	}
	give := sync.OnceFunc(l.give)
	return func(firebreak.Outcome) { give() }, nil
}

func (l *limit) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	return firebreak.Admit(ctx, c, l, next)
}

// fallback is a correct policy: it answers itself where next fails.
type fallback struct{}

func (fallback) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	result, err := next(ctx, c)
	if err == nil || ctx.Err() != nil {
		return result, err
	}
	firebreak.Discard(result)
	return "fallback", nil
}

// waiter is a correct policy: one call at once, the others wait for a second.
type waiter struct{ place chan struct{} }

func newWaiter() waiter { return waiter{make(chan struct{}, 1)} }

func (w waiter) Allow(ctx context.Context, c firebreak.Call) (func(firebreak.Outcome), error) {
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case w.place <- struct{}{}:
		give := sync.OnceFunc(func() { <-w.place })
		return func(firebreak.Outcome) { give() }, nil
	case <-timer.C:
		return nil, c.Reject(ctx, &firebreak.RejectedError{Policy: "waiter", Reason: "full", Err: errFull})
	case <-ctx.Done():
		return nil, c.Err(ctx)
	}
}

func (w waiter) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	return firebreak.Admit(ctx, c, w, next)
}

// reserving is a correct policy: a limit that decides ahead.
type reserving struct{ *limit }

func newReserving() reserving { return reserving{&limit{places: 4}} }

func (r reserving) Reserve(ctx context.Context, c firebreak.Call) (firebreak.Reservation, *firebreak.RejectedError) {
	switch {
	case ctx.Err() != nil || c.Exempt:
		return nil, nil
	case !r.take():
		return nil, &firebreak.RejectedError{Policy: "limit", Reason: "full", Err: errFull}
	default:
		return reservation{r.limit}, nil
	}
}

// reservation is a place of a limit.
type reservation struct{ l *limit }

func (r reservation) Cancel() { r.l.give() }

func (r reservation) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	return firebreak.Admit(ctx, c, gateFunc(func(context.Context, firebreak.Call) (func(firebreak.Outcome), error) {
		give := sync.OnceFunc(r.l.give)
		return func(firebreak.Outcome) { give() }, nil
	}), next)
}

// reserveFunc is a limit with a Reserve of its own.
type reserveFunc struct {
	reserving

	reserve func(r reserving, ctx context.Context, c firebreak.Call) (firebreak.Reservation, *firebreak.RejectedError)
}

func (f reserveFunc) Reserve(ctx context.Context, c firebreak.Call) (firebreak.Reservation, *firebreak.RejectedError) {
	return f.reserve(f.reserving, ctx, c)
}

// reserves is for broken policies that reserve in their own way.
func reserves(f func(r reserving, ctx context.Context, c firebreak.Call) (firebreak.Reservation, *firebreak.RejectedError)) func() firebreak.Policy {
	return func() firebreak.Policy { return reserveFunc{newReserving(), f} }
}

// reservationFunc is a reservation with a Do and a Cancel of its own.
type reservationFunc struct {
	reservation

	do     func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error)
	cancel func()
}

func (f reservationFunc) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	if f.do == nil {
		return f.reservation.Do(ctx, c, next)
	}
	return f.do(ctx, c, next)
}

func (f reservationFunc) Cancel() {
	if f.cancel == nil {
		f.reservation.Cancel()
		return
	}
	f.cancel()
}

// repeater is a correct policy: it makes a second attempt of what may be repeated.
type repeater struct{}

func (repeater) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	c.Attempt = 1
	result, err := next(ctx, c)
	if err == nil || !c.Idempotent || c.Outcome(err).Class == firebreak.Ignored {
		return result, err
	}
	firebreak.Discard(result)
	c.Attempt = 2
	return next(ctx, c)
}

// policyFunc is a Policy that is one function.
type policyFunc func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error)

func (f policyFunc) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	return f(ctx, c, next)
}

// stateless is for broken policies that keep nothing.
func stateless(f policyFunc) func() firebreak.Policy { return func() firebreak.Policy { return f } }

// limited is for broken policies that take a place of four, in their own way.
func limited(f func(l *limit, ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error)) func() firebreak.Policy {
	return func() firebreak.Policy {
		l := &limit{places: 4}
		return policyFunc(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
			if !l.take() {
				return nil, c.Reject(ctx, &firebreak.RejectedError{Policy: "limit", Reason: "full", Err: errFull})
			}
			return f(l, ctx, c, next)
		})
	}
}

// gateFunc is a Gate that is one function.
type gateFunc func(ctx context.Context, c firebreak.Call) (func(firebreak.Outcome), error)

func (f gateFunc) Allow(ctx context.Context, c firebreak.Call) (func(firebreak.Outcome), error) {
	return f(ctx, c)
}

func (f gateFunc) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	return firebreak.Admit(ctx, c, f, next)
}

type brokenCase struct {
	name      string
	rule      string // the subtest that has to fail; "" if it is the test itself
	says      string // a part of what it has to say
	newPolicy func() firebreak.Policy
}

var broken = []brokenCase{
	{
		"NeverAdmits", "Bare/NoLockHeld", "newPolicy must return a policy that admits calls",
		stateless(func(context.Context, firebreak.Call, firebreak.Handler) (any, error) { return nil, errFull }),
	},
	{
		"LockAcrossNext", "Bare/NoLockHeld", "release the lock before next runs",
		func() firebreak.Policy {
			var mu sync.Mutex
			return policyFunc(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
				mu.Lock()
				defer mu.Unlock()
				return next(ctx, c)
			})
		},
	},
	{
		"LockAcrossClassify", "Bare/NoLockHeld", "call Classify, and Call.Outcome, without a lock",
		func() firebreak.Policy {
			var mu sync.Mutex
			failures := 0
			return policyFunc(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
				result, err := next(ctx, c)
				mu.Lock()
				defer mu.Unlock()
				if c.Outcome(err).Class == firebreak.Failure {
					failures++
				}
				return result, err
			})
		},
	},
	{
		"LockAcrossOnDone", "Bare/NoLockHeld", "call OnDone without a lock",
		func() firebreak.Policy {
			var mu sync.Mutex
			return policyFunc(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
				result, err := next(ctx, c)
				if p, ok := result.(firebreak.Pending); ok {
					mu.Lock()
					defer mu.Unlock()
					p.OnDone(func(firebreak.Outcome) {
						mu.Lock()
						defer mu.Unlock()
					})
				}
				return result, err
			})
		},
	},
	{
		"DropsResult", "Bare/ResultReturnedOrDiscarded", "call firebreak.Discard with it",
		stateless(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
			_, err := next(ctx, c)
			return nil, err
		}),
	},
	{
		"DropsResultOfFirstAttempt", "InStack/ResultWithError", "call firebreak.Discard with it",
		stateless(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
			result, err := next(ctx, c)
			if err != nil && c.Idempotent {
				return next(ctx, c)
			}
			return result, err
		}),
	},
	{
		"DropsResultWithError", "Bare/ResultWithError", "was dropped",
		stateless(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
			result, err := next(ctx, c)
			if err != nil {
				return nil, err
			}
			return result, nil
		}),
	},
	{
		"DropsErrorWithResult", "Bare/ResultWithError", "without the error that came with it",
		stateless(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
			result, err := next(ctx, c)
			if result != nil {
				return result, nil
			}
			return nil, err
		}),
	},
	{
		"ReturnsDiscarded", "Bare/ResultWithError", "discarded and returned",
		stateless(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
			result, err := next(ctx, c)
			if err != nil {
				firebreak.Discard(result)
			}
			return result, err
		}),
	},
	{
		"LosesPlaceInPanic", "Bare/PanicPassesAndReleases", "release with defer what the call held",
		limited(func(l *limit, ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
			result, err := next(ctx, c)
			c.OnDone(result, err, func(firebreak.Outcome) { l.give() })
			return result, err
		}),
	},
	{
		"SwallowsPanic", "InStack/PanicPassesAndReleases", "do not recover",
		stateless(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (result any, err error) {
			defer func() {
				if recover() != nil {
					err = errors.New("panicked")
				}
			}()
			return next(ctx, c)
		}),
	},
	{
		"ChangesPanic", "Bare/PanicPassesAndReleases", "panic again with the same value",
		stateless(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
			defer func() {
				if recover() != nil {
					panic("panicked")
				}
			}()
			return next(ctx, c)
		}),
	},
	{
		"LosesPlaceInGoexit", "Bare/GoexitPassesAndReleases", "release with defer, also without a panic",
		limited(func(l *limit, ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
			defer func() {
				if v := recover(); v != nil {
					l.give()
					panic(v)
				}
			}()
			result, err := next(ctx, c)
			c.OnDone(result, err, func(firebreak.Outcome) { l.give() })
			return result, err
		}),
	},
	{
		"WaitsForGoexit", "Bare/GoexitPassesAndReleases", "end what waits for next with defer",
		stateless(inGoroutine(func(next func(), done chan struct{}) {
			next()
			close(done)
		})),
	},
	{
		"ReturnsAfterGoexit", "Bare/GoexitPassesAndReleases", "call runtime.Goexit",
		stateless(inGoroutine(func(next func(), done chan struct{}) {
			defer close(done)
			next()
		})),
	},
	{
		"ContextBackground", "Bare/ContextEndsWithCallers", "derive the context of next from the caller's",
		stateless(func(_ context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
			return next(context.Background(), c)
		}),
	},
	{
		"ContextWithoutValues", "InStack/ContextCarriesValues", "derive the context of next from the caller's",
		stateless(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
			inner, cancel := context.WithCancel(context.Background())
			stop := context.AfterFunc(ctx, cancel)
			defer stop()
			return next(inner, c)
		}),
	},
	{
		"ContextOutlivesCallers", "Bare/ContextEndsWithCallers", "outlives the caller's while the result is in use",
		stateless(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
			inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
			defer context.AfterFunc(ctx, cancel)()
			return next(inner, c)
		}),
	},
	{
		"ContextCancelledEarly", "Bare/ContextLivesUntilResultEnds", "cancel it with Call.OnDone, not when next returns",
		stateless(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
			ctx, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			return next(ctx, c)
		}),
	},
	{
		"ContextNeverReleased", "Bare/ContextReleased", "is alive with its timer",
		stateless(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
			ctx, cancel := context.WithTimeout(ctx, time.Minute)
			result, err := next(ctx, c)
			release := cancel
			if err == nil {
				release = func() {}
			}
			release()
			return result, err
		}),
	},
	{
		"LosesPlaceOfGoneCaller", "Bare/CallerGoneLeavesNothing", "release what they held, and do not count them",
		limited(func(l *limit, ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			defer l.give()
			return next(ctx, c)
		}),
	},
	{
		"NeitherForGoneCaller", "Bare/CallerGoneLeavesNothing", "neither a result nor an error",
		stateless(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
			if ctx.Err() != nil {
				return nil, nil
			}
			return next(ctx, c)
		}),
	},
	{
		"ReleasesWhenNextReturns", "InStack/HoldsUntilResultEnds", "release with Call.OnDone, not when next returns",
		limited(func(l *limit, ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
			defer l.give()
			return next(ctx, c)
		}),
	},
	{
		"NeverReleasesResults", "Bare/HoldsUntilResultEnds", "release when the result ends",
		limited(func(l *limit, ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
			pending := false
			defer func() {
				if !pending {
					l.give()
				}
			}()
			result, err := next(ctx, c)
			_, pending = result.(firebreak.Pending)
			return result, err
		}),
	},
	{
		"AdmitsTwice", "Bare/ReleasesOnce", "release what a call held once",
		limited(func(l *limit, ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
			defer l.give()
			result, err := next(ctx, c)
			if p, ok := result.(firebreak.Pending); ok {
				p.OnDone(func(firebreak.Outcome) { l.give() })
			}
			return result, err
		}),
	},
	{
		"CountsIgnored", "Bare/IgnoredDoesNotCount", "an outcome of class Ignored releases, and counts for nothing",
		func() firebreak.Policy {
			var mu sync.Mutex
			failures := 0
			return gateFunc(func(context.Context, firebreak.Call) (func(firebreak.Outcome), error) {
				mu.Lock()
				defer mu.Unlock()
				if failures >= 5 {
					return nil, errFull
				}
				return func(o firebreak.Outcome) {
					mu.Lock()
					defer mu.Unlock()
					if o.Err != nil {
						failures++
					}
				}, nil
			})
		},
	},
	{
		"NewCall", "Bare/CallPassedOn", "never a new one",
		stateless(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
			return next(ctx, firebreak.Call{Op: c.Op, Target: c.Target})
		}),
	},
	{
		"NewCallInStack", "InStack/CallPassedOn", "never a new one",
		stateless(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
			return next(ctx, firebreak.Call{
				Op: c.Op, Target: c.Target, Idempotent: c.Idempotent, Attempt: c.Attempt,
				Request: c.Request, Classify: c.Classify, Cancel: c.Cancel,
			})
		}),
	},
	{
		"RepeatsAll", "Bare/RepeatsOnlyIdempotent", "repeat only what Call.Idempotent allows",
		stateless(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
			result, err := next(ctx, c)
			if err == nil {
				return result, nil
			}
			firebreak.Discard(result)
			return next(ctx, c)
		}),
	},
	{
		"LosesPlacesUnderLoad", "Bare/ConcurrentUse", "release whatever way a call ends",
		limited(func(l *limit, ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
			result, err := firebreak.Admit(ctx, c, gateFunc(func(context.Context, firebreak.Call) (func(firebreak.Outcome), error) {
				return func(o firebreak.Outcome) {
					if o.Class != firebreak.Overload { // the place of an overload is lost
						l.give()
					}
				}, nil
			}), next)
			return result, err
		}),
	},
	{
		"LeavesGoroutine", "Bare/ResultReturnedOrDiscarded", "blocked goroutines remain",
		stateless(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
			never := make(chan struct{})
			go func() { <-never }()
			return next(ctx, c)
		}),
	},
	{
		"DoneWithError", "Gate/DoneIffAdmitted", "want a done exactly if err is nil",
		gate(func(l *limit) func(error) (func(firebreak.Outcome), error) {
			return func(err error) (func(firebreak.Outcome), error) {
				if err != nil {
					return func(firebreak.Outcome) {}, err
				}
				return func(firebreak.Outcome) { l.give() }, nil
			}
		}),
	},
	{
		"DoneForgetsIgnored", "Gate/DoneReleases", "done releases what Allow took",
		gate(func(l *limit) func(error) (func(firebreak.Outcome), error) {
			return func(err error) (func(firebreak.Outcome), error) {
				if err != nil {
					return nil, err
				}
				return func(o firebreak.Outcome) {
					if o.Class != firebreak.Ignored {
						l.give()
					}
				}, nil
			}
		}),
	},
	{
		"DoneReleasesTwice", "Gate/DoneTakesEffectOnce", "let the second call have no effect",
		gate(func(l *limit) func(error) (func(firebreak.Outcome), error) {
			return func(err error) (func(firebreak.Outcome), error) {
				if err != nil {
					return nil, err
				}
				return func(firebreak.Outcome) { l.give() }, nil
			}
		}),
	},
	{
		"DoneCountsTwice", "Gate/DoneTakesEffectOnce", "count each attempt once",
		func() firebreak.Policy {
			var mu sync.Mutex
			failures := 0
			return gateFunc(func(context.Context, firebreak.Call) (func(firebreak.Outcome), error) {
				mu.Lock()
				defer mu.Unlock()
				if failures >= 10 {
					return nil, errFull
				}
				return func(o firebreak.Outcome) {
					mu.Lock()
					defer mu.Unlock()
					if o.Class == firebreak.Failure {
						failures++
					}
				}, nil
			})
		},
	},
	{
		"ReserveWaits", "Reserver/ReserveDoesNotBlock", "leave to Do what would wait",
		reserves(func(r reserving, ctx context.Context, c firebreak.Call) (firebreak.Reservation, *firebreak.RejectedError) {
			time.Sleep(time.Millisecond)
			return r.Reserve(ctx, c)
		}),
	},
	{
		"ReserveTakesNothing", "Reserver/ReserveTakesWhatDoTakes", "let Reserve take what Do takes",
		reserves(func(r reserving, ctx context.Context, c firebreak.Call) (firebreak.Reservation, *firebreak.RejectedError) {
			got, rejection := r.Reserve(ctx, c)
			if rejection != nil {
				return nil, rejection
			}
			if got != nil {
				got.Cancel()
				return reservationFunc{do: r.Do, cancel: func() {}}, nil
			}
			return nil, nil
		}),
	},
	{
		"ReserveEmits", "Reserver/ReserveIsSilent", "who asked tells of the rejection",
		reserves(func(r reserving, ctx context.Context, c firebreak.Call) (firebreak.Reservation, *firebreak.RejectedError) {
			got, rejection := r.Reserve(ctx, c)
			if rejection != nil {
				_ = c.Reject(ctx, rejection)
			}
			return got, rejection
		}),
	},
	{
		"ReservesForGone", "Reserver/ReserveLeavesExemptAndGone", "for a caller who is gone",
		reserves(func(r reserving, _ context.Context, c firebreak.Call) (firebreak.Reservation, *firebreak.RejectedError) {
			return r.Reserve(context.Background(), c)
		}),
	},
	{
		"ReservesExempt", "Reserver/ReserveLeavesExemptAndGone", "for a call that is Exempt",
		reserves(func(r reserving, ctx context.Context, c firebreak.Call) (firebreak.Reservation, *firebreak.RejectedError) {
			c.Exempt = false
			return r.Reserve(ctx, c)
		}),
	},
	{
		"CancelKeeps", "Reserver/CancelGivesBack", "let Cancel give back what was taken",
		reserves(func(r reserving, ctx context.Context, c firebreak.Call) (firebreak.Reservation, *firebreak.RejectedError) {
			got, rejection := r.Reserve(ctx, c)
			if got == nil {
				return nil, rejection
			}
			return reservationFunc{reservation: reservation{r.limit}, cancel: func() {}}, nil
		}),
	},
	{
		"ReservationLostInPanic", "Reserved/PanicPassesAndReleases", "release with defer what the call held",
		reserves(func(r reserving, ctx context.Context, c firebreak.Call) (firebreak.Reservation, *firebreak.RejectedError) {
			got, rejection := r.Reserve(ctx, c)
			if got == nil {
				return nil, rejection
			}
			return reservationFunc{reservation: reservation{r.limit}, do: func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
				result, err := next(ctx, c)
				c.OnDone(result, err, func(firebreak.Outcome) { r.give() })
				return result, err
			}}, nil
		}),
	},
	{"NilPolicy", "", "newPolicy is nil or returns nil", func() firebreak.Policy { return nil }},
	{"NilNewPolicy", "", "newPolicy is nil or returns nil", nil},
	{
		"DoneLosesSuccesses", "Gate/DoneWhileAllowing", "guard its state",
		gate(func(l *limit) func(error) (func(firebreak.Outcome), error) {
			return func(err error) (func(firebreak.Outcome), error) {
				if err != nil {
					return nil, err
				}
				give := sync.OnceFunc(l.give)
				return func(o firebreak.Outcome) {
					if o.Class != firebreak.Success {
						give()
					}
				}, nil
			}
		}),
	},
}

// gate returns what makes gates of four places whose Allow returns what answer
// makes of the error that it has for the call.
func gate(answer func(*limit) func(error) (func(firebreak.Outcome), error)) func() firebreak.Policy {
	return func() firebreak.Policy {
		l := &limit{places: 4}
		return gateFunc(func(context.Context, firebreak.Call) (func(firebreak.Outcome), error) {
			if !l.take() {
				return answer(l)(errFull)
			}
			return answer(l)(nil)
		})
	}
}

// inGoroutine returns a policy that runs next as run does, in a goroutine of its
// own, and waits for done.
func inGoroutine(run func(next func(), done chan struct{})) policyFunc {
	return func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (result any, err error) {
		done := make(chan struct{})
		var panicked any
		go run(func() {
			defer func() { panicked = recover() }()
			result, err = next(ctx, c)
		}, done)
		<-done
		if panicked != nil {
			panic(panicked)
		}
		return result, err
	}
}
