package snippets

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/firebreak-go/firebreak"
)

// snippet: gate

// Switch lets calls pass while it is on.
type Switch struct{ Off atomic.Bool }

var errOff = errors.New("switched off")

// Allow admits a call, or rejects it.
func (s *Switch) Allow(ctx context.Context, c firebreak.Call) (done func(firebreak.Outcome), err error) {
	if s.Off.Load() {
		return nil, c.Reject(ctx, &firebreak.RejectedError{Policy: "switch", Reason: "off", Err: errOff})
	}
	return func(firebreak.Outcome) {}, nil // called when the attempt's result has ended
}

// Do makes a Policy of the Gate.
func (s *Switch) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	return firebreak.Admit(ctx, c, s, next)
}

// end snippet
