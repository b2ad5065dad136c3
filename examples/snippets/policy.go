package snippets

import (
	"context"

	"github.com/firebreak-go/firebreak"
)

// snippet: policy

// Fallback answers with Value where a call failed: a value, not a response, which is
// read once.
type Fallback struct{ Value any }

// Do runs next, and mends its failure.
func (f Fallback) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	result, err := next(ctx, c)
	if err == nil || ctx.Err() != nil {
		return result, err
	}
	firebreak.Discard(result) // a failed response, say: never drop a result
	return f.Value, nil
}

// end snippet
