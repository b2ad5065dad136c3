// Readmecheck holds the Go code of the documentation to code that is compiled.
//
// A block of Go in README.md or under docs says where it comes from:
//
//	<!-- from: examples/basics/main.go#new -->
//	```go
//	client := firebreakhttp.NewClient("payments")
//	```
//
// and that file marks the region, whose common indentation does not count:
//
//	// snippet: new
//	client := firebreakhttp.NewClient("payments")
//	// end snippet
//
// In README.md each block of Go must say so; under docs a block without the
// marker is left alone, for a page also shows what not to do. A marker that
// leads nowhere, or stands over no block, is a problem everywhere.
//
// Run from the root of the repository, it prints each problem with its file and
// line and exits with status 1 if there is one. With -w it rewrites the blocks
// from their sources instead.
package main
