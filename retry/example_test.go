package retry_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/retry"
	"github.com/firebreak-go/firebreak/timeout"
)

// A lookup is as good made twice as made once: the two failures at the start do not
// reach the caller.
func Example() {
	attempts := 0
	fetchPrice := func(context.Context) (int, error) {
		attempts++
		if attempts < 3 {
			return 0, errors.New("connection reset")
		}
		return 42, nil
	}

	// snippet: use
	stack := firebreak.New("prices",
		timeout.New(10*time.Second), // the whole call, waits included
		retry.New(retry.Config{}),
		timeout.New(2*time.Second), // each attempt
	)
	price, err := firebreak.Do(context.Background(), stack, "price", fetchPrice, firebreak.Idempotent)
	fmt.Println(price, err, "after", attempts, "attempts")
	// end snippet

	// Output: 42 <nil> after 3 attempts
}

// A payment must not be made twice: it is sent once, unless the transport knows that
// nothing was sent.
func Example_notIdempotent() {
	stack := firebreak.New("payments", retry.New(retry.Config{}))
	attempts := 0
	_, err := firebreak.Do(context.Background(), stack, "pay", func(context.Context) (string, error) {
		attempts++
		return "", errors.New("connection reset")
	})
	fmt.Println(err, "after", attempts, "attempt")

	attempts = 0
	receipt, err := firebreak.Do(context.Background(), stack, "pay", func(context.Context) (string, error) {
		// snippet: neverleft
		attempts++
		if attempts == 1 {
			return "", &firebreak.AttemptError{
				Err:    errors.New("connection refused"),
				Class:  firebreak.Failure,
				Repeat: firebreak.RepeatAlways, // it never left: also a payment may be made again
			}
		}
		// end snippet
		return "receipt", nil
	})
	fmt.Println(receipt, err, "after", attempts, "attempts")

	// Output:
	// connection reset after 1 attempt
	// receipt <nil> after 2 attempts
}

// Two clients of one dependency share its budget.
func ExampleBudget() {
	// snippet: budget
	budget := retry.NewBudget(retry.BudgetConfig{Ratio: 0.1}) // 1.1 times the traffic at the most
	reads := retry.New(retry.Config{Budget: budget})
	writes := retry.New(retry.Config{Budget: budget, MaxAttempts: 2})
	// end snippet
	fmt.Println(reads.Describe().Text, "and", writes.Describe().Text, "share", budget.Available())

	// Output: retry 3 attempts and retry 2 attempts share 10
}

// Any backoff.BackOff gives the waits: here a constant one, with no more than one
// retry.
func ExampleConfig_newBackOff() {
	// snippet: backoff
	r := retry.New(retry.Config{
		NewBackOff: func() backoff.BackOff {
			return backoff.WithMaxRetries(backoff.NewConstantBackOff(time.Millisecond), 1)
		},
	})
	// end snippet
	attempts := 0
	_, err := firebreak.Do(context.Background(), firebreak.New("prices", r), "price", func(context.Context) (int, error) {
		attempts++
		return 0, errors.New("connection reset")
	}, firebreak.Idempotent)
	fmt.Println(err, "after", attempts, "attempts")

	// Output: connection reset after 2 attempts
}
