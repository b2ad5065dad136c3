// Package print is used by the tool alone.
package print

// Print prints.
func Print() {}
