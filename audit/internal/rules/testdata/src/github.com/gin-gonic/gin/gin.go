// Package gin stands in for the library.
package gin

import "net/http"

// Engine routes.
type Engine struct{}

// New returns an Engine.
func New() *Engine { return &Engine{} }

// Run serves.
func (e *Engine) Run(addr ...string) error { return nil }

// ServeHTTP serves.
func (e *Engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {}
