package deadline

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/firebreak-go/firebreak/internal/stack"
)

// ioFrames is how many frames tell reads and writes apart: those of a call, below the
// ones of bufio, TLS and protocols.
const ioFrames = callFrames + 8

// DialContext returns a function that makes connections with dial, which may be nil
// for that of a [net.Dialer], and notes those that are made under a context without a
// deadline. At the level [Enforce] it gives them one.
//
// Reads and writes of the connection are noted, too, if they began without a deadline
// set and took at least Config.StuckAfter: it is meant for protocols whose code should
// set one, as of mail, directories and queues. Reads that a library makes on a
// goroutine of its own do not count, if it is of the standard library: net/http has one
// that waits on each idle connection. What a connection copies as a whole (ReadFrom,
// WriteTo) does not count either.
//
// A *net.TCPConn comes back as another type with all its methods, and one to get at
// it, NetConn; so does a connection that is no more than a net.Conn. Others, such as
// packet connections and *tls.Conn, come back as they are.
func (a *Auditor) DialContext(dial func(ctx context.Context, network, address string) (net.Conn, error)) func(ctx context.Context, network, address string) (net.Conn, error) {
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	dialing, reading, writing := a.operations.get("net.dial"), a.operations.get("net.read"), a.operations.get("net.write")
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		dialing.calls.Add(1)
		limited := ctx
		if _, ok := ctx.Deadline(); !ok {
			var op Op
			var err error
			var pcs [callFrames]uintptr
			n := stack.Callers(pcs[:])
			limited, op, err = a.unbounded(ctx, dialing, address, pcs[:n], hook{tracks: true, adds: true, refuses: true})
			if err != nil {
				return nil, err
			}
			defer op.End()
		}
		inner, err := dial(limited, network, address)
		if err != nil {
			return inner, err
		}
		return watchConn(inner, &connWatch{auditor: a, target: address, reason: reasonOf(ctx), reading: reading, writing: writing}), nil
	}
}

// watchConn returns inner with its reads and writes noted, if it can do so with all
// that inner can do.
func watchConn(inner net.Conn, w *connWatch) net.Conn {
	switch c := inner.(type) {
	case *net.TCPConn:
		return &tcpConn{TCPConn: c, watch: w}
	case net.PacketConn, io.ReaderFrom, io.WriterTo, syscall.Conn,
		interface{ CloseWrite() error }, interface{ CloseRead() error }, interface{ NetConn() net.Conn }:
		return inner
	case nil:
		return nil
	default:
		return &plainConn{Conn: c, watch: w}
	}
}

// connWatch notes the reads and writes of a connection.
type connWatch struct {
	auditor                     *Auditor
	target                      string
	reason                      string // why they have no deadline by design, or ""
	reading, writing            *operation
	readDeadline, writeDeadline atomic.Bool // is set
}

// begin notes a read or a write of a method of this package, which counts when it has
// taken long.
func (w *connWatch) begin(o *operation, hasDeadline *atomic.Bool) Op {
	o.calls.Add(1)
	if hasDeadline.Load() {
		return Op{}
	}
	a := w.auditor
	reason := w.reason
	if reason == "" && a.cfg.Unbounded != nil {
		reason = a.cfg.Unbounded(o.name, w.target)
	}
	var pcs [ioFrames]uintptr
	s := a.site(o, reason, pcs[:stack.Callers(pcs[:])])
	if s.bare {
		return Op{}
	}
	return a.fly(s, w.target, a.now(), observed, hook{later: true, least: a.cfg.StuckAfter})
}

// set notes that a deadline was set to t, or taken away, unless that failed.
func (*connWatch) set(err error, t time.Time, deadlines ...*atomic.Bool) error {
	if err == nil {
		for _, d := range deadlines {
			d.Store(!t.IsZero())
		}
	}
	return err
}

type tcpConn struct {
	*net.TCPConn
	watch *connWatch
}

// NetConn returns the connection itself.
func (c *tcpConn) NetConn() net.Conn { return c.TCPConn }

func (c *tcpConn) Read(p []byte) (int, error) {
	op := c.watch.begin(c.watch.reading, &c.watch.readDeadline)
	defer op.End()
	return c.TCPConn.Read(p)
}

func (c *tcpConn) Write(p []byte) (int, error) {
	op := c.watch.begin(c.watch.writing, &c.watch.writeDeadline)
	defer op.End()
	return c.TCPConn.Write(p)
}

func (c *tcpConn) SetDeadline(t time.Time) error {
	return c.watch.set(c.TCPConn.SetDeadline(t), t, &c.watch.readDeadline, &c.watch.writeDeadline)
}

func (c *tcpConn) SetReadDeadline(t time.Time) error {
	return c.watch.set(c.TCPConn.SetReadDeadline(t), t, &c.watch.readDeadline)
}

func (c *tcpConn) SetWriteDeadline(t time.Time) error {
	return c.watch.set(c.TCPConn.SetWriteDeadline(t), t, &c.watch.writeDeadline)
}

type plainConn struct {
	net.Conn
	watch *connWatch
}

// NetConn returns the connection itself.
func (c *plainConn) NetConn() net.Conn { return c.Conn }

func (c *plainConn) Read(p []byte) (int, error) {
	op := c.watch.begin(c.watch.reading, &c.watch.readDeadline)
	defer op.End()
	return c.Conn.Read(p)
}

func (c *plainConn) Write(p []byte) (int, error) {
	op := c.watch.begin(c.watch.writing, &c.watch.writeDeadline)
	defer op.End()
	return c.Conn.Write(p)
}

func (c *plainConn) SetDeadline(t time.Time) error {
	return c.watch.set(c.Conn.SetDeadline(t), t, &c.watch.readDeadline, &c.watch.writeDeadline)
}

func (c *plainConn) SetReadDeadline(t time.Time) error {
	return c.watch.set(c.Conn.SetReadDeadline(t), t, &c.watch.readDeadline)
}

func (c *plainConn) SetWriteDeadline(t time.Time) error {
	return c.watch.set(c.Conn.SetWriteDeadline(t), t, &c.watch.writeDeadline)
}
