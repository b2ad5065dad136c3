// Package ta201 makes servers.
package ta201

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"example.com/sdk"
)

func plain() error {
	server := &http.Server{Addr: ":8080"} // want "TA201: this http.Server has no ReadHeaderTimeout nor IdleTimeout: .*TLS handshake"
	return server.ListenAndServe()
}

func zero() error {
	server := &http.Server{Addr: ":8080", ReadHeaderTimeout: 0, IdleTimeout: time.Minute} // want "TA201: this http.Server has no ReadHeaderTimeout: "
	return server.ListenAndServe()
}

func header(d time.Duration) error {
	server := &http.Server{Addr: ":8080", ReadHeaderTimeout: d}
	return server.ListenAndServe()
}

func read() error {
	server := http.Server{Addr: ":8080"}
	server.ReadTimeout = time.Minute
	return server.ListenAndServe()
}

func variable(l net.Listener) error {
	var server http.Server // want "TA201: this http.Server"
	server.TLSConfig = &tls.Config{}
	return server.Serve(l)
}

// Embedding is embedded by value and by pointer.
type Embedding struct{ *http.Server }

func newEmbedding() *Embedding {
	return &Embedding{Server: &http.Server{}} // want "TA201: this http.Server"
}

func (e *Embedding) run(l net.Listener) error { return e.Serve(l) }

type daemon struct{ http http.Server }

func (d *daemon) run() error {
	d.http = http.Server{Addr: ":80"} // want "TA201: this http.Server"
	return d.http.ListenAndServe()
}

type limited struct{ http http.Server }

func (l *limited) run() error {
	l.http = http.Server{Addr: ":80", ReadTimeout: time.Second}
	return l.http.ListenAndServe()
}

func helper() error {
	server := &http.Server{Addr: ":80"}
	limit(server)
	return server.ListenAndServe()
}

func limit(s *http.Server) { s.ReadHeaderTimeout = time.Second }

func unix() error {
	l, err := net.Listen("unix", "/run/a.sock")
	if err != nil {
		return err
	}
	server := &http.Server{}
	return server.Serve(l)
}

func loopback() error {
	server := &http.Server{Addr: "localhost:6060"}
	return server.ListenAndServe()
}

// reverse accepts what it dialled.
type reverse struct{ conns chan net.Conn }

func (r *reverse) Accept() (net.Conn, error) { return <-r.conns, nil }
func (r *reverse) Close() error              { return nil }
func (r *reverse) Addr() net.Addr            { return nil }

func dialled() error {
	server := &http.Server{}
	return server.Serve(&reverse{})
}

// keepalive accepts from the network.
type keepalive struct{ *net.TCPListener }

func (k keepalive) Accept() (net.Conn, error) { return k.AcceptTCP() }

func accepted(l *net.TCPListener) error {
	server := &http.Server{} // want "TA201: this http.Server"
	return server.Serve(keepalive{l})
}

func toolkit() error {
	server := &http.Server{} // want "TA201: this http.Server"
	return sdk.ListenAndServe(server, "web.yaml")
}

func defaults() error {
	server := sdk.WithDefaults(&http.Server{Addr: ":80"})
	return server.ListenAndServe()
}

// Returned is served by whoever calls.
func Returned() *http.Server {
	return &http.Server{Addr: ":80"} // want "TA201: this http.Server"
}

// closing is never served.
func closing() {
	server := &http.Server{}
	server.Close()
}
