// Package websocket stands in for the library.
package websocket

import (
	"context"
	"net/http"
	"time"
)

// Dialer dials.
type Dialer struct {
	HandshakeTimeout time.Duration
	Subprotocols     []string
}

// DefaultDialer has a limit.
var DefaultDialer = &Dialer{HandshakeTimeout: 45 * time.Second}

// Conn is a connection.
type Conn struct{}

// Upgrader upgrades.
type Upgrader struct{}

// Dial dials.
func (d *Dialer) Dial(url string, header http.Header) (*Conn, *http.Response, error) {
	return nil, nil, nil
}

// DialContext dials.
func (d *Dialer) DialContext(ctx context.Context, url string, header http.Header) (*Conn, *http.Response, error) {
	return nil, nil, nil
}

// Upgrade upgrades.
func (u *Upgrader) Upgrade(w http.ResponseWriter, r *http.Request, header http.Header) (*Conn, error) {
	return nil, nil
}

// ReadMessage reads.
func (c *Conn) ReadMessage() (int, []byte, error) { return 0, nil, nil }

// SetReadDeadline sets the deadline.
func (c *Conn) SetReadDeadline(t time.Time) error { return nil }
