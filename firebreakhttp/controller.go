package firebreakhttp

import (
	"bufio"
	"net"
	"net/http"
	"time"
)

// What http.ResponseController finds on a guard. It would go past it else: after a
// timeout the deadlines are no longer the handler's.

// SetReadDeadline sets the deadline for reads of the request body.
func (g *guard) SetReadDeadline(deadline time.Time) error {
	return g.control(func(rc *http.ResponseController) error { return rc.SetReadDeadline(deadline) })
}

// SetWriteDeadline sets the deadline for writes of the answer.
func (g *guard) SetWriteDeadline(deadline time.Time) error {
	return g.control(func(rc *http.ResponseController) error { return rc.SetWriteDeadline(deadline) })
}

// EnableFullDuplex has the request body outlive the beginning of the answer.
func (g *guard) EnableFullDuplex() error {
	return g.control((*http.ResponseController).EnableFullDuplex)
}

func (g *guard) control(do func(*http.ResponseController) error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.refused(); err != nil {
		return err
	}
	return do(http.NewResponseController(g.w))
}

// liftDeadlines takes the server's own timeouts off the request.
func (g *guard) liftDeadlines() {
	rc := http.NewResponseController(g.w)
	_ = rc.SetReadDeadline(time.Time{})
	_ = rc.SetWriteDeadline(time.Time{})
}

// Unwrap returns the server's ResponseWriter, for what else it can do.
func (g *guard) Unwrap() http.ResponseWriter {
	if _, ok := g.w.(http.Hijacker); ok {
		return g.w
	}
	return unwrapped{g}
}

// unwrapped is a ResponseWriter of the server's that cannot hijack, but may be around
// one that can: whoever looks for that is to come by here.
type unwrapped struct{ *guard }

// Hijack gives the connection to the handler.
func (u unwrapped) Hijack() (net.Conn, *bufio.ReadWriter, error) { return u.hijack() }

// Unwrap returns the server's ResponseWriter.
func (u unwrapped) Unwrap() http.ResponseWriter { return u.w }
