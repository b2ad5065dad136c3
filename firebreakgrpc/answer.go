package firebreakgrpc

import (
	"errors"
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/firebreak-go/firebreak"
)

// pushbackKey is the trailer that says after how many milliseconds to try again, or not to
// if it is negative.
const pushbackKey = "grpc-retry-pushback-ms"

// defaultAfter is when to come back to a limit that does not know when it has room.
const defaultAfter = time.Second

// answer returns what the caller is told of a call that ended with err.
func (v *served) answer(err error) error {
	if err == nil {
		return nil
	}
	if v.ran && err == v.judged { //nolint:errorlint // it is that of the handler, and no policy's
		if v.relayed {
			v.pushBack("-1")
		}
		return v.passed
	}
	after, err := refusal(err)
	if after > 0 {
		v.pushBack(strconv.FormatInt(int64((after-1)/time.Millisecond)+1, 10))
	}
	return err
}

func (v *served) pushBack(ms string) {
	_ = grpc.SetTrailer(v.ctx, metadata.Pairs(pushbackKey, ms)) // there is none where a test calls the interceptor
}

// refusal returns an error of the policies with its status, and when to come back, which
// is in that, too.
func refusal(err error) (after time.Duration, _ error) {
	if e, ok := err.(*firebreak.AttemptError); ok { //nolint:errorlint // the outermost only
		err = e.Err
	}
	err = withStatus(err, incoming)
	e, ok := err.(*statusError) //nolint:errorlint // the very one
	if !ok {
		return 0, err
	}
	if e.code != codes.ResourceExhausted && e.code != codes.Unavailable {
		e.after = 0
		return 0, e
	}
	if e.after == 0 {
		e.after = defaultAfter
	}
	if rejection, ok := errors.AsType[*firebreak.RejectedError](e.err); ok {
		if rejection.Reason == "closing" {
			e.after = 0 // another server may have room, at once
		}
		if rejection.Cause != nil { // what went wrong inside is nobody's business
			bare := *rejection
			bare.Cause = nil
			e.told = status.New(e.code, bare.Error())
			if e.after > 0 {
				e.told = withDetails(e.told, retryInfo(e.after))
			}
		}
	}
	return e.after, e
}

// refuseEarly returns what the caller is told of a call that was rejected in the tap, and
// records it. There is no span of the server's yet, and no trailer to be set.
func (v *served) refuseEarly(c firebreak.Call, rejection *firebreak.RejectedError) error {
	ctx := v.ctx
	if v.stack.Tracer(ctx) != nil {
		ctx = v.startSpan(ctx)
	}
	_, err := refusal(v.stack.Reject(ctx, c, rejection))
	v.endSpan(err)
	return err
}

// hintOf returns the time of the RetryInfo of s. ok is false if there is none that is
// valid.
func hintOf(s *status.Status) (d time.Duration, ok bool) {
	for _, detail := range s.Details() {
		info, is := detail.(*errdetails.RetryInfo)
		if is && info.GetRetryDelay().IsValid() && info.GetRetryDelay().AsDuration() >= 0 {
			return info.GetRetryDelay().AsDuration(), true
		}
	}
	return 0, false
}
