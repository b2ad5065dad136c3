package firebreakhttp

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// writer returns g with exactly the methods that the server's ResponseWriter has of
// Flush, Hijack, Push and ReadFrom: handlers ask for them, and go another way without.
// Each type is a pointer in size, so that to return it costs nothing.
func (g *guard) writer() http.ResponseWriter {
	const flush, hijack, push, readFrom = 1, 2, 4, 8
	has := 0
	if _, ok := g.w.(http.Flusher); ok {
		has |= flush
	}
	if _, ok := g.w.(http.Hijacker); ok {
		has |= hijack
	}
	if _, ok := g.w.(http.Pusher); ok {
		has |= push
	}
	if _, ok := g.w.(io.ReaderFrom); ok {
		has |= readFrom
	}
	_, notifies := g.w.(http.CloseNotifier) //nolint:staticcheck // frameworks still ask for it
	switch has {
	case 0:
		return g
	case flush:
		return writerF{g}
	case hijack:
		return writerH{g}
	case flush | hijack:
		return writerFH{writerF{g}}
	case push:
		return writerP{g}
	case flush | push:
		if notifies { // HTTP/2
			return writerFPC{writerFP{writerF{g}}}
		}
		return writerFP{writerF{g}}
	case hijack | push:
		return writerHP{writerH{g}}
	case flush | hijack | push:
		return writerFHP{writerFH{writerF{g}}}
	case readFrom:
		return writerR{g}
	case flush | readFrom:
		return writerFR{writerF{g}}
	case hijack | readFrom:
		return writerHR{writerH{g}}
	case flush | hijack | readFrom:
		if notifies { // HTTP/1
			return writerFHRC{writerFHR{writerFH{writerF{g}}}}
		}
		return writerFHR{writerFH{writerF{g}}}
	case push | readFrom:
		return writerPR{writerP{g}}
	case flush | push | readFrom:
		return writerFPR{writerFP{writerF{g}}}
	case hijack | push | readFrom:
		return writerHPR{writerHP{writerH{g}}}
	default:
		return writerFHPR{writerFHP{writerFH{writerF{g}}}}
	}
}

// The letters are those of the methods.
type (
	writerF    struct{ *guard }
	writerH    struct{ *guard }
	writerP    struct{ *guard }
	writerR    struct{ *guard }
	writerFH   struct{ writerF }
	writerFP   struct{ writerF }
	writerFR   struct{ writerF }
	writerHP   struct{ writerH }
	writerHR   struct{ writerH }
	writerPR   struct{ writerP }
	writerFHP  struct{ writerFH }
	writerFHR  struct{ writerFH }
	writerFPR  struct{ writerFP }
	writerHPR  struct{ writerHP }
	writerFHPR struct{ writerFHP }
	writerFHRC struct{ writerFHR }
	writerFPC  struct{ writerFP }
)

func (w writerF) Flush() { _ = w.FlushError() }

func (w writerH) Hijack() (net.Conn, *bufio.ReadWriter, error)  { return w.hijack() }
func (w writerFH) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.hijack() }

func (w writerP) Push(target string, o *http.PushOptions) error   { return w.push(target, o) }
func (w writerFP) Push(target string, o *http.PushOptions) error  { return w.push(target, o) }
func (w writerHP) Push(target string, o *http.PushOptions) error  { return w.push(target, o) }
func (w writerFHP) Push(target string, o *http.PushOptions) error { return w.push(target, o) }

func (w writerR) ReadFrom(src io.Reader) (int64, error)    { return w.readFrom(src) }
func (w writerFR) ReadFrom(src io.Reader) (int64, error)   { return w.readFrom(src) }
func (w writerHR) ReadFrom(src io.Reader) (int64, error)   { return w.readFrom(src) }
func (w writerPR) ReadFrom(src io.Reader) (int64, error)   { return w.readFrom(src) }
func (w writerFHR) ReadFrom(src io.Reader) (int64, error)  { return w.readFrom(src) }
func (w writerFPR) ReadFrom(src io.Reader) (int64, error)  { return w.readFrom(src) }
func (w writerHPR) ReadFrom(src io.Reader) (int64, error)  { return w.readFrom(src) }
func (w writerFHPR) ReadFrom(src io.Reader) (int64, error) { return w.readFrom(src) }

func (w writerFHRC) CloseNotify() <-chan bool { return w.closeNotify() }
func (w writerFPC) CloseNotify() <-chan bool  { return w.closeNotify() }

func (g *guard) closeNotify() <-chan bool {
	return g.w.(http.CloseNotifier).CloseNotify() //nolint:staticcheck,forcetypeassert // only a writer that has it is asked
}
