// Package ssh stands in for the library.
package ssh

import (
	"net"
	"time"
)

// ClientConfig configures.
type ClientConfig struct {
	User    string
	Timeout time.Duration
}

// Client is connected.
type Client struct{}

// Conn is a connection.
type Conn interface{ Close() error }

// Dial connects.
func Dial(network, addr string, config *ClientConfig) (*Client, error) { return nil, nil }

// NewClientConn shakes hands.
func NewClientConn(c net.Conn, addr string, config *ClientConfig) (Conn, error) { return nil, nil }
