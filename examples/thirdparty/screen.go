package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/examples/internal/console"
)

// A screen shows how the run goes: a line per phase. On a terminal that of the
// phase at hand is rewritten in place.
type screen struct {
	out      io.Writer
	phases   []phase
	sides    []*side
	stack    *firebreak.Stack
	terminal bool
}

// newScreen returns a screen, with the heading of its lines printed.
func newScreen(out io.Writer, phases []phase, sides []*side, stack *firebreak.Stack) *screen {
	s := &screen{out: out, phases: phases, sides: sides, stack: stack, terminal: console.IsTerminal(out)}
	var names strings.Builder
	for _, side := range sides {
		fmt.Fprintf(&names, "   %-17s", side.name)
	}
	fmt.Fprintf(out, "%18s%s\n", "", strings.TrimRight(names.String(), " "))
	fmt.Fprintf(out, "%6s  %-10s%s  breaker\n", "at", "phase", strings.Repeat("   calls  good slots", len(sides)))
	return s
}

// update shows phase n as it stands.
func (s *screen) update(n int) {
	if s.terminal {
		fmt.Fprintf(s.out, "\r%s\x1b[K", s.line(n)) // back to the start, and clear the rest
	}
}

// finish shows phase n as it stands at its end. Its last calls may be under way.
func (s *screen) finish(n int) {
	s.update(n)
	if !s.terminal {
		fmt.Fprint(s.out, s.line(n))
	}
	fmt.Fprintln(s.out)
}

func (s *screen) line(n int) string {
	p := s.phases[n]
	var line strings.Builder
	fmt.Fprintf(&line, "%5.1fs  %-10s", p.begin.Seconds(), p.name)
	for _, side := range s.sides {
		r := side.tally.row(n)
		fmt.Fprintf(&line, "   %5d %5d %5d", r.came, r.good, r.busy)
	}
	return line.String() + "  " + state(s.stack)
}
