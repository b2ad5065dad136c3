// Package ta915 gives attempts a timeout.
package ta915

import (
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/retry"
	"github.com/firebreak-go/firebreak/timeout"
)

var (
	longer    = firebreak.New("a", timeout.New(time.Second), retry.New(retry.Config{}), timeout.New(2*time.Second)) // want "TA915: each attempt may take 2s and the whole call 1s"
	same      = firebreak.New("b", timeout.New(time.Second), retry.New(retry.Config{}), timeout.New(time.Second))   // want "TA915: each attempt may take 1s and the whole call 1s"
	byDefault = firebreak.New("c", retry.New(retry.Config{}), timeout.New(time.Minute))                             // want "TA915: each attempt may take 1m0s and the whole call 30s"

	shorter   = firebreak.New("d", timeout.New(10*time.Second), retry.New(retry.Config{}), timeout.New(time.Second))
	once      = firebreak.New("e", timeout.New(time.Second))
	unbounded = firebreak.New("f", timeout.Unbounded("a stream"), retry.New(retry.Config{}), timeout.New(time.Minute)) // want "TA911"
)

func configured(total time.Duration) *firebreak.Stack {
	return firebreak.New("g", timeout.New(total), retry.New(retry.Config{}), timeout.New(time.Minute))
}
