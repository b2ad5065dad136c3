package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/timeout"
)

// charge is a call to a dependency that is down.
func charge(context.Context) (string, error) { return "", errors.New("connection refused") }

func Example() {
	// snippet: use
	payments := firebreak.New("payments",
		breaker.New(breaker.Config{
			ConsecutiveFailures: 3, // the default is 10
			OnStateChange:       func(c breaker.Change) { fmt.Printf("payments is %v: %v\n", c.To, c.Cause) },
		}),
		timeout.New(2*time.Second),
	)
	for range 4 {
		_, err := firebreak.Do(context.Background(), payments, "charge", charge)
		fmt.Println("not even tried:", errors.Is(err, breaker.ErrOpen))
	}
	// end snippet

	// Output:
	// not even tried: false
	// not even tried: false
	// payments is open: connection refused
	// not even tried: false
	// not even tried: true
}

func ExampleBreaker_ForceOpen() {
	// snippet: force
	b := breaker.New(breaker.Config{})
	payments := firebreak.New("payments", b, timeout.New(2*time.Second))

	b.ForceOpen() // someone turned the switch
	_, err := firebreak.Do(context.Background(), payments, "charge", charge)
	fmt.Println(err)

	b.Reset()
	_, err = firebreak.Do(context.Background(), payments, "charge", charge)
	fmt.Println(err)
	// end snippet

	// Output:
	// breaker payments: forced_open
	// connection refused
}
