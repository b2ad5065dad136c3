// Package ctxerr says with which error a call ends whose context is done.
package ctxerr

import (
	"context"
	"errors"
)

// Of returns nil while ctx is alive. Afterwards it returns an error that matches
// ctx.Err() and, if the context was given a cause, the cause as well: a bare
// cause would no longer match context.Canceled, a bare ctx.Err() not the cause.
func Of(ctx context.Context) error {
	err := ctx.Err()
	if err == nil {
		return nil
	}
	cause := context.Cause(ctx)
	if cause == err || says(cause, err) {
		return cause
	}
	return &endedError{err: err, cause: cause}
}

// says reports whether cause alone tells all that err does: that it is err, and
// that it is a timeout if err is one (url.Error asks by type assertion only).
func says(cause, err error) bool {
	if !errors.Is(cause, err) {
		return false
	}
	t, ok := cause.(interface{ Timeout() bool })
	return err == context.Canceled || ok && t.Timeout()
}

// endedError is the end of a context together with its cause.
type endedError struct{ err, cause error }

func (e *endedError) Error() string   { return e.err.Error() + ": " + e.cause.Error() }
func (e *endedError) Unwrap() []error { return []error{e.err, e.cause} }

// Timeout reports whether the end was a deadline.
func (e *endedError) Timeout() bool { return e.err == context.DeadlineExceeded }
