// Package breaker stands in for the library.
package breaker

// Config configures.
type Config struct{}

// Breaker is a policy.
type Breaker struct{}

// New returns one.
func New(c Config) *Breaker { return &Breaker{} }

// Describe describes.
func (*Breaker) Describe() string { return "" }
