package firebreakgrpc_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc/stats"
)

// Types and flags of HTTP/2 frames: RFC 9113, 6.
const (
	frameHeaders   = 1
	frameRSTStream = 3
	frameSettings  = 4
	framePing      = 6
	flagACK        = 1
)

// refusedStream is the code for a stream that the server has not looked at.
const refusedStream = 7

// refusingServer is a server that refuses each stream unseen.
type refusingServer struct {
	listener net.Listener
	streams  atomic.Int64
}

func newRefusingServer(t *testing.T) *refusingServer {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &refusingServer{listener: listener}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go s.serve(conn) // ends with the client's connection
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		<-done
	})
	return s
}

func (s *refusingServer) dial(ctx context.Context, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", s.listener.Addr().String())
}

func (s *refusingServer) serve(conn net.Conn) {
	defer conn.Close()
	const preface = 24
	if _, err := io.ReadFull(conn, make([]byte, preface)); err != nil {
		return
	}
	if err := writeFrame(conn, frameSettings, 0, 0, nil); err != nil {
		return
	}
	for {
		var head [9]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return
		}
		payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(conn, payload); err != nil {
			return
		}
		var err error
		switch kind, ack := head[3], head[4]&flagACK != 0; {
		case kind == frameSettings && !ack:
			err = writeFrame(conn, frameSettings, flagACK, 0, nil)
		case kind == framePing && !ack:
			err = writeFrame(conn, framePing, flagACK, 0, payload)
		case kind == frameHeaders:
			s.streams.Add(1)
			err = writeFrame(conn, frameRSTStream, 0, binary.BigEndian.Uint32(head[5:]), []byte{0, 0, 0, refusedStream})
		}
		if err != nil {
			return
		}
	}
}

func writeFrame(w io.Writer, kind, flags byte, stream uint32, payload []byte) error {
	n := len(payload)
	frame := append([]byte{byte(n >> 16), byte(n >> 8), byte(n), kind, flags}, binary.BigEndian.AppendUint32(nil, stream)...)
	_, err := w.Write(append(frame, payload...))
	return err
}

// beginCounter is a stats.Handler that counts what gRPC begins.
type beginCounter struct{ atomic.Int64 }

func (c *beginCounter) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

func (c *beginCounter) HandleRPC(_ context.Context, s stats.RPCStats) {
	if _, ok := s.(*stats.Begin); ok {
		c.Add(1)
	}
}

func (c *beginCounter) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (c *beginCounter) HandleConn(context.Context, stats.ConnStats)                       {}
