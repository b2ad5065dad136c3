// Package grpc stands in for gRPC.
package grpc

import (
	"context"
	"time"
)

type CallOption interface{ call() }

type DialOption interface{ dial() }

type ClientConn struct{}

type ClientStream interface {
	RecvMsg(m any) error
	CloseSend() error
}

func Dial(target string, opts ...DialOption) (*ClientConn, error) { return nil, nil }

func DialContext(ctx context.Context, target string, opts ...DialOption) (*ClientConn, error) {
	return nil, nil
}

func NewClient(target string, opts ...DialOption) (*ClientConn, error) { return nil, nil }

func WithBlock() DialOption { return nil }

func WithInsecure() DialOption { return nil }

func WithTimeout(d time.Duration) DialOption { return nil }

func (c *ClientConn) Invoke(ctx context.Context, method string, args, reply any, opts ...CallOption) error {
	return nil
}
