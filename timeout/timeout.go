// Package timeout bounds the time of calls and attempts.
//
// A timeout is a real deadline: code below sees it with ctx.Deadline, and it
// covers the use of the result, such as a response body, until that has ended.
// Outside of a retry it bounds the whole call, inside of one each attempt.
package timeout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/firebreak-go/firebreak"
)

// Default is the timeout of a Stack that names none.
const Default = firebreak.DefaultTimeout

// Error says that a timeout ended a call or an attempt. errors.Is(err,
// context.DeadlineExceeded) holds for it, and its Timeout method reports true.
type Error = firebreak.TimeoutError

// A Timeout is a policy that gives calls a deadline. It is safe for concurrent
// use.
type Timeout struct {
	after         time.Duration // 0 is without end
	reason        string        // for that
	call, attempt Error
}

// New returns a policy that ends a call, or an attempt if it stands inside of a
// retry, after d. An earlier deadline of the caller's stays in force. What runs
// under it must heed its context: it is never cut off.
//
// It panics if d is not positive; use [Unbounded] for a call without end.
func New(d time.Duration) *Timeout {
	if d <= 0 {
		panic(fmt.Errorf("timeout.New: timeout is %v, want more than 0; timeout.Unbounded says that there is none", d))
	}
	return &Timeout{
		after:   d,
		call:    Error{After: d, Scope: "call"},
		attempt: Error{After: d, Scope: "attempt"},
	}
}

// Unbounded returns a policy that says that calls may last for ever, where a
// Stack would otherwise give them [Default]. The reason shows in the trace, in
// [firebreak.Stack.String] and in audits: it is what someone asks for who looks
// for the call that hangs.
//
// It panics if reason is empty.
func Unbounded(reason string) *Timeout {
	if reason == "" {
		panic(errors.New("timeout.Unbounded: reason is empty, want why the call needs no timeout"))
	}
	return &Timeout{reason: reason}
}

// Do runs next under the deadline.
func (t *Timeout) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	if t.after == 0 {
		return next(ctx, c)
	}
	err := &t.call
	if c.Attempt > 0 {
		err = &t.attempt
	}
	return firebreak.Until(ctx, c, time.Now().Add(t.after), err, next)
}

// Describe implements [firebreak.Describer]. It panics for a zero value, so that a
// Stack is not made of one.
func (t *Timeout) Describe() firebreak.Description {
	if t.after == 0 && t.reason == "" { // it would be a way out without a reason
		panic("timeout: a Timeout that New has not made, want one of timeout.New or timeout.Unbounded")
	}
	text := "timeout " + t.after.String()
	if t.after == 0 {
		text = fmt.Sprintf("no timeout (%s)", t.reason)
	}
	return firebreak.Description{Kind: firebreak.KindTimeout, Text: text, Timeout: t.after, Reason: t.reason}
}

// Report implements [firebreak.Reporter]: a Timeout reports that calls have no
// deadline, and why; else nothing.
func (t *Timeout) Report(yield func(firebreak.Status)) {
	if t.after == 0 {
		yield(firebreak.Status{Policy: "timeout", Reason: t.reason})
	}
}
