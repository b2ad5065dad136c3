package firebreakgrpc

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/firebreak-go/firebreak"
)

// A side is where a call was when it ended.
type side uint8

const (
	outgoing side = iota // this process wanted to make it
	incoming             // this process was to serve it
)

// A carrier is an error that has a status.
type carrier interface {
	error
	GRPCStatus() *status.Status
}

// A statusError is an error of firebreak's own together with the status that stands
// for it in gRPC.
type statusError struct {
	err  error // what ended the call; matched by errors.Is and errors.As
	code codes.Code
	note string // what gRPC says of it beyond err, or ""

	// told is the status, if it is not the one that follows from the other fields: a
	// stranger is told less.
	told *status.Status

	// after goes into RetryInfo, unless it is 0.
	after time.Duration

	// side says whether it may be told to the caller of a server. What says of an
	// outgoing call that it may be made again says nothing of the incoming one that it
	// was made for: see relayed.
	side side
}

// withStatus returns err with the status that it has in gRPC. Errors that have one at
// hand, and those that firebreak knows nothing of, it returns as they are.
func withStatus(err error, s side) error {
	if err == nil {
		return nil
	}
	if _, ok := err.(carrier); ok { //nolint:errorlint // one further in is not what ended the call: it may be the cause of a cancellation
		return err
	}
	code, own := codeOf(err)
	if !own {
		return err
	}
	e := &statusError{err: err, code: code, side: s}
	if code != codes.Canceled && code != codes.DeadlineExceeded { // a rejection that they were for says nothing of this call
		e.after = firebreak.RetryAfter(err)
	}
	return e
}

// codeOf returns the code for err. own is false if err is not one of firebreak's own, or
// of a context: then it says what it is itself.
func codeOf(err error) (code codes.Code, own bool) {
	rejection, rejected := errors.AsType[*firebreak.RejectedError](err)
	switch {
	case errors.Is(err, context.Canceled): // whatever the cause
		return codes.Canceled, true
	case errors.Is(err, context.DeadlineExceeded): // a *firebreak.TimeoutError, too
		return codes.DeadlineExceeded, true
	case rejected:
		return codeOfRejection(rejection), true
	default:
		return codes.Unknown, false
	}
}

// codeOfRejection tells a dependency or a server that is not there, which another may
// stand in for, from a limit.
func codeOfRejection(r *firebreak.RejectedError) codes.Code {
	switch r.Policy {
	case "breaker":
		return codes.Unavailable
	case "bulkhead", "rate":
		return codes.ResourceExhausted
	case "shed":
		if r.Reason == "closing" {
			return codes.Unavailable
		}
		return codes.ResourceExhausted
	case "deadline":
		return codes.DeadlineExceeded
	case "auditor": // a mistake in this process: it goes on, whoever tries again
		return codes.Internal
	}
	if said, ok := errors.AsType[carrier](r.Err); ok && said.GRPCStatus().Code() != codes.OK {
		return said.GRPCStatus().Code() // a policy of the user's knows best
	}
	if r.Limit > 0 {
		return codes.ResourceExhausted
	}
	return codes.Unavailable
}

// relayed returns the status for the caller of a server whose handler ended with err, if
// firebreak ended an outgoing call of that handler so: also one of another transport. It
// has the same code and text, but nothing that says that the call may be made again: what
// was refused is what the handler wanted, and a caller who tries again has the handler do
// all over what it did before. ok is false for all other errors.
func relayed(err error) (s *status.Status, ok bool) {
	if own, ok := errors.AsType[*statusError](err); ok {
		if own.side != outgoing {
			return nil, false
		}
		return status.New(own.code, err.Error()), true
	}
	if said, ok := errors.AsType[carrier](err); ok {
		if isNotMade(said.GRPCStatus()) {
			return withoutHints(err), true
		}
		return nil, false // the handler knows best
	}
	_, rejected := errors.AsType[*firebreak.RejectedError](err)
	_, timedOut := errors.AsType[*firebreak.TimeoutError](err)
	if !rejected && !timedOut {
		return nil, false
	}
	code, _ := codeOf(err)
	return status.New(code, err.Error()), true
}

// Error returns the text of the error.
func (e *statusError) Error() string {
	if e.note != "" {
		return e.err.Error() + ": " + e.note
	}
	return e.err.Error()
}

// Unwrap returns the error.
func (e *statusError) Unwrap() error { return e.err }

// Timeout reports whether it is one, for those who ask by a type assertion.
func (e *statusError) Timeout() bool { return e.code == codes.DeadlineExceeded }

// ErrorType returns the value of the attribute error.type.
func (e *statusError) ErrorType() string {
	if e.code == codes.Canceled {
		return codeText(e.code)
	}
	return firebreak.ErrorType(e.err)
}

// GRPCStatus returns the status: that is how gRPC, status.Code and status.Convert see
// the error. That of an outgoing call that was not made says so in its details, for a
// server whose handler passes on the status and not the error.
func (e *statusError) GRPCStatus() *status.Status {
	if e.told != nil {
		return e.told
	}
	s := status.New(e.code, e.Error())
	var details []protoadapt.MessageV1
	if e.after > 0 {
		details = append(details, retryInfo(e.after))
	}
	if rejection, ok := errors.AsType[*firebreak.RejectedError](e.err); ok && e.side == outgoing && e.code != codes.Canceled {
		details = append(details, notMade(rejection))
	}
	return withDetails(s, details...)
}

// withDetails returns s with details.
func withDetails(s *status.Status, details ...protoadapt.MessageV1) *status.Status {
	if len(details) == 0 {
		return s
	}
	detailed, err := s.WithDetails(details...)
	if err != nil {
		return s // only a status OK has no details
	}
	return detailed
}

// retryInfo is the hint of a status to come back after d.
func retryInfo(d time.Duration) protoadapt.MessageV1 {
	return protoadapt.MessageV1Of(&errdetails.RetryInfo{RetryDelay: durationpb.New(d)})
}

// domain is that of the reasons in a google.rpc.ErrorInfo.
const domain = "github.com/firebreak-go/firebreak"

// notMade is what a status says of a call that a policy has rejected: by which and why, as
// in "BREAKER_OPEN".
func notMade(r *firebreak.RejectedError) protoadapt.MessageV1 {
	return protoadapt.MessageV1Of(&errdetails.ErrorInfo{Reason: strings.ToUpper(r.Policy + "_" + r.Reason), Domain: domain})
}

// isNotMade reports whether s is the status of an outgoing call that a policy has rejected.
func isNotMade(s *status.Status) bool {
	return slices.ContainsFunc(s.Details(), func(detail any) bool {
		info, ok := detail.(*errdetails.ErrorInfo)
		return ok && info.GetDomain() == domain
	})
}

// withoutHints returns the status of err without what is said of the outgoing call.
func withoutHints(err error) *status.Status {
	s := status.Convert(err)
	p := s.Proto()
	p.Details = slices.DeleteFunc(p.GetDetails(), func(detail *anypb.Any) bool {
		info := new(errdetails.ErrorInfo)
		return detail.MessageIs((*errdetails.RetryInfo)(nil)) || detail.UnmarshalTo(info) == nil && info.GetDomain() == domain
	})
	return status.FromProto(p)
}
