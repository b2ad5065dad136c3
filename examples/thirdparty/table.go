package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/firebreak-go/firebreak"
)

// printPart prints what a side is, wrapped.
func printPart(out io.Writer, name, text string) {
	printWrapped(out, fmt.Sprintf("%-11s", name), strings.Fields(text))
}

// printWrapped prints words after head, in lines of at most width
// columns; those after the first are indented as far as head is long.
func printWrapped(out io.Writer, head string, words []string) {
	line, empty := head, true
	for _, word := range words {
		switch {
		case empty:
			line += word
		case len([]rune(line+" "+word)) <= width:
			line += " " + word
		default:
			fmt.Fprintln(out, strings.TrimRight(line, " "))
			line = strings.Repeat(" ", len([]rune(head))) + word
		}
		empty = false
	}
	fmt.Fprintln(out, line)
}

// pipeline returns the policies of stack, each as one word to [printWrapped].
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
	line := fmt.Sprintf(rowFormat, phase, side, r.calls, r.good, share, short(r.p50), short(r.p99), r.attempts, r.slots, recovery)
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
		return short(after)
	case after > 0:
		return ">" + short(after)
	default:
		return "-" // the run ended before
	}
}

// short returns d with two or three digits, and at the least 0.1ms.
func short(d time.Duration) string {
	switch {
	case d == 0:
		return "0ms"
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1fms", max(0.1, float64(d)/float64(time.Millisecond)))
	case d < time.Second-500*time.Microsecond:
		return fmt.Sprintf("%.0fms", float64(d)/float64(time.Millisecond))
	default:
		return fmt.Sprintf("%.2fs", d.Seconds())
	}
}
