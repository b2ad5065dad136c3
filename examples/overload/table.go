package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// width is how many columns a line may take: one less than a terminal has at the
// least, so that it does not wrap.
const width = 79

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
		percent(r.counts[critical][good], r.offered[critical]),
		short(r.p50),
		short(r.p99),
		strconv.Itoa(r.counts[critical][refused]),
		strconv.Itoa(r.counts[bestEffort][refused]),
		strconv.Itoa(r.total(late)),
		share(r.wasted()),
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
			all = append(all, fmt.Sprintf("%s: callers came up to %s too late, because the machine was busy.", where, short(r.lag)))
		}
	}
	return all
}

// times returns a multiple.
func times(x float64) string { return strconv.FormatFloat(x, 'g', 3, 64) + "×" }

// percent returns n as a share of all. It says 0% and 100% only of none and all.
func percent(n, all int) string {
	if all == 0 {
		return "-"
	}
	return share(float64(n) / float64(all))
}

func share(x float64) string {
	p := 100 * x
	switch {
	case p > 0 && p < 1:
		return "<1%"
	case p > 99 && p < 100:
		return ">99%"
	default:
		return strconv.FormatFloat(p, 'f', 0, 64) + "%"
	}
}

// short returns d with two or three digits, and at the least 0.1ms.
func short(d time.Duration) string {
	switch {
	case d == 0:
		return "-"
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1fms", max(0.1, float64(d)/float64(time.Millisecond)))
	case d < time.Second-500*time.Microsecond:
		return fmt.Sprintf("%.0fms", float64(d)/float64(time.Millisecond))
	default:
		return fmt.Sprintf("%.2fs", d.Seconds())
	}
}

// printWrapped prints text in lines of at most width columns.
func printWrapped(out io.Writer, text string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case len([]rune(line))+1+len([]rune(word)) <= width:
			line += " " + word
		default:
			fmt.Fprintln(out, line)
			line = word
		}
	}
	fmt.Fprintln(out, line)
}
