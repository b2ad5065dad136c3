package firebreak_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/timeout"
)

// A Stack bounds the calls of a function. The function heeds its context.
func ExampleDo() {
	stack := firebreak.New("users", timeout.New(20*time.Millisecond))
	lookup := func(ctx context.Context) (string, error) {
		select {
		case <-time.After(time.Minute): // the dependency hangs
			return "Ada", nil
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	user, err := firebreak.Do(context.Background(), stack, "lookup", lookup, firebreak.Idempotent)
	fmt.Printf("%q, %v\n", user, err)

	var timeoutErr *timeout.Error
	fmt.Println(errors.As(err, &timeoutErr), errors.Is(err, context.DeadlineExceeded))
	// Output:
	// "", timeout: call took over 20ms
	// true true
}

// The order is checked, and shows in the text.
func ExampleNew() {
	stack := firebreak.New("payments", timeout.New(10*time.Second), oneAtATime{}, timeout.New(2*time.Second))
	fmt.Println(stack)

	defer func() { fmt.Println(recover()) }()
	firebreak.New("payments", timeout.New(2*time.Second), oneAtATime{}, timeout.New(10*time.Second))
	// Output:
	// payments: timeout 10s → firebreak_test.oneAtATime → timeout 2s
	// firebreak.New("payments"): timeout is 10s, want less than the 2s of the timeout around it
	// the order meant is likely: timeout 10s → firebreak_test.oneAtATime → timeout 2s
}

// oneAtATime shows how to write a policy: a Gate, and a Do that is Admit.
type oneAtATime struct{ mu *sync.Mutex }

var errBusy = errors.New("a call is in flight")

func (p oneAtATime) Allow(ctx context.Context, c firebreak.Call) (func(firebreak.Outcome), error) {
	if !p.mu.TryLock() {
		return nil, c.Reject(ctx, &firebreak.RejectedError{Policy: "oneAtATime", Reason: "busy", Err: errBusy})
	}
	unlock := sync.OnceFunc(p.mu.Unlock)
	return func(firebreak.Outcome) { unlock() }, nil
}

func (p oneAtATime) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	return firebreak.Admit(ctx, c, p, next)
}

// A policy of one's own: one call at a time, the others are rejected. Admit holds
// what Allow gave until the result of the call has ended.
func ExampleAdmit() {
	stack := firebreak.New("ledger", oneAtATime{new(sync.Mutex)})
	book := func(context.Context) (string, error) { return "booked", nil }
	first, err := firebreak.Do(context.Background(), stack, "outer", func(ctx context.Context) (string, error) {
		_, err := firebreak.Do(ctx, stack, "inner", book)
		fmt.Println(err, errors.Is(err, errBusy))
		return book(ctx)
	})
	fmt.Println(first, err)
	// Output:
	// oneAtATime ledger: busy true
	// booked <nil>
}

// Each dependency has a policy of its own.
func ExampleKeyed() {
	perHost := firebreak.Keyed(firebreak.ByTarget, func(string) firebreak.Policy {
		return oneAtATime{new(sync.Mutex)}
	})
	stack := firebreak.New("crawler", perHost)
	fetch := func(ctx context.Context, host string, f func(context.Context) (int, error)) error {
		_, err := firebreak.Do(ctx, stack, "fetch", f, func(c *firebreak.Call) { c.Target = host })
		return err
	}
	done := func(context.Context) (int, error) { return 200, nil }
	_ = fetch(context.Background(), "a.example", func(ctx context.Context) (int, error) {
		fmt.Println("the same host:", fetch(ctx, "a.example", done))
		fmt.Println("another host: ", fetch(ctx, "b.example", done))
		return 200, nil
	})
	// Output:
	// the same host: oneAtATime crawler: busy
	// another host:  <nil>
}

// A subscriber sees the decisions of all policies.
func ExampleSubscribe() {
	events := make(chan firebreak.Event, 1)
	cancel := firebreak.Subscribe(func(e firebreak.Event) { events <- e })
	defer cancel()

	stack := firebreak.New("users", timeout.New(time.Millisecond))
	_, _ = firebreak.Do(context.Background(), stack, "lookup", func(ctx context.Context) (string, error) {
		<-ctx.Done()
		return "", ctx.Err()
	})
	e := <-events
	fmt.Println(e.Stack, e.Op, e.Kind, e.Reason, e.Duration)
	// Output: users lookup timeout call 1ms
}
