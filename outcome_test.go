package firebreak_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/firebreak-go/firebreak"
)

func TestClassString(t *testing.T) {
	for class, want := range map[firebreak.Class]string{
		firebreak.Success: "success", firebreak.Failure: "failure", firebreak.Overload: "overload", firebreak.Ignored: "ignored",
		-1: "class(-1)", 4: "class(4)",
	} {
		if got := class.String(); got != want {
			t.Errorf("Class(%d).String() = %q, want %q", int(class), got, want)
		}
	}
}

// Behaviour 64: "Caller cancels = ignore for breaker, limiter and budget", and 213:
// "Inner refusals are ignored by outer breakers."
func TestA4_64_A12_213_ClassifyAndRetryAfter(t *testing.T) {
	overload := &firebreak.AttemptError{Err: io.EOF, Class: firebreak.Overload, RetryAfter: 3 * time.Second}
	rejected := &firebreak.RejectedError{Policy: "breaker", Reason: "open", Err: errFull, RetryAfter: 2 * time.Second}
	for _, test := range []struct {
		err   error
		class firebreak.Class
		after time.Duration
	}{
		{nil, firebreak.Success, 0},
		{io.EOF, firebreak.Failure, 0},
		{context.DeadlineExceeded, firebreak.Failure, 0},
		{&firebreak.TimeoutError{After: time.Second, Scope: "call"}, firebreak.Failure, 0},
		{context.Canceled, firebreak.Ignored, 0},
		{fmt.Errorf("get: %w", context.Canceled), firebreak.Ignored, 0},
		{overload, firebreak.Overload, 3 * time.Second},
		{fmt.Errorf("get: %w", overload), firebreak.Overload, 3 * time.Second},
		{&firebreak.AttemptError{Err: io.EOF, Class: firebreak.Failure, RetryAfter: -time.Second}, firebreak.Failure, 0},
		{rejected, firebreak.Ignored, 2 * time.Second},
		{fmt.Errorf("get: %w", rejected), firebreak.Ignored, 2 * time.Second},
		{&firebreak.RejectedError{RetryAfter: -time.Second}, firebreak.Ignored, 0},
		// What the transport says of the attempt counts, also for a cancelled one.
		{&firebreak.AttemptError{Err: context.Canceled, Class: firebreak.Failure}, firebreak.Failure, 0},
	} {
		if got := firebreak.Classify(test.err); got != test.class {
			t.Errorf("Classify(%v) = %v, want %v", test.err, got, test.class)
		}
		if got := firebreak.RetryAfter(test.err); got != test.after {
			t.Errorf("RetryAfter(%v) = %v, want %v", test.err, got, test.after)
		}
		want := firebreak.Outcome{Class: test.class, Err: test.err, RetryAfter: test.after}
		if got := (firebreak.Call{}).Outcome(test.err); got != want {
			t.Errorf("Outcome(%v) = %+v, want %+v", test.err, got, want)
		}
	}
}

func TestOutcomeAsksTheCallsClassifier(t *testing.T) {
	c := firebreak.Call{Classify: func(err error) firebreak.Class {
		if errors.Is(err, io.EOF) {
			return firebreak.Success
		}
		return firebreak.Overload
	}}
	for err, want := range map[error]firebreak.Class{io.EOF: firebreak.Success, errFailure: firebreak.Overload, nil: firebreak.Overload} {
		if got := c.Outcome(err); got.Class != want || !errors.Is(got.Err, err) {
			t.Errorf("Outcome(%v) = %+v, want class %v", err, got, want)
		}
	}
}

func TestRejectedError(t *testing.T) {
	for _, test := range []struct {
		err  *firebreak.RejectedError
		want string
	}{
		{&firebreak.RejectedError{Policy: "breaker", Reason: "open"}, "breaker: open"},
		{
			&firebreak.RejectedError{
				Policy: "breaker", Stack: "payments", Reason: "open", RetryAfter: 3210 * time.Millisecond,
				Cause: errors.New("status 503 Service Unavailable"),
			},
			"breaker payments: open for 3.2s: status 503 Service Unavailable",
		},
		{
			&firebreak.RejectedError{Policy: "bulkhead", Stack: "payments", Reason: "full", Limit: 64, Usage: 64},
			"bulkhead payments: full (64 of 64 in use)",
		},
		{&firebreak.RejectedError{Policy: "bulkhead", Reason: "full", Limit: 2, RetryAfter: time.Second}, "bulkhead: full (0 of 2 in use) for 1s"},
		{&firebreak.RejectedError{Policy: "rate", Reason: "limit", RetryAfter: 40 * time.Millisecond}, "rate: limit for 40ms"},
		{&firebreak.RejectedError{Policy: "rate", Reason: "limit", RetryAfter: 1}, "rate: limit for 1ms"},
	} {
		if got := test.err.Error(); got != test.want {
			t.Errorf("%+v: Error() = %q, want %q", *test.err, got, test.want)
		}
	}
	err := fmt.Errorf("get: %w", &firebreak.RejectedError{Policy: "slots", Reason: "full", Err: errFull, Cause: io.EOF})
	if !errors.Is(err, errFull) {
		t.Errorf("errors.Is(%v, %v) = false, want true: it is the sentinel", err, errFull)
	}
	if errors.Is(err, io.EOF) {
		t.Errorf("errors.Is(%v, io.EOF) = true, want false: that was another call", err)
	}
}

func TestAttemptError(t *testing.T) {
	err := &firebreak.AttemptError{Err: io.EOF, Class: firebreak.Failure}
	if err.Error() != "EOF" || !errors.Is(err, io.EOF) {
		t.Errorf("Error() = %q, Is(io.EOF) = %t, want EOF, true", err.Error(), errors.Is(err, io.EOF))
	}
}

// "A rejection by one of our own policies, and a caller who gave up, are Ignored: they
// never vote", also where the user's classifier takes every error for a failure.
func TestA12_213_RejectionsNeverVoteWhateverTheClassifierSays(t *testing.T) {
	c := firebreak.Call{Classify: func(err error) firebreak.Class {
		if err == nil {
			return firebreak.Success
		}
		return firebreak.Failure
	}}
	tests := []struct {
		err  error
		want firebreak.Class
	}{
		{nil, firebreak.Success},
		{errors.New("broken"), firebreak.Failure},
		{&firebreak.RejectedError{Policy: "breaker", Reason: "open"}, firebreak.Ignored},
		{fmt.Errorf("lookup: %w", &firebreak.RejectedError{Policy: "breaker", Reason: "open"}), firebreak.Ignored},
		{context.Canceled, firebreak.Ignored},
		{fmt.Errorf("lookup: %w", context.Canceled), firebreak.Ignored},
		{context.DeadlineExceeded, firebreak.Failure},
	}
	for _, test := range tests {
		if got := c.Outcome(test.err).Class; got != test.want {
			t.Errorf("Outcome(%v): got class %v, want %v", test.err, got, test.want)
		}
	}
}
