package timeout_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/retry"
	"github.com/firebreak-go/firebreak/timeout"
)

// The whole call has a limit, and each attempt has one: a third party that hangs
// costs an attempt.
func Example() {
	fetchPrice := func(ctx context.Context) (int, error) {
		<-ctx.Done() // the third party hangs
		return 0, ctx.Err()
	}

	// snippet: use
	stack := firebreak.New("prices",
		timeout.New(10*time.Second), // the whole call: attempts, waits, and the use of the result
		retry.New(retry.Config{}),
		timeout.New(20*time.Millisecond), // each attempt
	)
	_, err := firebreak.Do(context.Background(), stack, "price", fetchPrice)
	if e, ok := errors.AsType[*timeout.Error](err); ok {
		fmt.Println("no price:", e.Scope, "took over", e.After)
	}
	// end snippet

	// Output: no price: attempt took over 20ms
}

// A report may take ten seconds in all, and each query of it much less.
func ExampleNew() {
	reports := firebreak.New("reports", timeout.New(10*time.Second))
	queries := firebreak.New("database", timeout.New(20*time.Millisecond))

	query := func(ctx context.Context) (int, error) {
		<-ctx.Done() // the database hangs
		return 0, ctx.Err()
	}
	_, err := firebreak.Do(context.Background(), reports, "monthly", func(ctx context.Context) (int, error) {
		return firebreak.Do(ctx, queries, "count", query)
	})
	fmt.Println(err)
	// Output: timeout: call took over 20ms
}

// Without a timeout a Stack has one of 30 s. Who needs none has to say why.
func ExampleUnbounded() {
	fmt.Println(firebreak.New("users"))
	// snippet: unbounded
	feed := firebreak.New("feed", timeout.Unbounded("the server holds the call until there is news"))
	// end snippet
	fmt.Println(feed)
	// Output:
	// users: timeout 30s (default)
	// feed: no timeout (the server holds the call until there is news)
}
