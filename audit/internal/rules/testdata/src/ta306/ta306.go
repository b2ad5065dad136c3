// Package ta306 reads from connections.
package ta306

import (
	"net"
	"time"
)

func accept(l net.Listener) error {
	conn, err := l.Accept()
	if err != nil {
		return err
	}
	var buf [512]byte
	if _, err := conn.Read(buf[:]); err != nil { // want "TA306: this connection has no deadline"
		return err
	}
	_, err = conn.Write(buf[:])
	return err
}

func dial(addr string) error {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	_, err = conn.Write([]byte("hello")) // want "TA306: this connection has no deadline"
	return err
}

// given is somebody else's connection.
func given(conn net.Conn) error {
	_, err := conn.Write([]byte("hello"))
	return err
}
