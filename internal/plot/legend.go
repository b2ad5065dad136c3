package plot

import (
	"fmt"
	"strings"
)

// A legend names the lines, in rows under the chart.
type legend struct {
	entries []entry
	height  float64
}

type entry struct {
	x, y  float64 // of its left end, y within the legend
	name  string
	look  look
	marks bool
}

// newLegend lays out the names of the lines within a width. A line without a name
// has no entry.
func newLegend(lines []Line, width float64) legend {
	const (
		margin = 10.0
		sample = 30.0 // the piece of line before a name, and a space
		gap    = 14.0
	)
	l := legend{}
	x, row := margin, 0.0
	all := looksOf(lines)
	for i, line := range lines {
		if line.Name == "" {
			continue
		}
		w := sample + float64(len([]rune(line.Name)))*letterWidth
		if x > margin && x+w > width-margin {
			x, row = margin, row+1
		}
		l.entries = append(l.entries, entry{x: x, y: row * legendRow, name: line.Name, look: all[i], marks: line.Marks})
		x += w + gap
	}
	if len(l.entries) > 0 {
		l.height = (row+1)*legendRow + 8
	}
	return l
}

func (l legend) write(b *strings.Builder, top float64) {
	for _, e := range l.entries {
		y := top + e.y + legendRow/2 + 2
		fmt.Fprintf(b, `<path class="%s" d="M%s %sh24"/>`+"\n", e.look.line(), num(e.x), num(y))
		if e.marks {
			e.look.writeMark(b, e.x+12, y)
		}
		writeText(b, e.x+30, y+fontSize*0.35, "start", "plot-label", e.name)
	}
}
