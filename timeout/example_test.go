package timeout_test

import (
	"context"
	"fmt"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/timeout"
)

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
	fmt.Println(firebreak.New("feed", timeout.Unbounded("the server holds the call until there is news")))
	// Output:
	// users: timeout 30s (default)
	// feed: no timeout (the server holds the call until there is news)
}
