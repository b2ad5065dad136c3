package main

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/firebreak-go/firebreak/examples/internal/console"
)

const (
	overFormat = "%5s  %-9s%5s%6s%21s%17s"
	headFormat = "%5s  %-9s%5s%6s%7s%7s%7s%10s%7s%6s%8s\n"
)

// printHead prints what the columns are.
func printHead(out io.Writer) {
	over := fmt.Sprintf(overFormat, "", "", "came", "good", "----- critical -----", "---- refused ---")
	fmt.Fprintln(out, over)
	fmt.Fprintf(out, headFormat, "load", "server", "/s", "/s", "good", "p50", "p99", "critical", "others", "late", "wasted")
}

// printRow prints a load on a server.
func printRow(out io.Writer, r row) {
	c := r.cells()
	fmt.Fprintf(out, headFormat, c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8], c[9], c[10])
}

// cells are what the columns hold.
func (r row) cells() [11]string {
	return [...]string{
		times(r.load),
		r.server,
		strconv.FormatFloat(r.rate(r.came()), 'f', 0, 64),
		strconv.FormatFloat(r.rate(r.total(good)), 'f', 0, 64),
		console.Percent(r.counts[critical][good], r.offered[critical]),
		wait(r.p50),
		wait(r.p99),
		strconv.Itoa(r.counts[critical][refused]),
		strconv.Itoa(r.counts[bestEffort][refused]),
		strconv.Itoa(r.total(late)),
		console.Share(r.wasted()),
	}
}

// remarks are what a reader has to know of the rows beside the table.
func remarks(rows []row) []string {
	var all []string
	for _, r := range rows {
		where := times(r.load) + " on " + r.server
		if n := r.total(failed) - r.capped; n > 0 {
			all = append(all, fmt.Sprintf("%s: %d callers had another error.", where, n))
		}
		if r.capped > 0 {
			all = append(all, fmt.Sprintf("%s: %d callers did not come, because %d others were there.", where, r.capped, maxInFlight))
		}
		if r.lag > patience/20 {
			all = append(all, fmt.Sprintf("%s: callers came up to %s too late, because the machine was busy.", where, console.Short(r.lag)))
		}
	}
	return all
}

// times returns a multiple.
func times(x float64) string { return strconv.FormatFloat(x, 'g', 3, 64) + "×" }

// wait returns how long somebody waited, or "-" if there was nobody.
func wait(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return console.Short(d)
}
