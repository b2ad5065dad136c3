package ta502

import (
	"context"
	"time"

	"google.golang.org/grpc"
)

func dial(target string) (*grpc.ClientConn, error) {
	return grpc.Dial(target, grpc.WithInsecure(), grpc.WithBlock()) // want `TA502: grpc.Dial waits for the connection \(WithBlock\), and grpc.Dial has no context`
}

func dialAppended(target string, secure bool) (*grpc.ClientConn, error) {
	options := []grpc.DialOption{grpc.WithBlock()}
	if !secure {
		options = append(options, grpc.WithInsecure())
	}
	return grpc.DialContext(context.Background(), target, options...) // want `TA502: grpc.DialContext .* its context has no deadline`
}

func options() []grpc.DialOption {
	return []grpc.DialOption{grpc.WithInsecure(), grpc.WithBlock()}
}

func dialWithThem(target string) (*grpc.ClientConn, error) {
	return grpc.Dial(target, options()...) // want `TA502: `
}

func dialInTime(target string) (*grpc.ClientConn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return grpc.DialContext(ctx, target, options()...)
}

func dialWithLimit(target string) (*grpc.ClientConn, error) {
	return grpc.Dial(target, grpc.WithBlock(), grpc.WithTimeout(time.Second))
}

func dialLater(target string) (*grpc.ClientConn, error) {
	return grpc.Dial(target, grpc.WithInsecure())
}

func dialAsTold(ctx context.Context, target string) (*grpc.ClientConn, error) {
	return grpc.DialContext(ctx, target, grpc.WithBlock())
}
