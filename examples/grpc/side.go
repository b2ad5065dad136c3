package main

import (
	"context"
	"errors"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/firebreak-go/firebreak/examples/grpc/shoppb"
)

// A side is a server and those who call it.
type side struct {
	name    string
	service *service
	call    func(ctx context.Context, m method, n uint64) error
	tally   *tally
	conn    *grpc.ClientConn
	on      *listener
}

// The sides of a run, in order.
const (
	plain = iota
	protected
)

// newSides starts both servers, and connects their callers. If it fails, those that are
// returned have been started.
func newSides(ctx context.Context, phases int, throttled bool) ([]*side, error) {
	var sides []*side
	for _, s := range []struct {
		name   string
		server []grpc.ServerOption
		client []grpc.DialOption
	}{
		plain:     {"plain", nil, plainOptions(throttled)},
		protected: {"firebreak", serverOptions(fromLoopback), clientOptions(newStack())},
	} {
		service := newService(phases)
		on, err := listen(ctx, service, s.server)
		if err != nil {
			return sides, err
		}
		one := &side{name: s.name, service: service, tally: newTally(phases), on: on}
		sides = append(sides, one)
		if err := one.connect(on.address, s.client); err != nil {
			return sides, err
		}
	}
	return sides, nil
}

// connect has callers call the server at address.
func (s *side) connect(address string, options []grpc.DialOption) (err error) {
	s.conn, err = grpc.NewClient(address, append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err == nil {
		s.call = caller{shoppb.NewShopClient(s.conn)}.call
	}
	return err
}

// close ends connection and server. It returns when they have ended.
func (s *side) close(ctx context.Context) error {
	var err error
	if s.conn != nil {
		err = s.conn.Close()
	}
	return errors.Join(err, s.on.close(ctx))
}
