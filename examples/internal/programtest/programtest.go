// Package programtest checks what the programs print, and what they leave behind.
package programtest

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-go/firebreak/examples/internal/console"
)

// CheckWidth checks that text fits a terminal of 80 columns.
func CheckWidth(t *testing.T, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if n := len([]rune(line)); n > console.Width+1 {
			t.Errorf("a line of %d columns, want at most %d: %q", n, console.Width+1, line)
		}
		if strings.TrimRight(line, " ") != line {
			t.Errorf("a line ends in spaces: %q", line)
		}
	}
}

// NoneLeft checks that no goroutine is left of what began after before were counted.
// Those of connections that are closed end soon after.
func NoneLeft(t *testing.T, before int) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("got %d goroutines, want %d as before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}
