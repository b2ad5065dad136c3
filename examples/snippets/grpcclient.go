package snippets

import (
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakgrpc"
	"github.com/firebreak-go/firebreak/retry"
	"github.com/firebreak-go/firebreak/timeout"
)

func dial(target string, creds credentials.TransportCredentials, stack *firebreak.Stack) (*grpc.ClientConn, error) {
	// snippet: dial
	conn, err := grpc.NewClient(target, append(firebreakgrpc.DialOptions(stack), grpc.WithTransportCredentials(creds))...)
	// end snippet
	return conn, err
}

func dialInside(target string, creds credentials.TransportCredentials) (*grpc.ClientConn, error) {
	// snippet: inside
	stack := firebreak.New("stock",
		timeout.New(3*time.Second), // the whole call
		retry.New(retry.Config{}),
		breaker.New(breaker.Config{MaxHold: breaker.NoHold}), // what stock sheds, it sheds by priority
		bulkhead.New(bulkhead.Config{}),
		timeout.New(time.Second), // each attempt
	)
	options := firebreakgrpc.DialOptions(stack, firebreakgrpc.Propagate())
	conn, err := grpc.NewClient(target, append(options, grpc.WithTransportCredentials(creds))...)
	// end snippet
	return conn, err
}
