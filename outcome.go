package firebreak

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/firebreak-go/firebreak/internal/errtext"
)

// A Class is what an attempt's end means to the policies.
type Class int

const (
	// Success is an answer, also one that says no: a 404, an INVALID_ARGUMENT.
	Success Class = iota

	// Failure speaks against the dependency: a reset connection, a 502, a timeout.
	Failure

	// Overload is an answer that asks for less or for later: a 429, or a 503 with
	// Retry-After. The dependency lives; it does not vote against it.
	Overload

	// Ignored says nothing of the dependency: the caller gave up, or a policy
	// rejected the attempt. It releases what was held and does not count.
	Ignored
)

// String returns the class in lower case: "success", "failure", "overload",
// "ignored".
func (c Class) String() string {
	switch c {
	case Success:
		return "success"
	case Failure:
		return "failure"
	case Overload:
		return "overload"
	case Ignored:
		return "ignored"
	default:
		return fmt.Sprintf("class(%d)", int(c))
	}
}

// An Outcome is how an attempt ended.
type Outcome struct {
	Class Class
	Err   error // what the attempt ended with; nil after a success

	// RetryAfter is how long the dependency asked to be left alone, or 0.
	RetryAfter time.Duration
}

// Outcome returns the outcome of an attempt that ended with err, by c.Classify
// or else by [Classify]. A rejection and a cancelled caller are [Ignored] whatever
// c.Classify says of them: they never vote.
func (c Call) Outcome(err error) Outcome {
	o := Outcome{Err: err}
	if c.Classify != nil && !neverVotes(err) {
		o.Class = c.Classify(err)
	} else {
		o.Class = Classify(err)
	}
	if err != nil {
		o.RetryAfter = RetryAfter(err)
	}
	return o
}

func neverVotes(err error) bool {
	if _, ok := errors.AsType[*AttemptError](err); ok {
		return false // a transport looked closer
	}
	_, rejected := errors.AsType[*RejectedError](err)
	return rejected || errors.Is(err, context.Canceled)
}

// Classify returns what err means if nobody knows better: nil is a [Success], an
// [*AttemptError] says it itself, a [*RejectedError] and a cancelled caller are
// [Ignored], and everything else is a [Failure].
func Classify(err error) Class {
	if err == nil {
		return Success
	}
	if e, ok := errors.AsType[*AttemptError](err); ok {
		return e.Class
	}
	if _, ok := errors.AsType[*RejectedError](err); ok {
		return Ignored
	}
	if errors.Is(err, context.Canceled) {
		return Ignored
	}
	return Failure
}

// RetryAfter returns how long to wait, at the least, before a call that ended
// with err is made again: the hint of the server or of the policy that rejected
// it. It is 0 if there is none.
func RetryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*AttemptError](err); ok {
		return max(e.RetryAfter, 0)
	}
	if e, ok := errors.AsType[*RejectedError](err); ok {
		return max(e.RetryAfter, 0)
	}
	return 0
}

// A Repeat says whether an attempt may be repeated.
type Repeat int

const (
	// RepeatByClass leaves it to the class: a [Failure] and an [Overload] may be
	// repeated if the call is idempotent.
	RepeatByClass Repeat = iota

	// RepeatNever is for what comes out the same each time: a certificate that
	// is not valid, a request that is not.
	RepeatNever

	// RepeatAlways is for attempts that provably never left: also a call that is
	// not idempotent may be made again.
	RepeatAlways
)

// An AttemptError is how a transport's [Handler] says what it knows of a failed
// attempt beyond the error. The adapter takes it off again: its caller sees Err,
// or the response that came with it.
type AttemptError struct {
	Err        error // the failure itself; never nil
	Class      Class
	Repeat     Repeat
	RetryAfter time.Duration // the server's hint: how long to wait at the least; 0 for none

	// Exact says that RetryAfter, also one of 0, is when the server wants to see the next
	// attempt, and not only from when on: nothing random is added, and the waits after
	// that begin again with the shortest.
	Exact bool
}

func (e *AttemptError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *AttemptError) Unwrap() error { return e.Err }

// Unsent returns err, with which a call ended before it was made: in a queue, say. A
// deadline that passed there is no more the dependency's failure than a rejection is,
// and it notes that. Other errors, and nil, it returns as they are.
func Unsent(err error) error {
	if Classify(err) != Failure {
		return err
	}
	return &AttemptError{Err: err, Class: Ignored, Repeat: RepeatNever}
}

// A RejectedError says that a policy did not let an attempt happen: nothing was
// sent. Find it with [errors.As]; what was wrong is the sentinel of the policy's
// package, as in errors.Is(err, breaker.ErrOpen).
type RejectedError struct {
	Policy string // kind of the policy: "breaker", "bulkhead"
	Stack  string // name of the Stack, or ""
	Reason string // what was wrong in a word of a closed set: "open", "full"
	Err    error  // the sentinel of the policy's package

	// RetryAfter is after what time the same call may pass, or 0 if unknown.
	RetryAfter time.Duration

	// Limit and Usage say how much was allowed and taken, where the policy counts.
	Limit, Usage int

	// Cause is the failure that made the policy reject, or nil. It is not
	// unwrapped: that call failed, this one was never made.
	Cause error
}

// Error returns a line such as
// "breaker payments: open for 3.2s: status 503 Service Unavailable".
func (e *RejectedError) Error() string {
	var b strings.Builder
	b.WriteString(e.Policy)
	if e.Stack != "" {
		b.WriteString(" " + e.Stack)
	}
	b.WriteString(": " + e.Reason)
	if e.Limit > 0 {
		fmt.Fprintf(&b, " (%d of %d in use)", e.Usage, e.Limit)
	}
	if e.RetryAfter > 0 {
		b.WriteString(" for " + rounded(e.RetryAfter).String())
	}
	if e.Cause != nil {
		b.WriteString(": " + errtext.Of(e.Cause))
	}
	return b.String()
}

// rounded returns d as people read it.
func rounded(d time.Duration) time.Duration {
	if d < time.Second {
		return max(d.Round(time.Millisecond), time.Millisecond)
	}
	return d.Round(100 * time.Millisecond)
}

// Unwrap returns Err, the sentinel.
func (e *RejectedError) Unwrap() error { return e.Err }
