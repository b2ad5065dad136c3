package deadline

import (
	"context"
	"errors"
)

// reasonKey is the key of the reason of Unbounded.
type reasonKey struct{}

// Unbounded returns a context whose calls have no deadline by design, and says why:
// "the server holds the request until there is news". Such calls are neither logged
// nor counted in firebreak.deadline.missing, get no deadline and are not refused; the
// report shows them apart, with the reason. It takes no deadline away. It panics if
// there is no reason.
//
// Where the code that makes the call cannot do it, there is Config.Unbounded.
func Unbounded(ctx context.Context, reason string) context.Context {
	if reason == "" {
		panic(errors.New("deadline.Unbounded: reason is empty, want why the calls need no deadline"))
	}
	return context.WithValue(ctx, reasonKey{}, reason)
}

func reasonOf(ctx context.Context) string {
	reason, _ := ctx.Value(reasonKey{}).(string)
	return reason
}
