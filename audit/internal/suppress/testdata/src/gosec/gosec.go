// Package gosec has calls of wait, some of which are answered by a suppression of gosec's.
package gosec

func wait(string) {}

func calls() {
	wait("same line") // #nosec G112 -- only the load balancer connects
	wait("both")      //#nosec G112, G114

	// #nosec G402 G114 -- debugging
	wait("line above")

	wait("other form")       /* #nosec G112 */
	wait("everything")       // #nosec
	wait("everything")       // #nosec -- because
	wait("something else")   // #nosec G101
	wait("only mentions it") // as with #nosec G112
}
