// Package old is what the configuration excludes.
package old

// Old is old.
func Old() {}
