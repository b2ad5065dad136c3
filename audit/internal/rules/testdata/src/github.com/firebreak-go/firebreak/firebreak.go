// Package firebreak stands in for the library.
package firebreak

import "context"

// Call is a call.
type Call struct{ Idempotent bool }

// Outcome is how it ended.
type Outcome struct{}

// Policy is a policy.
type Policy interface{ Describe() string }

// Gate admits.
type Gate interface {
	Allow(ctx context.Context, c Call) (done func(Outcome), err error)
}

// Stack is a stack.
type Stack struct{}

// New returns a Stack.
func New(name string, policies ...Policy) *Stack { return &Stack{} }

// Keyed keeps a policy for each key.
func Keyed(key func(Call) string, newPolicy func(key string) Policy) Policy { return newPolicy("") }

// Idempotent marks a call.
func Idempotent(c *Call) { c.Idempotent = true }

// Do makes a call.
func Do[T any](ctx context.Context, s *Stack, op string, fn func(context.Context) (T, error), options ...func(*Call)) (T, error) {
	return fn(ctx)
}
