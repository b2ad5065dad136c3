// Package timeout stands in for the library.
package timeout

import "time"

// Timeout is a policy.
type Timeout struct{}

// New returns one.
func New(d time.Duration) *Timeout { return &Timeout{} }

// Unbounded says why.
func Unbounded(reason string) *Timeout { return &Timeout{} }

// Describe describes.
func (*Timeout) Describe() string { return "" }
