// Package bulkhead stands in for the library.
package bulkhead

// Config configures.
type Config struct{}

// Bulkhead is a policy.
type Bulkhead struct{}

// New returns one.
func New(c Config) *Bulkhead { return &Bulkhead{} }

// Describe describes.
func (*Bulkhead) Describe() string { return "" }
