package bulkhead_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/bulkhead"
)

// The third call at once is rejected, and nothing is sent.
func Example() {
	begun, finish := make(chan struct{}), make(chan struct{})
	fetchPrice := func(context.Context) (int, error) {
		begun <- struct{}{}
		<-finish // the dependency has become slow
		return 42, nil
	}

	stack := firebreak.New("prices", bulkhead.New(bulkhead.Config{MaxCalls: 2}))
	for range 2 {
		go func() {
			_, _ = firebreak.Do(context.Background(), stack, "price", fetchPrice)
		}()
		<-begun
	}

	// snippet: rejected
	_, err := firebreak.Do(context.Background(), stack, "price", fetchPrice)
	if errors.Is(err, bulkhead.ErrFull) {
		fmt.Println("no price for now:", err)
	}
	// end snippet
	close(finish)

	// Output: no price for now: bulkhead prices: full (2 of 2 in use)
}

// A queue takes short peaks.
func ExampleConfig() {
	// snippet: queue
	b := bulkhead.New(bulkhead.Config{
		MaxCalls: 64,
		MaxQueue: 16, // further calls that may wait for a slot,
		MaxWait:  100 * time.Millisecond,
	})
	// end snippet
	fmt.Println(firebreak.New("prices", b))

	// Output: prices: timeout 30s (default) → bulkhead 64 (queue 16 for 100ms)
}
