package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// writeText writes the tables for a terminal.
func (r report) writeText(w io.Writer) error {
	var b strings.Builder
	for _, m := range r.Models {
		fmt.Fprintf(&b, "%s: %s\n", m.Name, m.About)
		t := grid{{"goodput at"}}
		for _, load := range r.Loads {
			t[0] = append(t[0], times(load))
		}
		t[0] = append(t[0], "false sheds", "top class")
		for _, row := range m.Rows {
			cells := []string{row.Policy}
			for _, g := range row.Goodput {
				cells = append(cells, g.share())
			}
			t = append(t, append(cells, r.falseSheds(row).percent(), r.topClass(row).share()))
		}
		t.write(&b)
	}
	if len(r.Transients) > 0 {
		r.disturbances("recovered after", func(c course) string { return c.Recovery.seconds() }).write(&b)
		r.disturbances("goodput meanwhile", func(c course) string { return c.Meanwhile.share() }).write(&b)
		r.disturbances("top class meanwhile", func(c course) string { return c.TopClass.share() }).write(&b)
		for _, t := range r.Transients {
			fmt.Fprintf(&b, "%s: %s\n", t.Name, t.About)
		}
		b.WriteString("\n")
	}
	b.WriteString(r.legend())
	_, err := io.WriteString(w, b.String())
	return err
}

// disturbances returns a grid of one number of each policy in each transient.
func (r report) disturbances(title string, of func(course) string) grid {
	g := grid{{title}}
	for _, name := range r.policies() {
		g = append(g, []string{name})
	}
	for _, t := range r.Transients {
		g[0] = append(g[0], t.Name)
		for i, c := range t.Rows {
			g[i+1] = append(g[i+1], of(c))
		}
	}
	return g
}

// legend says what the numbers are.
func (r report) legend() string {
	text := fmt.Sprintf("Means over %s.\n", seedText(r.Seeds))
	if len(r.Models) > 0 {
		text += "Goodput is what came in time, as a share of the most that the server can do, or of what was asked.\n" +
			"False sheds are the requests refused up to 0.8×, the worst load.\n"
		if i := r.topLoad(); i >= 0 {
			text += fmt.Sprintf("Top class is its goodput at %s as a share of its requests, which alone would fit.\n", times(r.Loads[i]))
		}
	}
	if len(r.Transients) > 0 {
		text += "Over 1 is the goodput of clients who waited, or came again, until the server could do more.\n"
	}
	return text
}

func seedText(seeds []uint64) string {
	switch n := len(seeds); n {
	case 0:
		return "no seed"
	case 1:
		return fmt.Sprintf("seed %d", seeds[0])
	default:
		return fmt.Sprintf("seeds %d to %d", seeds[0], seeds[n-1])
	}
}

func times(load float64) string { return strconv.FormatFloat(load, 'g', -1, 64) + "×" }

// A grid is rows of cells, the first of them the heads.
type grid [][]string

// write aligns the first column to the left, the others to the right.
func (g grid) write(b *strings.Builder) {
	var widths []int
	for _, row := range g {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range g {
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				b.WriteString("  " + cell + pad)
				continue
			}
			b.WriteString("  " + pad + cell)
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
}
