// Package shop is used by both programs.
package shop

import "testing"

// Price is judged.
func Price() int { return 3 }

// WithFake is for tests.
func WithFake(t *testing.T) func() int {
	t.Helper()
	return func() int { return Price() }
}

// Bench is for tests.
func Bench(run func(b *testing.B)) {
	run(nil)
	_ = func(tb testing.TB) { tb.Helper() }
}
