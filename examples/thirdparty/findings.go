package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/firebreak-go/firebreak/examples/internal/console"
)

// printFindings prints what the table comes to, phase by phase: where firebreak
// did better than the plain client, and where worse.
func printFindings(out io.Writer, phases []phase, plain, guarded *tally) {
	fmt.Fprintln(out, "\nWith firebreak, and the plain client in brackets:")
	for n, p := range phases {
		if p.again || plain.row(n).calls == 0 {
			continue
		}
		found := findings(plain.row(n), guarded.row(n))
		if with, without := recovery(phases, n, guarded), recovery(phases, n, plain); with != without {
			found = append(found, fmt.Sprintf("recovery %s (%s)", with, without))
		}
		if len(found) == 0 {
			found = []string{"no difference that matters"}
		}
		console.PrintWrapped(out, fmt.Sprintf("  %-11s", p.name), strings.Fields(strings.Join(found, ", ")))
	}
}

// findings compares two rows. What differs by less than a tenth is left out.
func findings(plain, guarded row) []string {
	var found []string
	say := func(differs bool, text, with, without string) {
		if differs {
			found = append(found, fmt.Sprintf("%s %s (%s)", text, with, without))
		}
	}
	say(differ(plain.good, guarded.good, 3), "good", strconv.Itoa(guarded.good), strconv.Itoa(plain.good))
	say(differ(plain.p50, guarded.p50, 10*time.Millisecond), "p50", console.Short(guarded.p50), console.Short(plain.p50))
	say(differ(plain.p99, guarded.p99, 50*time.Millisecond), "p99", console.Short(guarded.p99), console.Short(plain.p99))
	say(differ(plain.attempts, guarded.attempts, 3), "attempts", strconv.Itoa(guarded.attempts), strconv.Itoa(plain.attempts))
	say(differ(plain.slots, guarded.slots, 3), "slots", strconv.Itoa(guarded.slots), strconv.Itoa(plain.slots))
	return found
}

// differ reports whether a and b are apart by more than a tenth of the larger, and
// more than least.
func differ[T int | time.Duration](a, b, least T) bool {
	apart := max(a, b) - min(a, b)
	return apart > least && apart > max(a, b)/10
}
