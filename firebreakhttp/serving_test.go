package firebreakhttp_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/firebreakhttp"
	"github.com/firebreak-go/firebreak/timeout"
)

// What the tests of the server side need: a handler is called on a recorder, or by a
// server whose connections are pipes, so that time is virtual there, too.

// handle returns next behind a Stack of policies.
func handle(next http.HandlerFunc, policies ...firebreak.Policy) http.Handler {
	return firebreakhttp.Handler(next, firebreak.New("server", policies...))
}

// get serves a GET of path and returns the answer.
func get(h http.Handler, path string, header ...string) *httptest.ResponseRecorder {
	return serveTo(h, incoming(http.MethodGet, path, header...))
}

// incoming is a request as a server gets it. header are pairs of name and value.
func incoming(method, path string, header ...string) *http.Request {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

// serveTo serves r on a recorder. An answer that is cut has the status 0.
func serveTo(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	if !serves(h, w, r) {
		w.Code = 0
	}
	return w
}

// serves runs h as a server does. It reports false if h has the connection cut.
func serves(h http.Handler, w http.ResponseWriter, r *http.Request) (whole bool) {
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // the value itself is the sign
			panic(p)
		}
	}()
	h.ServeHTTP(w, r)
	return true
}

// wantStatus fails the test unless w has the status.
func wantStatus(t *testing.T, w *httptest.ResponseRecorder, code int, when string) {
	t.Helper()
	if w.Code != code {
		t.Errorf("%s: got status %d and body %q, want %d", when, w.Code, w.Body, code)
	}
}

// patient waits for the end of the context, as handlers do.
func untilDone(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// A pipeServer serves connections that are pipes: in a bubble of synctest, deadlines of
// connections are as exact as all others.
type pipeServer struct {
	*http.Server
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// servePipes serves h until the test ends.
func servePipes(t *testing.T, h http.Handler) *pipeServer {
	t.Helper()
	return startPipes(t, &http.Server{Handler: h})
}

func startPipes(t *testing.T, server *http.Server) *pipeServer {
	t.Helper()
	s := &pipeServer{Server: server, conns: make(chan net.Conn), closed: make(chan struct{})}
	if server.Protocols == nil {
		server.Protocols = new(http.Protocols)
		server.Protocols.SetHTTP1(true)
		server.Protocols.SetUnencryptedHTTP2(true)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(s)
	}()
	t.Cleanup(func() {
		time.Sleep(time.Minute) // handlers that nobody waits for return
		server.Close()
		<-done
	})
	return s
}

func (s *pipeServer) Accept() (net.Conn, error) {
	select {
	case conn := <-s.conns:
		return conn, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

func (s *pipeServer) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

func (s *pipeServer) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

// dial returns a connection to the server.
func (s *pipeServer) dial() net.Conn {
	client, server := net.Pipe()
	s.conns <- server
	return client
}

// client returns a client of the server, of HTTP/1 or of HTTP/2.
func (s *pipeServer) client(t *testing.T, http2 bool) *http.Client {
	t.Helper()
	base := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return s.dial(), nil }}
	if http2 {
		base.Protocols = new(http.Protocols)
		base.Protocols.SetUnencryptedHTTP2(true)
	}
	t.Cleanup(base.CloseIdleConnections)
	return &http.Client{Transport: base}
}

// raw sends text on a connection of its own, and returns that. It sends from a goroutine:
// a pipe takes no more than is read.
func (s *pipeServer) raw(t *testing.T, text string) net.Conn {
	t.Helper()
	conn := s.dial()
	go func() { _, _ = io.WriteString(conn, text) }()
	t.Cleanup(func() { conn.Close() })
	return conn
}

// readAnswer reads a response to a GET from conn, and its body as far as it comes.
func readAnswer(t *testing.T, r *bufio.Reader) (*http.Response, string, error) {
	t.Helper()
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp, string(b), err
}

// second is a timeout of a second.
func second() firebreak.Policy { return timeout.New(time.Second) }

func lines(l ...string) string { return strings.Join(l, "\r\n") + "\r\n\r\n" }
