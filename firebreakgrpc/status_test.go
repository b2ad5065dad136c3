package firebreakgrpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/internal/ctxerr"
	"github.com/firebreak-go/firebreak/shed"
)

// canceledFor returns the error of a call whose caller cancelled it because of cause.
func canceledFor(cause error) error {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(cause)
	return ctxerr.Of(ctx)
}

var (
	errOpen = &firebreak.RejectedError{
		Policy: "breaker", Stack: "payments", Reason: "open", Err: breaker.ErrOpen, RetryAfter: 3200 * time.Millisecond,
		Cause: status.Error(codes.Internal, "disk"),
	}
	errFull    = &firebreak.RejectedError{Policy: "bulkhead", Reason: "full", Err: bulkhead.ErrFull, Limit: 2, Usage: 2}
	errTimeout = &firebreak.TimeoutError{After: time.Second, Scope: "attempt"}
	errQuota   = errors.New("the tenant's quota")
)

// Rule 157: "All own errors carry GRPCStatus(): open = UNAVAILABLE, full =
// RESOURCE_EXHAUSTED, timeout = DEADLINE_EXCEEDED, cancel = CANCELLED. B: failsafe: four
// times Unknown." And 158: "errors.Is/As still work next to the status", and 173: "cause
// does not change the code".
func TestA9_157_158_StatusOfOwnErrors(t *testing.T) {
	for _, test := range []struct {
		name  string
		err   error
		code  codes.Code
		after time.Duration // of RetryInfo
		is    []error
	}{
		{"open", errOpen, codes.Unavailable, 3200 * time.Millisecond, []error{breaker.ErrOpen}},
		{"full", errFull, codes.ResourceExhausted, 0, []error{bulkhead.ErrFull}},
		{
			"shed", &firebreak.RejectedError{Policy: "shed", Reason: "full", Err: shed.ErrShed, RetryAfter: time.Second},
			codes.ResourceExhausted, time.Second, []error{shed.ErrShed},
		},
		{"a server that closes", &firebreak.RejectedError{Policy: "shed", Reason: "closing", Err: shed.ErrShed}, codes.Unavailable, 0, []error{shed.ErrShed}},
		{
			"rate", &firebreak.RejectedError{Policy: "rate", Reason: "limit", Err: shed.ErrRate, RetryAfter: time.Minute},
			codes.ResourceExhausted, time.Minute, []error{shed.ErrRate},
		},
		{"no deadline", &firebreak.RejectedError{Policy: "auditor", Reason: "no_deadline", Err: io.EOF}, codes.Internal, 0, nil},
		{"dead on arrival", &firebreak.RejectedError{Policy: "deadline", Reason: "dead_on_arrival", Err: io.EOF}, codes.DeadlineExceeded, 0, nil},
		{"a policy of the user's", &firebreak.RejectedError{Policy: "switch", Reason: "off", Err: io.EOF}, codes.Unavailable, 0, []error{io.EOF}},
		{"a limit of the user's", &firebreak.RejectedError{Policy: "seats", Reason: "taken", Err: errQuota, Limit: 3, Usage: 3}, codes.ResourceExhausted, 0, []error{errQuota}},
		{
			"a policy of the user's that says which", &firebreak.RejectedError{Policy: "plan", Reason: "free", Err: status.Error(codes.PermissionDenied, "pay")},
			codes.PermissionDenied, 0, nil,
		},
		{"timeout", errTimeout, codes.DeadlineExceeded, 0, []error{context.DeadlineExceeded, errTimeout}},
		{"deadline of the caller", context.DeadlineExceeded, codes.DeadlineExceeded, 0, []error{context.DeadlineExceeded}},
		{"cancelled", context.Canceled, codes.Canceled, 0, []error{context.Canceled}},
		{"cancelled with a cause", canceledFor(io.EOF), codes.Canceled, 0, []error{context.Canceled, io.EOF}},
		{"cancelled for a timeout", canceledFor(errTimeout), codes.Canceled, 0, []error{context.Canceled, errTimeout}},
		{"cancelled for a rejection", canceledFor(errOpen), codes.Canceled, 0, []error{context.Canceled, breaker.ErrOpen}},
		{"cancelled for a status", canceledFor(status.Error(codes.NotFound, "")), codes.Canceled, 0, []error{context.Canceled}},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := withStatus(test.err, outgoing)
			s, ok := status.FromError(err)
			if !ok || s.Code() != test.code || status.Code(err) != test.code {
				t.Errorf("status of %v = %v (%t), want %v", err, s, ok, test.code)
			}
			if err.Error() != test.err.Error() || s.Message() != err.Error() {
				t.Errorf("text %q, of the status %q, want %q", err, s.Message(), test.err)
			}
			if after := retryDelay(t, s); after != test.after {
				t.Errorf("RetryInfo of %v = %v, want %v", s, after, test.after)
			}
			for _, want := range append(test.is, test.err) {
				if !errors.Is(err, want) {
					t.Errorf("%v does not match %v", err, want)
				}
			}
			timeout, ok := err.(interface{ Timeout() bool })
			if want := test.code == codes.DeadlineExceeded; !ok || timeout.Timeout() != want {
				t.Errorf("Timeout of %v is not %t", err, want)
			}
		})
	}
	if rejection, ok := errors.AsType[*firebreak.RejectedError](withStatus(errOpen, outgoing)); !ok || rejection != errOpen {
		t.Errorf("errors.As found %v, want %v", rejection, errOpen)
	}
}

// retryDelay returns the delay of the RetryInfo of s, or 0. There is one at the most, and
// what says that the call was not made.
func retryDelay(t *testing.T, s *status.Status) time.Duration {
	t.Helper()
	var after time.Duration
	hints, reasons := 0, 0
	for _, detail := range s.Details() {
		switch info := detail.(type) {
		case *errdetails.RetryInfo:
			hints++
			after = info.GetRetryDelay().AsDuration()
		case *errdetails.ErrorInfo:
			reasons++
			if info.GetDomain() != "github.com/firebreak-go/firebreak" {
				t.Errorf("%v is of another domain", info)
			}
		default:
			t.Errorf("detail %v of %v, want none of that kind", detail, s)
		}
	}
	if hints > 1 || reasons > 1 {
		t.Errorf("details of %v, want one RetryInfo and one ErrorInfo at the most", s)
	}
	return after
}

// Rule 156: "Status survives": what has one, and what firebreak knows nothing of, comes
// back as it is.
func TestA9_156_ForeignErrorsPass(t *testing.T) {
	for _, err := range []error{nil, io.EOF, status.Error(codes.DataLoss, "gone"), fmt.Errorf("lookup: %w", status.Error(codes.NotFound, "no"))} {
		if got := withStatus(err, outgoing); got != err { //nolint:errorlint // the very same
			t.Errorf("withStatus(%v) = %v, want it as it is", err, got)
		}
	}
	if once := withStatus(errOpen, incoming); withStatus(once, outgoing) != once { //nolint:errorlint // the very same
		t.Errorf("an error that has a status was given another")
	}
}

// "A client-side rejection that a server's handler returns unchanged must not tell that
// server's own callers to retry (no RetryInfo, pushback −1): a call that is retryable for
// us is not for those above us."
func TestRelayedSaysNothingOfRetries(t *testing.T) {
	for _, test := range []struct {
		name string
		err  error
		code codes.Code // OK if it is none of an outgoing call
		text string
	}{
		{"unchanged", withStatus(errOpen, outgoing), codes.Unavailable, errOpen.Error()},
		{"wrapped", fmt.Errorf("charge: %w", withStatus(errOpen, outgoing)), codes.Unavailable, "charge: " + errOpen.Error()},
		{"a timeout", withStatus(errTimeout, outgoing), codes.DeadlineExceeded, errTimeout.Error()},
		{"of another transport", errFull, codes.ResourceExhausted, errFull.Error()},
		{"a timeout of another transport", fmt.Errorf("get: %w", errTimeout), codes.DeadlineExceeded, "get: " + errTimeout.Error()},
		{"its status", status.Convert(withStatus(errOpen, outgoing)).Err(), codes.Unavailable, errOpen.Error()},
		{"its status, without a hint", status.Convert(withStatus(errFull, outgoing)).Err(), codes.ResourceExhausted, errFull.Error()},
		{"of this server", withStatus(errOpen, incoming), codes.OK, ""},
		{"the status of a server's refusal", status.Convert(withStatus(errOpen, incoming)).Err(), codes.OK, ""},
		{"a status of the handler's", status.Error(codes.Unavailable, "later"), codes.OK, ""},
		{"a rejection that the handler gave a status", fmt.Errorf("%w: %w", status.Error(codes.Aborted, "no"), errFull), codes.OK, ""},
		{"the context's own", context.Canceled, codes.OK, ""},
		{"any other", io.EOF, codes.OK, ""},
		{"none", nil, codes.OK, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, ok := relayed(test.err)
			if ok != (test.code != codes.OK) || s.Code() != test.code || s.Message() != test.text {
				t.Errorf("relayed(%v) = %v, %t; want %v %q", test.err, s, ok, test.code, test.text)
			}
			if len(s.Details()) > 0 {
				t.Errorf("details %v, want none", s.Details())
			}
		})
	}
	if d := cmp.Diff(errOpen.RetryAfter, retryDelay(t, status.Convert(withStatus(errOpen, outgoing)))); d != "" {
		t.Errorf("those who made the call are not told when to come back (-want +got):\n%s", d)
	}
}
