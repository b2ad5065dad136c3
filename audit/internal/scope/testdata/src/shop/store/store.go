// Package store is used by the service alone.
package store

// Open opens.
func Open() {}
