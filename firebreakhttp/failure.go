package firebreakhttp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/internal/ctxerr"
)

// A StatusError is a response whose status stands for a failure, as the policies
// see it: the cause of a rejection, the error of an event. Callers of an
// http.Client get the response itself.
type StatusError struct {
	Code int // 400 to 599
}

// Error returns a line such as "status 503 Service Unavailable".
func (e *StatusError) Error() string {
	text := "status " + strconv.Itoa(e.Code)
	if name := http.StatusText(e.Code); name != "" {
		text += " " + name
	}
	return text
}

// ErrorType returns the code, for the attribute error.type.
func (e *StatusError) ErrorType() string { return strconv.Itoa(e.Code) }

func isStatus(err error) bool {
	_, ok := err.(*StatusError) //nolint:errorlint // only the outermost comes with its response
	return ok
}

// judge returns what resp means to the policies: nil if it is an answer.
func (t *RoundTripper) judge(req *http.Request, resp *http.Response) error {
	code := resp.StatusCode
	if code < 400 {
		return nil
	}
	e := &firebreak.AttemptError{Class: firebreak.Failure}
	var hint bool
	e.RetryAfter, hint = retryAfter(resp.Header, time.Now())
	switch code {
	case http.StatusRequestTimeout, http.StatusTooEarly:
		e.Class = firebreak.Overload // not the dependency's failure, and worth another try
	case http.StatusTooManyRequests:
		e.Class = firebreak.Overload
	case http.StatusServiceUnavailable:
		if hint {
			e.Class = firebreak.Overload
		}
	case http.StatusBadGateway, http.StatusGatewayTimeout:
	default:
		retried := slices.Contains(t.retryStatuses, code)
		switch {
		case code < 500 && !retried:
			return nil
		case code < 500:
			e.Class = firebreak.Overload
		case !retried:
			e.Repeat = firebreak.RepeatNever
		}
	}
	if once(req) {
		e.Repeat = firebreak.RepeatNever
	}
	e.Err = &StatusError{Code: code}
	return e
}

// cancelTolerance is how close to its deadline a call must be that was cancelled
// through Request.Cancel, for that to be the deadline: http.Client sets both for
// its Timeout, by two timers.
const cancelTolerance = 10 * time.Millisecond

// failure returns what err of the base means to the policies.
func (x *exchange) failure(err error) error {
	note := func(class firebreak.Class, repeat firebreak.Repeat) error {
		if once(&x.req) {
			repeat = firebreak.RepeatNever
		}
		return &firebreak.AttemptError{Err: err, Class: class, Repeat: repeat}
	}
	switch {
	case x.ctx.Err() != nil:
		return x.ended(note, &err)
	case closed(x.cancel):
		err = x.canceled(err)
		return note(firebreak.Classify(err), firebreak.RepeatNever)
	case x.ownReadError() != nil:
		if own := x.ownReadError(); !errors.Is(err, own) {
			err = fmt.Errorf("%w: %w", err, own)
		}
		return note(firebreak.Ignored, firebreak.RepeatNever)
	case rejected(err), invalid(&x.req, err), isFileError(err):
		return note(firebreak.Ignored, firebreak.RepeatNever)
	case hopeless(err):
		return note(firebreak.Failure, firebreak.RepeatNever)
	case x.neverLeft(err):
		return note(firebreak.Failure, firebreak.RepeatAlways)
	default:
		return note(firebreak.Failure, firebreak.RepeatByClass)
	}
}

// ended is failure for an attempt whose context is done.
func (x *exchange) ended(note func(firebreak.Class, firebreak.Repeat) error, err *error) error {
	*err = ctxerr.Of(x.ctx)
	_, ours := errors.AsType[*firebreak.TimeoutError](*err)
	switch {
	case errors.Is(*err, context.Canceled): // whatever the cause: it may be a timeout of another call
		return note(firebreak.Ignored, firebreak.RepeatNever)
	case ours && x.trace.unsent():
		return note(firebreak.Failure, firebreak.RepeatAlways)
	case ours:
		return note(firebreak.Failure, firebreak.RepeatByClass)
	default: // a deadline of the caller's
		return note(firebreak.Failure, firebreak.RepeatNever)
	}
}

// canceled returns the error of an attempt that failed with err after its
// Request.Cancel was closed.
func (x *exchange) canceled(err error) error {
	if deadline, ok := x.ctx.Deadline(); ok && time.Until(deadline) < cancelTolerance {
		return context.DeadlineExceeded
	}
	return fmt.Errorf("%w: %w", context.Canceled, err)
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// ownReadError returns the error with which the caller's own body broke off, or
// nil.
func (x *exchange) ownReadError() error {
	if x.sent == nil {
		return nil
	}
	if p := x.sent.broken.Load(); p != nil {
		return *p
	}
	return nil
}

func rejected(err error) bool {
	_, ok := errors.AsType[*firebreak.RejectedError](err)
	return ok
}

// isFileError reports whether err is of a file: one that was to be sent, or a
// certificate's. Dependencies have none.
func isFileError(err error) bool {
	_, ok := errors.AsType[*fs.PathError](err)
	return ok
}

// invalid reports whether req is one that no transport can send, and err so the
// caller's failure. A scheme of the user's own, from http.Transport.RegisterProtocol,
// is as good as any: only the text tells one that nobody knows.
func invalid(req *http.Request, err error) bool {
	if req.URL.Scheme != "http" && req.URL.Scheme != "https" {
		return req.URL.Scheme == "" || strings.Contains(err.Error(), "unsupported protocol scheme")
	}
	if req.URL.Host == "" {
		return true
	}
	if !isToken(operationOr(req.Method)) {
		return true
	}
	for name, values := range req.Header {
		if !isToken(name) || slices.ContainsFunc(values, hasControl) {
			return true
		}
	}
	return false
}

func operationOr(method string) string {
	if method == "" {
		return http.MethodGet
	}
	return method
}

// isToken reports whether s is a token of RFC 9110, 5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && !slices.Contains([]byte("!#$%&'*+-.^_`|~"), c) {
			return false
		}
	}
	return s != ""
}

// hasControl reports whether a field value has a character that it may not.
func hasControl(value string) bool {
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return true
		}
	}
	return false
}

// hopeless reports whether err comes out the same each time: a certificate that
// is not valid, a server that does not speak TLS, a name that does not exist.
func hopeless(err error) bool {
	if errors.Is(err, http.ErrSchemeMismatch) {
		return true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return true
	}
	dns, ok := errors.AsType[*net.DNSError](err)
	return ok && dns.IsNotFound
}

// streamError has the shape that net/http's HTTP/2 errors look for in
// errors.As: they are of no exported type.
type streamError struct {
	StreamID uint32
	Code     errCode
	Cause    error
}

type errCode uint32

func (e streamError) Error() string { return "stream error" }

// refusedStream is the HTTP/2 code of a stream that the server did not look at:
// RFC 9113, 8.7.
const refusedStream errCode = 7

// neverLeft reports whether it is proved that the request was not processed: no
// connection could be had, or the server refused the stream unseen.
func (x *exchange) neverLeft(err error) bool {
	if refused, ok := errors.AsType[streamError](err); ok && refused.Code == refusedStream {
		return true
	}
	if x.trace.unsent() {
		return true
	}
	op, ok := errors.AsType[*net.OpError](err)
	return ok && (op.Op == "dial" || op.Op == "proxyconnect") && !x.trace.mayHaveLeft()
}
