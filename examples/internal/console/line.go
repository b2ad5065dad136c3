package console

import (
	"fmt"
	"io"
)

// A Line is one line of a terminal that changes. Elsewhere it shows nothing.
type Line struct {
	Out      io.Writer
	Terminal bool // Out is one: see [IsTerminal]
}

// NewLine returns the Line of out.
func NewLine(out io.Writer) *Line { return &Line{Out: out, Terminal: IsTerminal(out)} }

// Showf shows a text in the line, in place of what stands there.
func (l *Line) Showf(format string, args ...any) {
	if l.Terminal {
		fmt.Fprintf(l.Out, "\r"+format+"\x1b[K", args...) // back to the start, and clear the rest
	}
}

// Clear takes the line away.
func (l *Line) Clear() { l.Showf("") }
