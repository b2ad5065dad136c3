package firebreakhttp_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Servers on loopback, for what only a connection shows.

// serve serves handler until the test ends, and returns the URL.
func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// listen runs accept with each connection, one after the other, closes it then,
// and returns the address.
func listen(t *testing.T, accept func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	over, cancel := context.WithCancel(context.Background())
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			stop := context.AfterFunc(over, func() { conn.Close() }) // a client may keep it open
			accept(conn)
			stop()
			conn.Close()
		}
	})
	t.Cleanup(func() {
		l.Close()
		cancel()
		wg.Wait()
	})
	return l.Addr().String()
}

// readHead reads from conn to the end of a request's header.
func readHead(conn net.Conn) error {
	_, err := http.ReadRequest(bufio.NewReader(conn))
	return err
}

// resetConn cuts the connection of w off with a RST.
func resetConn(t *testing.T, w http.ResponseWriter) {
	t.Helper()
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
}

// requestTo returns a request to a server of the test. A nil body is none.
func requestTo(t *testing.T, method, url string, body io.ReadCloser) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		req.Body = body
	}
	return req
}

// newBase returns a transport with connections of its own.
func newBase(t *testing.T) *http.Transport {
	t.Helper()
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	return base
}

// newHTTP2Base returns a transport that speaks HTTP/2 without TLS.
func newHTTP2Base(t *testing.T) *http.Transport {
	t.Helper()
	base := newBase(t)
	base.Protocols = new(http.Protocols)
	base.Protocols.SetUnencryptedHTTP2(true)
	return base
}

// pattern returns n bytes that show it if a part is missing or out of place.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := 0; i+8 <= n; i += 8 {
		binary.BigEndian.PutUint64(b[i:], uint64(i))
	}
	return b
}

// withPattern gives req a body of n bytes that can be copied, and of which
// net/http does not know that it lies in memory.
func withPattern(req *http.Request, n int) {
	b := pattern(n)
	req.ContentLength = int64(n)
	req.GetBody = func() (io.ReadCloser, error) {
		return io.NopCloser(struct{ io.Reader }{bytes.NewReader(b)}), nil
	}
	req.Body, _ = req.GetBody()
}

// A refusingServer speaks as much HTTP/2 as it takes to refuse streams unseen. It
// answers the others with 200.
type refusingServer struct {
	url string

	mu     sync.Mutex // guards the fields below
	refuse int        // how many streams are still to be refused
	bodies []string   // of the streams that were not
}

func newRefusingServer(t *testing.T, refuse int) *refusingServer {
	t.Helper()
	s := &refusingServer{refuse: refuse}
	s.url = "http://" + listen(t, s.serve)
	return s
}

func (s *refusingServer) received() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.bodies)
}

// Frame types, flags and codes of RFC 9113.
const (
	frameData, frameHeaders, frameReset, frameSettings = 0x0, 0x1, 0x3, 0x4
	flagEndStream, flagAck, flagEndHeaders             = 0x1, 0x1, 0x4
	codeRefusedStream                                  = 0x7
)

func (s *refusingServer) serve(conn net.Conn) {
	if _, err := io.CopyN(io.Discard, conn, int64(len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))); err != nil {
		return
	}
	writeFrame(conn, frameSettings, 0, 0, nil)
	open := make(map[uint32]*strings.Builder)
	for {
		kind, flags, stream, payload, err := readFrame(conn)
		if err != nil {
			return
		}
		switch {
		case kind == frameSettings && flags&flagAck == 0:
			writeFrame(conn, frameSettings, flagAck, 0, nil)
		case kind == frameHeaders && s.refuses():
			writeFrame(conn, frameReset, 0, stream, binary.BigEndian.AppendUint32(nil, codeRefusedStream))
		case kind == frameHeaders:
			open[stream] = new(strings.Builder)
		case kind == frameData && open[stream] != nil:
			open[stream].Write(payload)
		}
		if body := open[stream]; body != nil && (kind == frameData || kind == frameHeaders) && flags&flagEndStream != 0 {
			delete(open, stream)
			s.mu.Lock()
			s.bodies = append(s.bodies, body.String())
			s.mu.Unlock()
			writeFrame(conn, frameHeaders, flagEndStream|flagEndHeaders, stream, []byte{0x88}) // :status 200
		}
	}
}

func (s *refusingServer) refuses() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse--
	return s.refuse >= 0
}

func writeFrame(w io.Writer, kind, flags byte, stream uint32, payload []byte) {
	head := []byte{0, byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	_, _ = w.Write(append(binary.BigEndian.AppendUint32(head, stream), payload...))
}

func readFrame(r io.Reader) (kind, flags byte, stream uint32, payload []byte, err error) {
	var head [9]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, 0, 0, nil, err
	}
	payload = make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
	_, err = io.ReadFull(r, payload)
	return head[3], head[4], binary.BigEndian.Uint32(head[5:]) & 0x7fffffff, payload, err
}
