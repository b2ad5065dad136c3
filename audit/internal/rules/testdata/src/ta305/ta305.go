// Package ta305 talks by websockets.
package ta305

import (
	"context"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

func dial(url string) {
	d := websocket.Dialer{} // want "TA305: this websocket.Dialer has no HandshakeTimeout: Dial without a deadline"
	d.Dial(url, nil)
}

func limited(url string, t time.Duration) {
	d := websocket.Dialer{HandshakeTimeout: t}
	d.Dial(url, nil)
	websocket.DefaultDialer.Dial(url, nil)
}

func deadline(url string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	d := &websocket.Dialer{}
	d.DialContext(ctx, url, nil)
}

var upgrader websocket.Upgrader

func serve(w http.ResponseWriter, r *http.Request) {
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	for {
		if _, _, err := conn.ReadMessage(); err != nil { // want "TA305: the server reads from this websocket without a deadline"
			return
		}
	}
}

// client reads as long as the server likes.
func client(url string) {
	conn, _, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		return
	}
	for {
		if _, _, err := conn.ReadMessage(); err != nil {
			return
		}
	}
}

// stream is a connection of bytes over a websocket, which waits by design.
type stream struct{ conn *websocket.Conn }

func newStream(w http.ResponseWriter, r *http.Request) *stream {
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return nil
	}
	return &stream{conn}
}

// Read reads.
func (s *stream) Read(p []byte) (int, error) {
	_, b, err := s.conn.ReadMessage()
	return copy(p, b), err
}
