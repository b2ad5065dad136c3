package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/firebreak-go/firebreak/firebreakhttp"
)

// newPlain returns a server as careful ones are configured: with all its timeouts.
func newPlain(next http.Handler) *http.Server {
	return &http.Server{
		Handler:           next,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
}

// newProtected returns the same with firebreak: nothing in it knows the capacity. The
// callers are on this machine, so what they say of themselves counts.
func newProtected(next http.Handler) *http.Server {
	return firebreakhttp.NewServer("", next, firebreakhttp.Trust(fromLoopback))
}

func fromLoopback(r *http.Request) bool {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && from.Addr().IsLoopback()
}

// A listener is a server that serves a port of 127.0.0.1.
type listener struct {
	url    string
	server *http.Server
	served chan error
}

func listen(ctx context.Context, server *http.Server) (*listener, error) {
	on, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &listener{url: "http://" + on.Addr().String(), server: server, served: make(chan error, 1)}
	go func() { l.served <- server.Serve(on) }()
	return l, nil
}

// shutdownTime is for what is still served at the end: nobody waits for it.
const shutdownTime = 2 * time.Second

// close shuts the server down. It returns when it has ended.
func (l *listener) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime) // also after Ctrl-C
	defer cancel()
	var err error
	if l.server.Shutdown(ctx) != nil {
		err = l.server.Close()
	}
	if served := <-l.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
