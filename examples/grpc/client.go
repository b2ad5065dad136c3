package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/examples/grpc/shoppb"
	"github.com/firebreak-go/firebreak/firebreakgrpc"
	"github.com/firebreak-go/firebreak/retry"
	"github.com/firebreak-go/firebreak/timeout"
)

// patience is for how long a caller waits. Both sides have it as the deadline of the
// call, which gRPC sends along: that is what callers of gRPC are told to do first.
const patience = time.Second

// serviceConfig has grpc-go make calls again, as its documentation shows it: for all
// methods of a service, for it does not know which of them are idempotent. The waits and
// the number of attempts are firebreak's.
const serviceConfig = `{
	"methodConfig": [{
		"name": [{"service": "firebreak.examples.shop.v1.Shop"}],
		"retryPolicy": {
			"maxAttempts": 3, "initialBackoff": "0.05s", "maxBackoff": "5s", "backoffMultiplier": 2,
			"retryableStatusCodes": ["UNAVAILABLE"]
		}
	}]%s
}`

// throttling is grpc-go's bound on the retries of all calls together, which is off unless
// it is asked for: ten failures stop them, and a success makes good a tenth of one.
const throttling = `,
	"retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1}`

// plainOptions are those of a connection that has the means of grpc-go.
func plainOptions(throttled bool) []grpc.DialOption {
	more := ""
	if throttled {
		more = throttling
	}
	return []grpc.DialOption{grpc.WithDefaultServiceConfig(fmt.Sprintf(serviceConfig, more))}
}

// attemptTime is for how long an attempt of a client with firebreak may take.
const attemptTime = 400 * time.Millisecond

// newStack returns the Stack of the client. A server that is well answers in some 50ms;
// the defaults suit callers who wait for 30s and troubles that last minutes, here it is 1s
// and seconds:
//
//   - The call ends before its caller gives up, who so has an error and some time to do
//     something about it.
//   - An attempt has eight times what an answer takes, also for waits in the queue of a busy
//     server, and leaves time for another one.
//   - The breaker looks at the last 3s, and probes a few times a second. What the server
//     sheds, it sheds by priority; to hold all calls off for that would be to hold off the
//     critical ones that it still serves.
func newStack() *firebreak.Stack {
	return firebreak.New("shop",
		timeout.New(patience*95/100),
		retry.New(retry.Config{}),
		breaker.New(breaker.Config{
			Window:     3 * time.Second,
			OpenFor:    250 * time.Millisecond,
			MaxOpenFor: 250 * time.Millisecond,
			MaxHold:    breaker.NoHold,
		}),
		bulkhead.New(bulkhead.Config{}),
		timeout.New(attemptTime),
	)
}

// An outcome is what a caller got.
type outcome int

const (
	good     outcome = iota
	refused          // RESOURCE_EXHAUSTED: the server has too much to do
	late             // nothing while he waited
	failed           // anything else
	outcomes         // how many there are
)

func outcomeOf(err error) outcome {
	switch status.Code(err) {
	case codes.OK:
		return good
	case codes.ResourceExhausted:
		return refused
	case codes.DeadlineExceeded, codes.Canceled:
		return late
	default:
		return failed
	}
}

// A caller makes calls. ctx has the deadline of the caller.
type caller struct{ shop shoppb.ShopClient }

// call makes call n, which is one of the method.
func (c caller) call(ctx context.Context, m method, n uint64) error {
	switch m {
	case getItem:
		_, err := c.shop.GetItem(ctx, &shoppb.GetItemRequest{Call: n, Sku: "item-1"})
		return err
	case listItems:
		return c.list(ctx, n)
	case quotePrices:
		return c.quote(ctx, n)
	default:
		ctx = firebreak.WithPriority(ctx, firebreak.PriorityCritical)
		_, err := c.shop.PlaceOrder(ctx, &shoppb.PlaceOrderRequest{Call: n, Sku: "item-1"})
		return err
	}
}

// messages is how many a stream has.
const messages = 5

func (c caller) list(ctx context.Context, n uint64) error {
	stream, err := c.shop.ListItems(ctx, &shoppb.ListItemsRequest{Call: n, Count: messages})
	if err != nil {
		return err
	}
	for got := 0; ; got++ {
		switch _, err := stream.Recv(); {
		case errors.Is(err, io.EOF) && got != messages:
			return status.Errorf(codes.DataLoss, "got %d items, want %d", got, messages)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

func (c caller) quote(ctx context.Context, n uint64) error {
	stream, err := c.shop.QuotePrices(ctx)
	if err != nil {
		return err
	}
	for range messages {
		err := stream.Send(&shoppb.QuotePriceRequest{Call: n, Sku: "item-1"})
		if err != nil && !errors.Is(err, io.EOF) { // io.EOF: Recv says why
			return err
		}
		if _, err := stream.Recv(); err != nil {
			return err
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		return status.Errorf(codes.DataLoss, "got %v at the end of the stream, want io.EOF", err)
	}
	return nil
}

// clientOptions are those of a connection with firebreak. Which methods are idempotent
// stands in the descriptors of the service.
func clientOptions(stack *firebreak.Stack) []grpc.DialOption {
	return firebreakgrpc.DialOptions(stack, firebreakgrpc.Propagate())
}
