// Package snippets holds the code that README.md and the pages under docs show:
// here it is compiled and tested.
package snippets
