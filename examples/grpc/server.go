package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/examples/grpc/shoppb"
	"github.com/firebreak-go/firebreak/firebreakgrpc"
	"github.com/firebreak-go/firebreak/shed"
	"github.com/firebreak-go/firebreak/timeout"
)

// newServerStack returns the Stack of the server. Nothing in it knows the capacity.
func newServerStack() *firebreak.Stack {
	return firebreak.New("shop",
		shed.New(shed.Config{}),
		timeout.New(patience), // the handler
	)
}

// serverOptions are those of the server with firebreak. What callers say of themselves
// counts if they are trusted. The plain server has no options: grpc-go does not limit what
// it serves.
func serverOptions(trusted func(ctx context.Context, fullMethod string) bool) []grpc.ServerOption {
	return firebreakgrpc.ServerOptions(newServerStack(), firebreakgrpc.Trust(trusted))
}

// fromLoopback trusts the callers on this machine.
func fromLoopback(ctx context.Context, _ string) bool {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return false
	}
	from, err := netip.ParseAddrPort(p.Addr.String())
	return err == nil && from.Addr().IsLoopback()
}

// A listener is a server that serves a port of 127.0.0.1.
type listener struct {
	address string
	server  *grpc.Server
	served  chan error
}

func listen(ctx context.Context, s *service, options []grpc.ServerOption) (*listener, error) {
	on, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &listener{address: on.Addr().String(), server: grpc.NewServer(options...), served: make(chan error, 1)}
	shoppb.RegisterShopServer(l.server, s)
	go func() { l.served <- l.server.Serve(on) }()
	return l, nil
}

// shutdownTime is for what is still served at the end: nobody waits for it.
const shutdownTime = 2 * time.Second

// close shuts the server down. It returns when it has ended.
func (l *listener) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime) // also after Ctrl-C
	defer cancel()
	_ = firebreakgrpc.Shutdown(ctx, l.server) // what it cuts off at the end of ctx is as good
	if err := <-l.served; !errors.Is(err, grpc.ErrServerStopped) {
		return err
	}
	return nil
}
