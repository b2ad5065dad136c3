package firebreakhttp

import (
	"bufio"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
)

// errReturned ends writes of what a handler has left behind.
var errReturned = errors.New("firebreakhttp: the handler has returned")

// refused returns why the handler may not write any more, or nil. It needs g.mu.
func (g *guard) refused() error {
	g.check()
	switch {
	case g.expired:
		return http.ErrHandlerTimeout
	case g.returned:
		return errReturned
	default:
		return nil
	}
}

// Header returns the handler's header.
func (g *guard) Header() http.Header {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.header != nil {
		return g.header
	}
	if !g.bounded {
		return g.w.Header() // nobody else answers
	}
	if !g.expired {
		g.header = maps.Clone(g.w.Header())
	}
	if g.header == nil {
		g.header = make(http.Header)
	}
	return g.header
}

// WriteHeader begins the answer, or sends a 1xx ahead of it.
func (g *guard) WriteHeader(code int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.refused() != nil:
	case g.status != 0 || g.hijacked:
		g.w.WriteHeader(code) // has it reported
	case code >= 100 && code <= 199 && code != http.StatusSwitchingProtocols:
		g.inform(code)
	default:
		g.begin(code)
	}
}

// begin begins the answer. It needs g.mu.
func (g *guard) begin(code int) {
	g.ownHeader()
	if announced, ok := g.w.Header()["Content-Length"]; ok && len(announced) == 1 {
		if n, err := strconv.ParseInt(announced[0], 10, 64); err == nil {
			g.length = n
		}
	}
	g.status = code
	g.began.Mark()
	g.w.WriteHeader(code)
}

// inform sends a 1xx with the header as it is. It needs g.mu, but gives it up while it
// sends: a client may be slow to receive it. An answer that the timeout would have given
// in that time is given afterwards.
func (g *guard) inform(code int) {
	theirs := g.w.Header()
	before := maps.Clone(theirs)
	g.ownHeader()
	g.informing = true
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		g.informing = false
		if g.header != nil {
			clear(theirs)
			maps.Copy(theirs, before)
		}
		if g.expired && g.status == 0 {
			g.answer()
		}
	}()
	g.w.WriteHeader(code)
}

// admit begins the answer if it has not, and returns an error if nothing may be
// written.
func (g *guard) admit() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.refused(); err != nil {
		return err
	}
	if g.status == 0 && !g.hijacked {
		g.begin(http.StatusOK)
	}
	return nil
}

// sent notes how a write ended.
func (g *guard) sent(n int64, err error) error {
	if g.length < 0 && err == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.written += n
	if err != nil && g.expired {
		return http.ErrHandlerTimeout
	}
	return err
}

// Write writes to the body.
func (g *guard) Write(p []byte) (int, error) {
	if err := g.admit(); err != nil {
		return 0, err
	}
	n, err := g.w.Write(p)
	return n, g.sent(int64(n), err)
}

// WriteString writes to the body.
func (g *guard) WriteString(s string) (int, error) {
	if err := g.admit(); err != nil {
		return 0, err
	}
	n, err := io.WriteString(g.w, s)
	return n, g.sent(int64(n), err)
}

// sniffed is how much of a body is written before the rest of it is left to the server:
// the answer must not begin before there is something to write.
const sniffed = 512

// readFrom writes src to the body, with what the server has for that.
func (g *guard) readFrom(src io.Reader) (n int64, err error) {
	if !g.hasBegun() {
		n, err = io.CopyBuffer(struct{ io.Writer }{g}, io.LimitReader(src, sniffed), make([]byte, sniffed))
		if n < sniffed || err != nil {
			return n, err //nolint:wrapcheck // as it is
		}
	}
	if err := g.admit(); err != nil {
		return n, err
	}
	rest, err := g.w.(io.ReaderFrom).ReadFrom(src) //nolint:forcetypeassert // only a writer that has it is asked
	return n + rest, g.sent(rest, err)
}

func (g *guard) hasBegun() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.status != 0
}

// FlushError sends what is buffered, for [http.ResponseController].
func (g *guard) FlushError() error {
	if !canFlush(g.w) {
		return http.ErrNotSupported
	}
	if err := g.admit(); err != nil {
		return err
	}
	return g.sent(0, http.NewResponseController(g.w).Flush())
}

// canFlush reports whether an http.ResponseController can flush w.
func canFlush(w http.ResponseWriter) bool {
	for {
		switch t := w.(type) {
		case interface{ FlushError() error }, http.Flusher:
			return true
		case interface{ Unwrap() http.ResponseWriter }:
			w = t.Unwrap()
		default:
			return false
		}
	}
}

// hijack gives the connection to the handler, if the server has it to give.
func (g *guard) hijack() (net.Conn, *bufio.ReadWriter, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.refused(); err != nil {
		return nil, nil, err
	}
	conn, rw, err := http.NewResponseController(g.w).Hijack()
	if err == nil {
		g.hijacked = true
		g.began.Mark()
	}
	return conn, rw, err //nolint:wrapcheck // as it is
}

// push has the server push a resource.
func (g *guard) push(target string, options *http.PushOptions) error {
	g.mu.Lock()
	err := g.refused()
	g.mu.Unlock()
	if err != nil {
		return err
	}
	return g.w.(http.Pusher).Push(target, options) //nolint:forcetypeassert // only a writer that has it is asked
}
