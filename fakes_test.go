package firebreak_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/firebreak-go/firebreak"
)

var errFailure = errors.New("status 503")

// policyFunc is a Policy that is one function.
type policyFunc func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error)

func (f policyFunc) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	return f(ctx, c, next)
}

// described is a policy that does nothing but say what it is. It has a state of
// its own, so that it stands in a Stack once.
type described struct{ d firebreak.Description }

func (p *described) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	return next(ctx, c)
}

func (p *described) Describe() firebreak.Description { return p.d }

func describedAs(kind firebreak.Kind, text string) *described {
	return &described{firebreak.Description{Kind: kind, Text: text}}
}

// retrier makes attempts until one succeeds, with Call.Wait in between.
type retrier struct {
	attempts int
	wait     func(ctx context.Context, c firebreak.Call) error
}

func (r *retrier) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (result any, err error) {
	for i := range r.attempts {
		if i > 0 {
			firebreak.Discard(result)
			if err := r.wait(ctx, c); err != nil {
				return nil, err
			}
		}
		c.Attempt = i + 1
		if result, err = next(ctx, c); err == nil || c.Err(ctx) != nil {
			break
		}
	}
	return result, err
}

func (r *retrier) Describe() firebreak.Description {
	return firebreak.Description{Kind: firebreak.KindRetry, Text: fmt.Sprintf("retry %d attempts", r.attempts)}
}

// body is a Pending result. It ends with an error after which it was discarded.
type body struct {
	firebreak.Lifetime
	discarded bool
}

func (b *body) Discard() {
	b.discarded = true
	b.End(firebreak.Outcome{Class: firebreak.Ignored})
}

// slots is a Gate with places, which counts.
type slots struct {
	mu    sync.Mutex // guards the fields below
	free  int
	given []firebreak.Outcome
}

var errFull = errors.New("no place is free")

func (s *slots) Allow(ctx context.Context, c firebreak.Call) (func(firebreak.Outcome), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.free == 0 {
		return nil, c.Reject(ctx, &firebreak.RejectedError{Policy: "slots", Reason: "full", Err: errFull})
	}
	s.free--
	var once sync.Once
	return func(o firebreak.Outcome) {
		once.Do(func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.free++
			s.given = append(s.given, o)
		})
	}, nil
}

func (s *slots) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	return firebreak.Admit(ctx, c, s, next)
}

// outcomes returns what done was called with, and how many places are free.
func (s *slots) outcomes() (given []firebreak.Outcome, free int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.given, s.free
}

func answer(result any, err error) firebreak.Handler {
	return func(context.Context, firebreak.Call) (any, error) { return result, err }
}

// panicOf returns what f panics with, or nil.
func panicOf(f func()) (value any) {
	defer func() { value = recover() }()
	f()
	return nil
}

// panicText returns the text of the error or string that f panics with.
func panicText(t *testing.T, f func()) string {
	t.Helper()
	v := panicOf(f)
	if v == nil {
		t.Fatal("did not panic")
	}
	return fmt.Sprint(v)
}

// inGoroutine runs f in a goroutine and waits until that has ended.
func inGoroutine(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}
