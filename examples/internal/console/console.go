// Package console has what the programs print to a terminal with.
package console

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// Width is how many columns a line may take: one less than a terminal has at the least,
// so that it does not wrap.
const Width = 79

// IsTerminal reports whether out is one on which a line can be rewritten.
func IsTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// PrintWrapped prints words after head, in lines of at most [Width] columns; those after
// the first are indented as far as head is long.
func PrintWrapped(out io.Writer, head string, words []string) {
	line, empty := head, true
	for _, word := range words {
		switch {
		case empty:
			line += word
		case len([]rune(line+" "+word)) <= Width:
			line += " " + word
		default:
			fmt.Fprintln(out, strings.TrimRight(line, " "))
			line = strings.Repeat(" ", len([]rune(head))) + word
		}
		empty = false
	}
	fmt.Fprintln(out, line)
}

// PrintText prints text in lines of at most [Width] columns.
func PrintText(out io.Writer, text string) { PrintWrapped(out, "", strings.Fields(text)) }

// Short returns d with two or three digits, and if it is not 0 at the least 0.1ms.
func Short(d time.Duration) string {
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

// Percent returns n as a share of all, or "-" if there are none. It says 0% and 100% only
// of none and all.
func Percent(n, all int) string {
	if all == 0 {
		return "-"
	}
	return Share(float64(n) / float64(all))
}

// Share returns x, from 0 to 1, in percent. It says 0% and 100% only of 0 and 1.
func Share(x float64) string {
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
