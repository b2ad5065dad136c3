package firebreakhttp

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/internal/ctxerr"
)

// A guard is one request that is served. It stands between the handler and the
// server's ResponseWriter, so that a timeout can answer while the handler goes on: as
// a ResponseWriter it is the handler's.
//
// The lock is never held while the answer is sent. It need not be: once the answer has
// begun, the timeout does not write any more.
type guard struct {
	handler *handler
	w       http.ResponseWriter // the server's
	req     *http.Request       // the server's
	stack   *firebreak.Stack
	span    trace.Span      // that was started for the request, or nil
	ran     bool            // the handler was run
	ctx     context.Context //nolint:containedctx // of the handler; it lives as long as the request
	bounded bool            // ctx has a deadline
	timer   *time.Timer     // for that, or nil; the timer's own goroutine must not look at it
	began   firebreak.Moment

	mu        sync.Mutex  // guards the fields below, and w until the answer has begun
	header    http.Header // the handler's own; nil until it asks for it, or if nothing can come in between
	status    int         // of the answer; 0 until it has begun
	length    int64       // of the body, as it was announced, or -1
	written   int64       // of the body, if its length was announced
	informing bool        // a 1xx is being sent, without the lock
	hijacked  bool
	expired   bool // the deadline passed before the handler returned
	answered  bool // the answer is that of the timeout
	returned  bool // the handler has returned, or ended otherwise
	abort     bool // the connection is to be cut
	gone      bool // the client has left
	ended     bool // the handler has returned, or the request was refused
	panicked  any  // with what the server's ResponseWriter panicked on the timer's goroutine
}

// answerTime is how long a client may take to receive the short answer of a timeout,
// and then to wait for the end of an HTTP/2 stream.
const answerTime = time.Second

// expire is the end of the handler's time, on a goroutine of the timer's. It waits for
// the context, which the same deadline ends: when reads are woken, net/http cancels the
// context of the connection, and the handler's must have ended by its deadline.
func (g *guard) expire() {
	<-g.ctx.Done()
	g.mu.Lock()
	defer g.mu.Unlock()
	defer func() {
		if p := recover(); p != nil {
			g.panicked = p // it goes to those who expect panics of a handler
		}
	}()
	g.check()
	if !g.expired && !g.returned && !g.hijacked { // the client had left before
		g.wake(true)
	}
}

// check has the timeout take effect once the deadline has passed: whoever comes first,
// the timer or the handler. It needs g.mu.
func (g *guard) check() {
	if !g.bounded || g.expired || g.returned || g.hijacked || !errors.Is(g.ctx.Err(), context.DeadlineExceeded) {
		return
	}
	g.expired = true
	g.wake(false)
	if g.status == 0 && !g.informing {
		g.answer()
	}
}

// wake ends reads of the request body, which do not heed the context, and writes, if
// nobody will need them or after answerTime. It needs g.mu.
func (g *guard) wake(gone bool) {
	rc := http.NewResponseController(g.w)
	past := time.Now().Add(-time.Hour) // ends what is under way
	_ = rc.SetReadDeadline(past)
	if gone || g.status != 0 && !g.complete() {
		_ = rc.SetWriteDeadline(past)
	} else {
		_ = rc.SetWriteDeadline(time.Now().Add(answerTime))
	}
}

// complete reports whether the answer has all that it announced. It needs g.mu.
func (g *guard) complete() bool {
	if g.req.Method == http.MethodHead || g.status == http.StatusNoContent || g.status == http.StatusNotModified {
		return g.status != 0
	}
	return g.length >= 0 && g.written >= g.length
}

// answer answers in the handler's place. It needs g.mu.
func (g *guard) answer() {
	g.answered, g.status = true, http.StatusServiceUnavailable
	g.reply(http.StatusServiceUnavailable, 0, true)
	_ = http.NewResponseController(g.w).Flush()
}

// leave ends the guard, however the handler ended.
func (g *guard) leave() {
	if g.timer != nil {
		g.timer.Stop()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.returned = true
}

// finish returns what the end of the handler means to the policies, and completes its
// answer or gives it up.
func (g *guard) finish() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.check()
	g.returned, g.ended = true, true
	switch {
	case g.hijacked:
		return nil
	case g.expired:
		g.giveUp()
		return ctxerr.Of(g.ctx)
	case g.ctx.Err() != nil:
		g.gone = true
		return ctxerr.Of(g.ctx)
	}
	g.sendTrailers()
	return g.judge()
}

// giveUp sees to it that no client takes for complete what is not, and that an HTTP/1
// connection whose reads were ended is not used again. It needs g.mu.
func (g *guard) giveUp() {
	switch {
	case g.answered: // with Connection: close
	case !g.complete():
		g.abort = true
	case g.req.ProtoMajor < 2:
		rc := http.NewResponseController(g.w)
		_ = rc.SetWriteDeadline(time.Now().Add(answerTime))
		_ = rc.Flush()
		g.abort = true
	}
}

// ownHeader has the server's header be the handler's. It needs g.mu.
func (g *guard) ownHeader() {
	if g.header != nil {
		theirs := g.w.Header()
		clear(theirs)
		maps.Copy(theirs, g.header)
	}
}

// sendTrailers gives the server what the handler has put into its header since the
// answer began, as far as that are trailers, or all of it if it did not begin. It needs
// g.mu.
func (g *guard) sendTrailers() {
	if g.header == nil {
		return
	}
	if g.status == 0 {
		g.ownHeader()
		return
	}
	theirs := g.w.Header()
	for name, values := range g.header {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			theirs[name] = values
		}
	}
	for _, names := range g.header["Trailer"] {
		for name := range strings.SplitSeq(names, ",") {
			name = http.CanonicalHeaderKey(strings.TrimSpace(name))
			if values, ok := g.header[name]; ok {
				theirs[name] = values
			}
		}
	}
}

// judge returns what the handler's answer means to the policies: nil if it is one. It
// needs g.mu.
func (g *guard) judge() error {
	if g.status < 500 && g.status != http.StatusTooManyRequests {
		return nil
	}
	header := g.header
	if header == nil {
		header = g.w.Header()
	}
	e := &firebreak.AttemptError{Err: &StatusError{Code: g.status}, Class: firebreak.Failure, Repeat: firebreak.RepeatNever}
	var hint bool
	e.RetryAfter, hint = retryAfter(header, time.Now())
	switch {
	case hint && (g.status == http.StatusTooManyRequests || g.status == http.StatusServiceUnavailable):
		e.Class = firebreak.Overload
	case g.status < 500:
		return nil
	}
	return e
}
