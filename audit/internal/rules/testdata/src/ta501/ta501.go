package ta501

import (
	"context"
	"time"

	"google.golang.org/grpc"
)

type Request struct{}

type Reply struct{}

// A GreeterClient is what the generator writes.
type GreeterClient interface {
	Greet(ctx context.Context, in *Request, opts ...grpc.CallOption) (*Reply, error)
	Listen(ctx context.Context, in *Request, opts ...grpc.CallOption) (Greeter_ListenClient, error)
}

type Greeter_ListenClient interface {
	Recv() (*Reply, error)
	grpc.ClientStream
}

func greet(client GreeterClient) (*Reply, error) {
	return client.Greet(context.Background(), &Request{}) // want `TA501: ta501.GreeterClient.Greet waits on a context without a deadline`
}

var background = context.Background()

func greetGlobally(client GreeterClient) (*Reply, error) {
	return client.Greet(background, &Request{}) // want `TA501: `
}

func listen(client GreeterClient) (Greeter_ListenClient, error) {
	return client.Listen(context.Background(), &Request{})
}

func greetInTime(client GreeterClient) (*Reply, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return client.Greet(ctx, &Request{})
}

func connect(target string) (context.Context, GreeterClient, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	return ctx, nil, cancel
}

func greetConnected(target string) (*Reply, error) {
	ctx, client, cancel := connect(target)
	defer cancel()
	return client.Greet(ctx, &Request{})
}

func greetAsTold(ctx context.Context, client GreeterClient) (*Reply, error) {
	return client.Greet(ctx, &Request{})
}

func greetRegardless(ctx context.Context, client GreeterClient) (*Reply, error) {
	return client.Greet(context.Background(), &Request{}) // want `TA501: .*\(ctx is at hand\)`
}
