package snippets

import (
	"context"
	"errors"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
)

type user struct{ Name string }

func lookup(ctx context.Context, stack *firebreak.Stack, fetchUser func(context.Context) (user, error)) (user, error) {
	// snippet: do
	u, err := firebreak.Do(ctx, stack, "lookup", fetchUser, firebreak.Idempotent)
	// end snippet
	return u, err
}

func lookupOr(ctx context.Context, stack *firebreak.Stack, fetchUser func(context.Context) (user, error), cached user) (user, error) {
	// snippet: rejected
	u, err := firebreak.Do(ctx, stack, "lookup", fetchUser, firebreak.Idempotent)
	if errors.Is(err, breaker.ErrOpen) {
		return cached, nil // nothing was sent: the breaker is open
	}
	// end snippet
	return u, err
}
