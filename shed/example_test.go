package shed_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/shed"
	"github.com/firebreak-go/firebreak/timeout"
)

// A server that shuts down refuses what comes, and serves what it has.
func Example() {
	limiter := shed.New(shed.Config{}) // no limit to set: it finds that out by itself
	stack := firebreak.New("search", limiter, timeout.New(time.Second))

	search := func(context.Context) (string, error) { return "found", nil }
	fmt.Println(firebreak.Do(context.Background(), stack, "search", search))

	limiter.Close()

	// snippet: rejected
	_, err := firebreak.Do(context.Background(), stack, "search", search)
	if rejection, ok := errors.AsType[*firebreak.RejectedError](err); ok {
		fmt.Println(rejection.Reason, errors.Is(err, shed.ErrShed), rejection.RetryAfter)
	}
	// end snippet

	// Output:
	// found <nil>
	// closing true 0s
}

// A quota for each caller.
func ExampleRate() {
	perCaller := firebreak.Keyed(firebreak.ByTarget, func(string) firebreak.Policy { return shed.Rate(0.5, 2) })
	stack := firebreak.New("api", perCaller)
	for range 3 {
		_, err := firebreak.Do(context.Background(), stack, "lookup",
			func(context.Context) (string, error) { return "", nil },
			func(c *firebreak.Call) { c.Target = "customer 7" })
		fmt.Println(errors.Is(err, shed.ErrRate))
	}

	// Output:
	// false
	// false
	// true
}
