package firebreakhttp_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"time"
)

type netConn = net.Conn

// A fullWriter is a ResponseWriter that can do all that those of servers can, and counts
// what is done.
type fullWriter struct {
	*httptest.ResponseRecorder
	calls
}

type calls struct{ flushes, hijacks, pushes, readFroms, readDeadlines, writeDeadlines, duplex, notifies int }

func newFullWriter() *fullWriter { return &fullWriter{ResponseRecorder: httptest.NewRecorder()} }

func (w *fullWriter) Flush() {
	w.flushes++
	w.ResponseRecorder.Flush()
}

func (w *fullWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.hijacks++
	return nil, nil, nil
}

func (w *fullWriter) Push(string, *http.PushOptions) error {
	w.pushes++
	return nil
}

func (w *fullWriter) ReadFrom(src io.Reader) (int64, error) {
	w.readFroms++
	return io.Copy(w.ResponseRecorder, src)
}

func (w *fullWriter) SetReadDeadline(time.Time) error {
	w.readDeadlines++
	return nil
}

func (w *fullWriter) SetWriteDeadline(time.Time) error {
	w.writeDeadlines++
	return nil
}

func (w *fullWriter) EnableFullDuplex() error {
	w.duplex++
	return nil
}

func (w *fullWriter) CloseNotify() <-chan bool {
	w.notifies++
	return nil
}
