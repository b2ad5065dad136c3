package firebreakhttp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/firebreak-go/firebreak"
)

// handler serves requests through a Stack.
type handler struct {
	next   http.Handler
	stack  *firebreak.Stack
	router router // next, if it tells its routes

	run         firebreak.Handler // serve, as a value that costs nothing
	exempt      []func(*http.Request) bool
	longRunning []longRunning
	trusted     func(*http.Request) bool // nil for nobody
	minTime     time.Duration
	priority    func(*http.Request) firebreak.Priority // nil for none

	problems []error // of the options
}

// longRunning are requests that go through a Stack of their own.
type longRunning struct {
	match func(*http.Request) bool
	stack *firebreak.Stack
}

// Handler returns an http.Handler that serves requests with next, through stack.
//
// A policy that rejects a request has it answered with 503, or with 429 if it is
// [shed.Rate], and a Retry-After; next does not run. The timeouts of the Stack are in
// the context of the request. When one passes before next has begun its answer, the
// client gets a 503 at that moment, and what next writes from then on ends with
// [http.ErrHandlerTimeout]. When it passes later, nothing is added to the answer; its
// connection is cut when next returns, so that nobody takes it for complete. Reads of
// the request body and writes that hang end, too. On HTTP/2 the end of the answer waits
// for next to return, and a second after the timeout the stream is reset.
//
// next runs once, on the goroutine of the server, and is never cut off. What it holds
// of the policies it holds until it returns, and it is expected to heed its context. A
// panic passes through. Policies see a failure in a status of 500 or more, in a panic
// and in a timeout, an overload in a 503 or 429 with Retry-After, nothing at all if the
// client has gone, and else a success.
//
// The ResponseWriter has the methods Flush, Hijack, Push, ReadFrom and CloseNotify if
// the server's has them, and works with [http.ResponseController]. Until the answer
// begins, next has a header of its own. [http.MaxBytesReader] cannot tell it to close
// the connection: put [http.MaxBytesHandler] around the Handler, not into it. For
// headers, bodies and answers that are slow in themselves, see the timeouts of
// http.Server; [NewServer] sets them.
//
// The name of the call, its Op, is the pattern of the route if next is an
// http.ServeMux, or has its method Handler, and else the method. A Handler adds to the
// span of the server that is in the context (otelhttp's, outside) or makes one.
//
// Handler panics with all problems if next, stack or an option is nil or not valid, or
// if a Stack retries: no request can be served twice.
func Handler(next http.Handler, stack *firebreak.Stack, options ...HandlerOption) http.Handler {
	h := newHandler(next, stack, options)
	if len(h.problems) > 0 {
		panic(fmt.Errorf("firebreakhttp.Handler: %w", errors.Join(h.problems...)))
	}
	return h
}

func newHandler(next http.Handler, stack *firebreak.Stack, options []HandlerOption) *handler {
	h := &handler{next: next, stack: stack}
	h.run = h.serve
	h.router, _ = next.(router)
	switch v := reflect.ValueOf(next); {
	case next == nil:
		h.problemf("handler is nil, want one")
	case (v.Kind() == reflect.Pointer || v.Kind() == reflect.Func) && v.IsNil():
		h.problemf("handler is a nil %T, want one", next)
	}
	h.checkStack("stack", stack)
	for i, option := range options {
		if option == nil {
			h.problemf("option %d is nil, want a HandlerOption", i+1)
			continue
		}
		option(h)
	}
	return h
}

func (h *handler) problemf(format string, args ...any) {
	h.problems = append(h.problems, fmt.Errorf(format, args...))
}

func (h *handler) checkStack(what string, stack *firebreak.Stack) {
	switch {
	case stack == nil:
		h.problemf("%s is nil, want the result of firebreak.New", what)
	case kindsOf(stack.Describe())[firebreak.KindRetry]:
		h.problemf("%s retries (%s): a request is served once, want retry in the Stack of its client", what, stack)
	}
}

// ServeHTTP serves a request through the Stack.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g := &guard{handler: h, w: w, req: r, stack: h.stack, length: -1}
	c := firebreak.Call{Op: h.op(r), Request: g, Inbound: true, Began: &g.began, Exempt: anyOf(h.exempt, r)}
	for i := range h.longRunning {
		if h.longRunning[i].match(r) {
			g.stack = h.longRunning[i].stack
			g.liftDeadlines()
			break
		}
	}
	ctx := r.Context()
	if tracer := g.stack.Tracer(ctx); tracer != nil {
		ctx = g.startSpan(ctx, c)
		defer g.endSpan()
	}
	ctx, at := h.arrive(ctx, r)
	if !at.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, at)
		defer cancel()
	}
	if err := h.deadOnArrival(ctx, g.stack, c); err != nil {
		g.refuse(err)
		return
	}
	result, err := g.stack.Do(ctx, c, h.run)
	firebreak.Discard(result) // of a policy of the user's
	switch {
	case !g.ran:
		g.refuse(err)
	case g.panicked != nil:
		panic(g.panicked)
	case g.abort:
		panic(http.ErrAbortHandler)
	}
}

func anyOf(matches []func(*http.Request) bool, r *http.Request) bool {
	for _, match := range matches {
		if match(r) {
			return true
		}
	}
	return false
}

// errTwice ends a second attempt of a policy of the user's.
var errTwice = errors.New("firebreakhttp: a policy runs the handler twice")

// serve is what the Stack's chain ends in: it runs the handler.
func (h *handler) serve(ctx context.Context, c firebreak.Call) (any, error) {
	g, ok := c.Request.(*guard)
	if !ok {
		panic(fmt.Sprintf("firebreakhttp: a policy changed Call.Request to a %T", c.Request))
	}
	if g.ran {
		return nil, &firebreak.AttemptError{Err: errTwice, Class: firebreak.Ignored, Repeat: firebreak.RepeatNever}
	}
	g.ran, g.ctx = true, ctx
	req := g.req
	if ctx != req.Context() {
		req = req.WithContext(ctx)
	}
	var deadline time.Time
	if deadline, g.bounded = ctx.Deadline(); g.bounded {
		g.timer = time.AfterFunc(time.Until(deadline), g.expire)
	}
	defer g.leave()
	h.next.ServeHTTP(g.writer(), req)
	g.keep(req)
	return nil, g.finish()
}

// keep notes on the server's request what others look for there: those who remove the
// files of a form, and those outside who ask for the route.
func (g *guard) keep(served *http.Request) {
	if served == g.req {
		return
	}
	if g.req.MultipartForm == nil {
		g.req.MultipartForm = served.MultipartForm
	}
	if g.req.Pattern == "" {
		g.req.Pattern = served.Pattern
	}
}

// RequestOf returns the HTTP request of a call of a [Transport] or a [Handler], for the
// key function of a [firebreak.Keyed]; nil for any other call. It must not be changed.
func RequestOf(c firebreak.Call) *http.Request {
	switch r := c.Request.(type) {
	case *guard:
		return r.req
	case *upload:
		return r.req
	case *http.Request:
		return r
	default:
		return nil
	}
}
