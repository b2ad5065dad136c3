// Package library calls the functions that it is given.
package library

import "context"

func Poll(ctx context.Context, f func(context.Context)) { f(ctx) }

func PollWithTimeout(ctx context.Context, f func(context.Context)) { f(ctx) }
