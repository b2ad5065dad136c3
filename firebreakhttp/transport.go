// Package firebreakhttp brings firebreak's policies to net/http.
//
// For clients, [NewClient] returns an http.Client with all of them, per host, and
// [Transport] puts a Stack composed by hand around any http.RoundTripper. For servers,
// [NewServer] returns an http.Server that sheds load before it collapses, and [Handler]
// puts a Stack composed by hand around any http.Handler.
//
// On the side of the client, the rules of an http.RoundTripper hold: the request is never changed, its body
// is closed, a response comes without an error. A call ends when its response
// body has been read to the end or closed: so long it holds its place in a
// bulkhead, and so long its timeouts run. Callers must close response bodies, as
// always.
//
// A request that is not provably safe is sent once. Safe are the idempotent
// methods, requests with an Idempotency-Key or X-Idempotency-Key header, and
// those that provably never left; a body is sent again only from a fresh copy of
// Request.GetBody, and never kept in memory for it.
package firebreakhttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"sync/atomic"

	"go.opentelemetry.io/otel/propagation"

	"github.com/firebreak-go/firebreak"
)

// AttemptHeader carries the number of the attempt, from the second one on, so
// that servers know a retry and do not multiply it.
const AttemptHeader = "Firebreak-Attempt"

// An Option changes a default of [Transport] or [NewClient].
type Option func(*RoundTripper)

// RetryStatuses has responses of further statuses retried: 500, say, for an API
// whose 500s pass. The default are 408, 425, 429, 502, 503 and 504.
func RetryStatuses(statuses ...int) Option {
	return func(t *RoundTripper) {
		for _, status := range statuses {
			if status < 400 || status > 599 {
				panic(fmt.Sprintf("firebreakhttp.RetryStatuses: status is %d, want 400 to 599", status))
			}
			t.retryStatuses = append(t.retryStatuses, status)
		}
	}
}

// Propagator sets what writes the trace context of each attempt into its header.
// The default is the global propagator; an empty composite one writes nothing. A
// base that makes spans of its own (otelhttp) writes its own.
func Propagator(p propagation.TextMapPropagator) Option {
	return func(t *RoundTripper) { t.propagator = p }
}

// A RoundTripper sends requests through a Stack. It is safe for concurrent use.
type RoundTripper struct {
	base  http.RoundTripper // nil for http.DefaultTransport
	stack *firebreak.Stack

	send          firebreak.Handler // attempt, as a value that costs nothing
	retries       bool              // the Stack repeats calls
	watchBodies   bool              // it matters who broke a request body off
	retryStatuses []int
	propagator    propagation.TextMapPropagator // nil for the global one
	instrumented  bool                          // base makes the span of the attempt
	propagate     bool                          // deadline and priority are sent
}

// Transport returns an http.RoundTripper that sends requests through stack to
// base; a nil base is [http.DefaultTransport] at the time of the call.
//
// A response with a status that stands for a failure is one for the policies; the
// caller gets the last one as it came, without an error. What policies and timeouts
// end comes back as the errors of their packages.
//
// What http.Client does stays above: each redirect is a call of its own, all
// attempts carry the same cookies, and a Set-Cookie of a response that was given up
// is lost. After a 101 the timeouts no longer cut the connection of an
// http.Transport; its place in a bulkhead it keeps until it is closed.
//
// An http.Transport sends again by itself what an HTTP/2 server refused, with waits
// of up to a minute: a timeout inside of the retry bounds that.
//
// Transport panics with all problems if stack or an option is nil, or if base is a
// nil pointer or function.
func Transport(base http.RoundTripper, stack *firebreak.Stack, options ...Option) *RoundTripper {
	var problems []error
	if stack == nil {
		problems = append(problems, errors.New("stack is nil, want the result of firebreak.New"))
	}
	if v := reflect.ValueOf(base); (v.Kind() == reflect.Pointer || v.Kind() == reflect.Func) && v.IsNil() {
		problems = append(problems, fmt.Errorf("base is a nil %T, want a RoundTripper, or nil for http.DefaultTransport", base))
	}
	for i, option := range options {
		if option == nil {
			problems = append(problems, fmt.Errorf("option %d is nil, want an Option", i+1))
		}
	}
	if len(problems) > 0 {
		panic(fmt.Errorf("firebreakhttp.Transport: %w", errors.Join(problems...)))
	}
	t := &RoundTripper{base: base, stack: stack, instrumented: instrumented(base)}
	t.send = t.attempt
	kinds := kindsOf(stack.Describe())
	t.retries = kinds[firebreak.KindRetry] || kinds[firebreak.KindOther]
	t.watchBodies = t.retries || kinds[firebreak.KindBreaker]
	for _, option := range options {
		option(t)
	}
	return t
}

// kindsOf returns the kinds of the policies that d is made of.
func kindsOf(d firebreak.Description) map[firebreak.Kind]bool {
	kinds := map[firebreak.Kind]bool{d.Kind: true}
	for _, inner := range d.Inner {
		for kind := range kindsOf(inner) {
			kinds[kind] = true
		}
	}
	return kinds
}

// RoundTrip sends req through the Stack. It is what http.Client calls.
func (t *RoundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	if req == nil {
		return nil, errors.New("firebreakhttp: request is nil")
	}
	if req.URL == nil {
		closeBody(req)
		return nil, errors.New("firebreakhttp: request has no URL")
	}
	c := firebreak.Call{
		Op:         operation(req.Method),
		Target:     target(req.URL),
		Idempotent: idempotent(req),
		Request:    req,
		Cancel:     req.Cancel, //nolint:staticcheck // http.Client still sets it for its Timeout
	}
	if req.Body != nil && req.Body != http.NoBody {
		u := &upload{req: req, watch: t.watchBodies}
		c.Request = u
		defer u.finish()
	}
	result, err := t.stack.Do(req.Context(), c, t.send)
	return answer(result, err)
}

// answer turns what a Stack returns into what a RoundTripper may return: a
// response or an error, never both, never neither.
func answer(result any, err error) (*http.Response, error) {
	e, noted := err.(*firebreak.AttemptError) //nolint:errorlint // only the outermost is ours to take off
	if noted {
		err = e.Err
	}
	resp := responseOf(result)
	if resp != nil && (err == nil || noted && isStatus(err)) {
		if resp.Body == nil { // of a policy of the user's, which may return it again
			bodied := *resp
			bodied.Body = http.NoBody
			resp = &bodied
		}
		return resp, nil
	}
	firebreak.Discard(result)
	if r, ok := result.(*http.Response); ok && r != nil && r.Body != nil {
		_ = r.Body.Close() // a policy of the user's that returned both
	}
	if err == nil {
		err = errors.New("firebreakhttp: a policy returned neither a response nor an error")
	}
	return nil, err
}

// CloseIdleConnections closes the idle connections of the base, for
// http.Client.CloseIdleConnections.
func (t *RoundTripper) CloseIdleConnections() {
	if c, ok := t.transport().(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// Stack returns the Stack that requests go through.
func (t *RoundTripper) Stack() *firebreak.Stack { return t.stack }

func (t *RoundTripper) transport() http.RoundTripper {
	if t.base == nil {
		return http.DefaultTransport
	}
	return t.base
}

// attempt sends the request once: it is what the Stack's chain ends in.
func (t *RoundTripper) attempt(ctx context.Context, c firebreak.Call) (any, error) {
	x, err := t.prepare(ctx, c)
	if err != nil {
		return nil, err
	}
	returned := false
	defer func() {
		if !returned {
			x.abandon()
		}
	}()
	resp, err := t.transport().RoundTrip(&x.req)
	returned = true
	switch {
	case err != nil:
		if resp != nil && resp.Body != nil { // against the contract, but it must not leak
			_ = resp.Body.Close()
		}
		err = x.failure(err)
	case resp == nil:
		err = &firebreak.AttemptError{Err: errNothing, Class: firebreak.Failure, Repeat: firebreak.RepeatNever}
	default:
		return t.receive(x, resp)
	}
	x.span.fail(err)
	return nil, err
}

// errNothing is the failure of a base that returned neither a response nor an
// error.
var errNothing = errors.New("firebreakhttp: base transport returned neither a response nor an error")

// exchange is one attempt: the request that is sent, and then the response, whose
// body it lasts as long as. It is the result that the policies see.
type exchange struct {
	firebreak.Lifetime
	ctx     context.Context //nolint:containedctx // it lives as long as the attempt
	cancel  <-chan struct{} // of the Call
	attempt int

	req   http.Request // what is sent; in one piece with the rest
	sent  *sentBody    // what watches its body; nil if nothing does
	trace *sentTrace   // what tells whether it left; nil if nobody asks
	span  attemptSpan

	resp *http.Response
	body io.ReadCloser     // of resp, as the base gave it
	end  firebreak.Outcome // of a body that is read to its end

	closing atomic.Bool // body was closed, or is being closed
}

// abandon ends an attempt whose base panicked or ended its goroutine.
func (x *exchange) abandon() {
	if x.sent != nil {
		_ = x.sent.Close() // does nothing if the base came to it
	}
	x.span.fail(firebreak.ErrNoReturn)
}

// prepare makes the request of one attempt: a shallow copy with the header and
// the body its own. The Trailer map stays shared: it is filled in while the body
// is read.
func (t *RoundTripper) prepare(ctx context.Context, c firebreak.Call) (*exchange, error) {
	x := &exchange{ctx: ctx, cancel: c.Cancel, attempt: c.Attempt}
	original, up := requestOf(c)
	if t.retries && !c.Idempotent && !once(original) {
		x.trace = new(sentTrace)
		ctx = x.trace.attach(ctx)
	}
	header := original.Header.Clone()
	if header == nil {
		header = make(http.Header)
	}
	if c.Attempt > 1 {
		header.Set(AttemptHeader, strconv.Itoa(c.Attempt))
	}
	if t.propagate {
		propagate(ctx, header)
	}
	ctx, x.span = t.startSpan(ctx, c, original, header)
	x.req = *original.WithContext(ctx)
	x.req.Header = header
	if up != nil {
		var err error
		if x.sent, err = up.give(&x.req); err != nil {
			err = &firebreak.AttemptError{Err: err, Class: firebreak.Ignored, Repeat: firebreak.RepeatNever}
			x.span.fail(err)
			return nil, err
		}
	}
	return x, nil
}

// requestOf returns the caller's request, and what keeps its body if it has one.
func requestOf(c firebreak.Call) (*http.Request, *upload) {
	if u, ok := c.Request.(*upload); ok {
		return u.req, u
	}
	req, ok := c.Request.(*http.Request)
	if !ok {
		panic(fmt.Sprintf("firebreakhttp: a policy changed Call.Request to a %T", c.Request))
	}
	return req, nil
}
