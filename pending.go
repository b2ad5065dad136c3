package firebreak

import (
	"context"
	"errors"
	"sync"
)

// A Pending is a result that outlives the [Handler] that returned it: a response
// whose body is still to be read, a stream. What a policy holds for a call, it
// holds until the result has ended.
type Pending interface {
	// OnDone calls f once, with the outcome, when the result has been consumed,
	// has failed or was discarded; at once if that was before.
	OnDone(f func(Outcome))

	// Discard ends a result that nobody will use.
	Discard()

	// Ended reports whether the result has ended.
	Ended() bool
}

// OnDone calls f once with the outcome of an attempt that returned result and
// err: when result has ended if it is [Pending], else at once.
func (c Call) OnDone(result any, err error, f func(Outcome)) {
	if p, ok := result.(Pending); ok {
		p.OnDone(f)
		return
	}
	f(c.Outcome(err))
}

// Discard ends result if it is [Pending]. Policies call it on each result that
// they do not return.
func Discard(result any) {
	if p, ok := result.(Pending); ok {
		p.Discard()
	}
}

// A Lifetime makes a type [Pending] but for Discard: embed it and call End when
// the result has ended. The zero value is a result that has not. A Lifetime must
// not be copied after first use; it is safe for concurrent use.
type Lifetime struct {
	mu      sync.Mutex // guards the fields below; never held while a callback runs
	ended   bool
	outcome Outcome
	n       int
	first   [6]func(Outcome) // callbacks of the usual number of policies, without an allocation
	more    []func(Outcome)
	call    *state // of the Stack that ends with the result, so that it needs no closure
}

func (l *Lifetime) lifetime() *Lifetime { return l }

// endsCall has st end with the result. It reports false if the result has ended, or
// ends another call already.
func (l *Lifetime) endsCall(st *state) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended || l.call != nil {
		return false
	}
	l.call = st
	return true
}

// OnDone calls f once with the outcome given to [Lifetime.End]: at once if that
// was before.
func (l *Lifetime) OnDone(f func(Outcome)) {
	l.mu.Lock()
	if l.ended {
		o := l.outcome
		l.mu.Unlock()
		f(o)
		return
	}
	if l.n < len(l.first) {
		l.first[l.n] = f
		l.n++
	} else {
		l.more = append(l.more, f)
	}
	l.mu.Unlock()
}

// Ended reports whether End was called.
func (l *Lifetime) Ended() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended
}

// End ends the result: it calls the functions given to [Lifetime.OnDone] in their
// order, which is from the innermost policy to the outermost. It reports whether
// it was the first call; later ones have no effect.
func (l *Lifetime) End(o Outcome) bool {
	l.mu.Lock()
	if l.ended {
		l.mu.Unlock()
		return false
	}
	l.ended, l.outcome = true, o
	l.mu.Unlock()
	if l.call != nil {
		defer l.call.end(o) // the outermost
	}
	l.run(0, o) // after ended is set nobody changes the lists any more
	clear(l.first[:])
	l.more = nil
	return true
}

// run calls the callbacks from number i on. Those behind one that panics run too:
// each holds something that must come back.
func (l *Lifetime) run(i int, o Outcome) {
	total := l.n + len(l.more)
	defer func() {
		if i < total {
			l.run(i, o)
		}
	}()
	for i < total {
		f := l.callback(i)
		i++
		f(o)
	}
}

func (l *Lifetime) callback(i int) func(Outcome) {
	if i < l.n {
		return l.first[i]
	}
	return l.more[i-l.n]
}

// ErrNoReturn is the error of the [Outcome] of an attempt that did not return:
// it panicked, or ended its goroutine with [runtime.Goexit].
var ErrNoReturn = errors.New("attempt did not return")

// NoReturn returns the outcome of an attempt under ctx that did not return: a
// [Failure] with [ErrNoReturn], or [Ignored] if the caller had given up before, as
// code that panics because its caller is gone says nothing of what it does for others.
func NoReturn(ctx context.Context) Outcome {
	if errors.Is(ctx.Err(), context.Canceled) {
		return Outcome{Class: Ignored, Err: ErrNoReturn}
	}
	return Outcome{Class: Failure, Err: ErrNoReturn}
}

// Admit runs next if g lets it, and tells g how it ended: when the result has
// ended, or when next panicked or ended its goroutine, with [NoReturn]. A call that
// is [Call.Exempt] passes without g. It is the Do of a policy that is a [Gate].
func Admit(ctx context.Context, c Call, g Gate, next Handler) (result any, err error) {
	if c.Exempt {
		return next(ctx, c)
	}
	done, err := g.Allow(ctx, c)
	if err != nil {
		return nil, err
	}
	returned, told := false, false
	defer func() {
		switch {
		case told:
		case returned: // a callback of the user's panicked: that says nothing of the dependency
			done(Outcome{Class: Ignored, Err: ErrNoReturn})
		default:
			done(NoReturn(ctx))
		}
	}()
	result, err = next(ctx, c)
	returned = true
	if p, ok := result.(Pending); ok {
		p.OnDone(done)
		told = true
		return result, err
	}
	o := c.Outcome(err)
	told = true
	done(o)
	return result, err
}
