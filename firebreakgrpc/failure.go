package firebreakgrpc

import (
	"context"
	"errors"
	"math"
	"strconv"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"

	"github.com/firebreak-go/firebreak"
)

// answer is the error that an attempt came back with, as policies see it. The caller
// gets the error itself.
type answer struct {
	error

	code codes.Code
}

// Unwrap returns the error.
func (a *answer) Unwrap() error { return a.error }

// ErrorType returns the code, for the attribute error.type.
func (a *answer) ErrorType() string { return codeText(a.code) }

// failure returns what err, with which the attempt ended, means to the policies.
func (a *clientAttempt) failure(c firebreak.Call, err error) *firebreak.AttemptError {
	s, known := status.FromError(err)
	if e := a.ended(c, s, err, known); e != nil {
		return a.noted(e)
	}
	if _, rejected := errors.AsType[*firebreak.RejectedError](err); rejected { // by a Stack further in
		return &firebreak.AttemptError{Err: err, Class: firebreak.Ignored, Repeat: firebreak.RepeatNever}
	}
	e := &firebreak.AttemptError{Err: &answer{err, s.Code()}, Repeat: firebreak.RepeatNever}
	if !known { // of an interceptor further in, before anything was sent, or of what knows no gRPC
		e.Class = firebreak.Classify(err)
		return a.noted(e)
	}
	a.judge(e, s)
	return a.noted(e)
}

// noted returns e, as it is for an attempt of its kind.
func (a *clientAttempt) noted(e *firebreak.AttemptError) *firebreak.AttemptError {
	if a.once {
		e.Repeat = firebreak.RepeatNever
	}
	return e
}

// judge says in e what the status s of an attempt means.
func (a *clientAttempt) judge(e *firebreak.AttemptError, s *status.Status) {
	switch s.Code() {
	case codes.Unavailable:
		e.Class, e.Repeat = firebreak.Failure, firebreak.RepeatByClass
		switch {
		case a.dropped():
			e.Class, e.Repeat = firebreak.Overload, firebreak.RepeatNever
			return
		case a.unsent():
			e.Repeat = firebreak.RepeatAlways
		}
		a.heed(e, s)
		return
	case codes.ResourceExhausted: // without a hint it may be a message that is too large
		e.Class = firebreak.Overload
		a.heed(e, s)
	case codes.Internal:
		e.Class = firebreak.Failure
		if a.unspoken() { // no server could have answered: a message that cannot be encoded
			e.Class = firebreak.Ignored
			return
		}
	case codes.Unknown, codes.DataLoss, codes.DeadlineExceeded:
		e.Class = firebreak.Failure
	case codes.Canceled:
		e.Class = firebreak.Failure // the caller did not
		if a.cc != nil && a.cc.GetState() == connectivity.Shutdown {
			e.Class = firebreak.Ignored // by closing the connection
			return
		}
	default: // an answer that says no
		e.Class = firebreak.Success
	}
	if e.Repeat == firebreak.RepeatNever && a.client.retryCodes&(1<<s.Code()) != 0 {
		if e.Class == firebreak.Success {
			e.Class = firebreak.Overload
		}
		e.Repeat = firebreak.RepeatByClass
		a.heed(e, s)
	}
}

// dropped reports whether the balancer did not let the attempt happen: nothing left, and
// yet there are connections. gRPC does not say it otherwise, and to try again would take
// what a limit of the whole fleet is there to keep.
func (a *clientAttempt) dropped() bool {
	return a.unsent() && a.cc != nil && a.cc.GetState() == connectivity.Ready
}

// heed puts into e what the server says of when to come back, if it says so.
func (a *clientAttempt) heed(e *firebreak.AttemptError, s *status.Status) {
	after, hinted := hintOf(s)
	if pushback, said := a.trailer[pushbackKey]; said {
		exactly, ok := milliseconds(pushback)
		if !ok {
			e.Repeat = firebreak.RepeatNever
			return
		}
		after, hinted, e.Exact = max(after, exactly), true, true
	}
	if !hinted {
		return
	}
	e.RetryAfter = after
	if after > 0 {
		e.Class = firebreak.Overload
	}
	if e.Repeat == firebreak.RepeatNever {
		e.Repeat = firebreak.RepeatByClass
	}
}

// longest is the longest hint that counts: no policy waits so long.
const longest = math.MaxInt64 / 2

// milliseconds reads the values of pushbackKey. ok is false if they say that there is
// to be no other attempt: by a number below 0, or by what is not one number.
func milliseconds(values []string) (d time.Duration, ok bool) {
	if len(values) != 1 {
		return 0, false
	}
	n, err := strconv.ParseInt(values[0], 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange) && n > 0:
		return longest, true
	case err != nil || n < 0:
		return 0, false
	case n > longest/int64(time.Millisecond):
		return longest, true
	}
	return time.Duration(n) * time.Millisecond, true
}

// tolerance is how much earlier than the client a server may find that the client's
// deadline has passed: at least minTolerance, and of a limit known to be longer a 20th.
const minTolerance = 10 * time.Millisecond

func tolerance(expires *firebreak.TimeoutError) time.Duration {
	if expires == nil {
		return minTolerance
	}
	return max(minTolerance, expires.After/20)
}

// ended returns what the attempt means to the policies if the end of its context is what
// ended it, or nil. A server knows the deadline, and may say that it has passed some
// microseconds before the client's timer does.
func (a *clientAttempt) ended(c firebreak.Call, s *status.Status, err error, known bool) *firebreak.AttemptError {
	if !endsWithContext(s.Code(), err, known) {
		return nil
	}
	end := c.Err(a)
	if end == nil && known {
		expires := c.Expires(a)
		at, ok := a.Deadline()
		if !ok || time.Until(at) >= tolerance(expires) {
			return nil
		}
		end = context.DeadlineExceeded
		if expires != nil {
			end = expires
		}
	}
	if end == nil {
		return nil
	}
	e := &firebreak.AttemptError{Class: firebreak.Failure, Repeat: firebreak.RepeatNever}
	own := &statusError{err: end, code: codes.DeadlineExceeded}
	_, ours := errors.AsType[*firebreak.TimeoutError](end)
	switch {
	case errors.Is(end, context.Canceled): // whatever the cause: it may be a timeout of another call
		own.code, e.Class = codes.Canceled, firebreak.Ignored
	case ours && a.unsent():
		e.Repeat = firebreak.RepeatAlways
	case ours:
		e.Repeat = firebreak.RepeatByClass
	}
	if known {
		own.note = news(s.Message())
	}
	e.Err = own
	return e
}

// endsWithContext reports whether err is how an attempt ends whose context is done,
// rather than an answer.
func endsWithContext(code codes.Code, err error, known bool) bool {
	if known {
		return code == codes.Canceled || code == codes.DeadlineExceeded
	}
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// news returns what message says beyond that a context is done: why there was no
// connection, say.
func news(message string) string {
	switch message {
	case context.Canceled.Error(), context.DeadlineExceeded.Error():
		return ""
	default:
		return message
	}
}
