// Package ta302 shakes hands.
package ta302

import (
	"context"
	"crypto/tls"
	"net"
	"time"
)

func dial(addr string) (net.Conn, error) {
	return tls.Dial("tcp", addr, nil) // want "TA302: tls.Dial waits for the peer's handshake for ever"
}

func withZero(addr string) (net.Conn, error) {
	return tls.DialWithDialer(&net.Dialer{}, "tcp", addr, nil) // want "TA302: tls.DialWithDialer with a net.Dialer that has no Timeout"
}

func withTimeout(addr string, d time.Duration) (net.Conn, error) {
	return tls.DialWithDialer(&net.Dialer{Timeout: d}, "tcp", addr, nil)
}

func withDeadline(ctx context.Context, addr string) (net.Conn, error) {
	d := &net.Dialer{}
	end, _ := ctx.Deadline()
	d.Deadline = end
	return tls.DialWithDialer(d, "tcp", addr, nil)
}

func handshake(addr string) error {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	secure := tls.Client(conn, nil)
	return secure.Handshake() // want "TA302: this TLS handshake has no deadline"
}

func handshakeBefore(addr string) error {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	return tls.Client(conn, nil).Handshake()
}

func handshakeContext(ctx context.Context, conn net.Conn) error {
	return tls.Client(conn, nil).HandshakeContext(ctx)
}

func dialed(addr string) (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err == nil {
		err = conn.SetReadDeadline(time.Now().Add(time.Second))
	}
	return conn, err
}

func handshakeElsewhere(addr string) error {
	conn, err := dialed(addr)
	if err != nil {
		return err
	}
	return tls.Client(conn, nil).Handshake()
}

func dialer(addr string) (net.Conn, error) {
	var d tls.Dialer // want "TA302: this tls.Dialer has no Timeout: Dial without a deadline"
	return d.Dial("tcp", addr)
}

func dialerLimited(addr string) (net.Conn, error) {
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: time.Second}}
	return d.Dial("tcp", addr)
}

func dialerDeadline(addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var d tls.Dialer
	return d.DialContext(ctx, "tcp", addr)
}
