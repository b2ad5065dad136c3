// Package firebreak stands in for the library of that name.
package firebreak

import "context"

func Do(ctx context.Context, f func(context.Context) error) error { return f(ctx) }
