package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/examples/internal/console"
)

const (
	overFormat = "%-14s%6s%27s%27s\n"
	rowFormat  = "%-14s%6s%6s%7s%7s%7s%6s%7s%7s%7s\n"
)

// printParts prints what the sides are.
func printParts(out io.Writer, throttled bool) {
	retries := "up to 3 attempts after UNAVAILABLE"
	if throttled {
		retries += ", and retryThrottling"
	}
	console.PrintWrapped(out, "plain      ", strings.Fields("client: service config with "+retries+"; server: no limits"))
	console.PrintWrapped(out, "firebreak  ", strings.Fields("client: "+policies(newStack())+"; server: "+policies(newServerStack())))
	fmt.Fprintln(out)
}

// policies returns those of stack.
func policies(stack *firebreak.Stack) string {
	return strings.TrimPrefix(stack.String(), stack.Name()+": ")
}

// printHead prints what the columns are.
func printHead(out io.Writer) {
	fmt.Fprintf(out, overFormat, "phase", "", "--------- plain ---------", "------- firebreak -------")
	fmt.Fprintf(out, rowFormat, "  method", "calls", "good", "p50", "p99", "runs", "good", "p50", "p99", "runs")
}

// printPhase prints a row per method.
func printPhase(out io.Writer, n int, p phase, sides []*side) {
	fmt.Fprintln(out, p.name)
	for m := range methods {
		cells := []any{"  " + m.String(), strconv.Itoa(sides[plain].tally.row(n, m).came)}
		for _, s := range sides {
			r := s.tally.row(n, m)
			cells = append(cells, console.Percent(r.counts[good], r.came), wait(r.p50), wait(r.p99), strconv.Itoa(s.service.counted(n).runs[m]))
		}
		fmt.Fprintf(out, rowFormat, cells...)
	}
}

// wait returns how long somebody waited, or "-" if there was nobody.
func wait(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return console.Short(d)
}
