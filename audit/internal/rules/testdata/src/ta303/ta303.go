// Package ta303 sends mail.
package ta303

import (
	"net"
	"net/smtp"
	"time"
)

func send(addr string) error {
	return smtp.SendMail(addr, nil, "a", nil, nil) // want "TA303: smtp.SendMail waits for the mail server for ever"
}

func relay() error { return smtp.SendMail("localhost:25", nil, "a", nil, nil) }

func dial(addr string) (*smtp.Client, error) {
	return smtp.Dial(addr) // want "TA303: smtp.Dial waits for the mail server for ever"
}

func client(addr string) (*smtp.Client, error) {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return nil, err
	}
	return smtp.NewClient(conn, addr) // want "TA303: the dialogue of this smtp.Client has no deadline"
}

func limited(addr string) (*smtp.Client, error) {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return nil, err
	}
	return smtp.NewClient(conn, addr)
}

// idle moves its deadline with each read.
type idle struct{ net.Conn }

func (c *idle) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func wrapped(addr string) (*smtp.Client, error) {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return nil, err
	}
	return smtp.NewClient(&idle{conn}, addr)
}
