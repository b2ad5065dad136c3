// Package ta304 connects by SSH.
package ta304

import (
	"net"
	"time"

	"golang.org/x/crypto/ssh"
)

func plain(addr string) (*ssh.Client, error) {
	config := &ssh.ClientConfig{User: "a"} // want "TA304: this ssh.ClientConfig has no Timeout"
	return ssh.Dial("tcp", addr, config)
}

func limited(addr string, d time.Duration) (*ssh.Client, error) {
	return ssh.Dial("tcp", addr, &ssh.ClientConfig{Timeout: d})
}

func handshake(addr string) (ssh.Conn, error) {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return nil, err
	}
	return ssh.NewClientConn(conn, addr, &ssh.ClientConfig{}) // want "TA304: this ssh.ClientConfig has no Timeout"
}

func handshakeLimited(addr string) (ssh.Conn, error) {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return nil, err
	}
	return ssh.NewClientConn(conn, addr, &ssh.ClientConfig{})
}
