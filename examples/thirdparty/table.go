package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/examples/internal/console"
)

// printPart prints what a side is, wrapped.
func printPart(out io.Writer, name, text string) {
	console.PrintWrapped(out, fmt.Sprintf("%-11s", name), strings.Fields(text))
}

// pipeline returns the policies of stack, each as one word to [console.PrintWrapped].
func pipeline(stack *firebreak.Stack) string {
	return strings.TrimPrefix(stack.String(), stack.Name()+": ")
}

const (
	headFormat = "%-11s%-10s%6s %11s%8s%8s%9s%6s%9s\n"
	rowFormat  = "%-11s%-10s%6d %5d %4s%%%8s%8s%9d%6d%9s"
)

// printTable prints a row per phase and side. The stretches in which the third
// party is well again show as recovery, and in the total.
func printTable(out io.Writer, phases []phase, sides []*side) {
	fmt.Fprintln(out)
	fmt.Fprintf(out, headFormat, "phase", "side", "calls", "good", "p50", "p99", "attempts", "slots", "recovery")
	for n, p := range phases {
		name := p.name
		for _, s := range sides {
			r := s.tally.row(n)
			if p.again || r.calls == 0 {
				continue
			}
			printRow(out, name, s.name, r, recovery(phases, n, s.tally))
			name = ""
		}
	}
	name := "in all"
	for _, s := range sides {
		printRow(out, name, s.name, s.tally.total(), "")
		name = ""
	}
}

func printRow(out io.Writer, phase, side string, r row, recovery string) {
	share := "-"
	if r.calls > 0 {
		share = strconv.Itoa(r.good * 100 / r.calls)
	}
	line := fmt.Sprintf(rowFormat, phase, side, r.calls, r.good, share, console.Short(r.p50), console.Short(r.p99), r.attempts, r.slots, recovery)
	fmt.Fprintln(out, strings.TrimRight(line, " "))
}

// recovery returns what the table says of the recovery after phase n.
func recovery(phases []phase, n int, t *tally) string {
	if n+1 == len(phases) || !phases[n+1].again {
		return "-"
	}
	after, ok := t.recovery(n+1, phases[n+1].begin)
	switch {
	case ok:
		return console.Short(after)
	case after > 0:
		return ">" + console.Short(after)
	default:
		return "-" // the run ended before
	}
}
