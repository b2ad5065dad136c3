// Package plot draws line charts as SVG: one element that stands in an HTML page
// or in a file of its own, readable on a light and on a dark ground, without
// scripts, fonts or anything else from outside. Equal charts give equal bytes.
package plot

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A Chart shows lines over a common x axis. The zero Chart is an empty frame.
type Chart struct {
	// Title, if any, stands over the chart.
	Title string

	// Name is what a screen reader says. The default is the Title.
	Name string

	X, Y Axis

	// Lines are drawn in order, those with Bold over the others. Their colours,
	// dashes and marks follow from their index among those that are not bold, so
	// that the same lines look the same in each of a set of charts.
	Lines []Line

	// Spans are stretches of the x axis that are shaded.
	Spans []Span

	// Width and Height are the size in pixels that the texts are made for. The
	// chart scales to the width of its place, and the texts with it. The defaults
	// are 440 and 280, to which the rows of the legend are added.
	Width, Height int
}

// A Line is a series of points, joined in the order given. Where a coordinate is
// not a number, infinite, or not positive on a logarithmic axis, it has a gap.
type Line struct {
	Name   string
	Points []Point
	Bold   bool // the line that the chart is about
	Marks  bool // mark each point
}

// A Point is one measurement.
type Point struct{ X, Y float64 }

// A Span is the stretch of the x axis between From and To.
type Span struct {
	From, To float64
	Label    string
}

// Sizes in pixels. The width of a letter is a guess that suits most sans-serif
// fonts: no text is so close to another that a wider one would matter.
const (
	defaultWidth  = 440
	defaultHeight = 280
	fontSize      = 13
	letterWidth   = 6.9
	tickLength    = 4
	marginTop     = 14
	marginRight   = 18
	titleHeight   = 22
	xTicksHeight  = 22
	labelHeight   = 20
	legendRow     = 20
)

// A frame is where the parts of a chart are.
type frame struct {
	width, height            float64
	left, right, top, bottom float64 // of the area of the lines
	x, y                     scale
}

// SVG returns the chart as one svg element.
func (c Chart) SVG() string {
	legend := newLegend(c.Lines, size(c.Width, defaultWidth))
	f := c.frame(legend)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" class="plot" viewBox="0 0 %s %s" role="img" aria-label="%s">`+"\n",
		num(f.width), num(f.height), escape(cmp.Or(c.Name, c.Title)))
	b.WriteString(style)
	if c.Title != "" {
		writeText(&b, f.left, marginTop+4, "start", "plot-title", c.Title)
	}
	for _, s := range c.Spans {
		f.writeSpan(&b, s)
	}
	f.writeYAxis(&b, c.Y)
	f.writeXAxis(&b, c.X)
	c.writeLines(&b, f)
	if !c.hasPoints(f) {
		writeText(&b, (f.left+f.right)/2, (f.top+f.bottom)/2, "middle", "plot-label", "no data")
	}
	legend.write(&b, f.height-legend.height)
	b.WriteString("</svg>\n")
	return b.String()
}

func size(n, otherwise int) float64 {
	if n <= 0 {
		n = otherwise
	}
	return float64(n)
}

// frame lays the parts out.
func (c Chart) frame(l legend) frame {
	f := frame{width: size(c.Width, defaultWidth), height: size(c.Height, defaultHeight) + l.height}
	f.x = newScale(c.X, c.values(func(p Point) float64 { return p.X }))
	f.y = newScale(c.Y, c.values(func(p Point) float64 { return p.Y }))
	f.top = marginTop
	if c.Title != "" {
		f.top += titleHeight - 6
	}
	if c.Y.Label != "" {
		f.top += labelHeight
	}
	widest := 0
	for _, t := range f.y.ticks {
		widest = max(widest, len([]rune(c.Y.tick(t))))
	}
	f.left = 8 + tickLength + letterWidth*float64(max(widest, 2))
	f.right = f.width - marginRight
	f.bottom = f.height - l.height - xTicksHeight
	if c.X.Label != "" {
		f.bottom -= labelHeight
	}
	f.bottom = max(f.bottom, f.top+1)
	f.right = max(f.right, f.left+1)
	f.x.from, f.x.to = f.left, f.right
	f.y.from, f.y.to = f.bottom, f.top
	return f
}

func (c Chart) values(of func(Point) float64) []float64 {
	var values []float64
	for _, l := range c.Lines {
		for _, p := range l.Points {
			values = append(values, of(p))
		}
	}
	return values
}

func (c Chart) hasPoints(f frame) bool {
	for _, l := range c.Lines {
		for _, p := range l.Points {
			if f.x.has(p.X) && f.y.has(p.Y) {
				return true
			}
		}
	}
	return false
}

// writeLines draws the lines within an svg element of its own, which cuts off
// what an axis with limits leaves out.
func (c Chart) writeLines(b *strings.Builder, f frame) {
	const rim = 5 // a mark on the edge is seen whole
	x, y, w, h := f.left-rim, f.top-rim, f.right-f.left+2*rim, f.bottom-f.top+2*rim
	fmt.Fprintf(b, `<svg x="%s" y="%s" width="%s" height="%s" viewBox="%[1]s %[2]s %[3]s %[4]s">`+"\n", num(x), num(y), num(w), num(h))
	looks := looksOf(c.Lines)
	for _, bold := range []bool{false, true} {
		for i, l := range c.Lines {
			if l.Bold == bold {
				l.write(b, f, looks[i])
			}
		}
	}
	b.WriteString("</svg>\n")
}

func (l Line) write(b *strings.Builder, f frame, k look) {
	var path strings.Builder
	pen := byte('M')
	for _, p := range l.Points {
		if !f.x.has(p.X) || !f.y.has(p.Y) {
			pen = 'M'
			continue
		}
		fmt.Fprintf(&path, "%c%s %s", pen, num(f.x.at(p.X)), num(f.y.at(p.Y)))
		pen = 'L'
	}
	if path.Len() == 0 {
		return
	}
	fmt.Fprintf(b, `<path class="%s" d="%s"><title>%s</title></path>`+"\n", k.line(), path.String(), escape(l.Name))
	if !l.Marks {
		return
	}
	for _, p := range l.Points {
		if f.x.has(p.X) && f.y.has(p.Y) {
			k.writeMark(b, f.x.at(p.X), f.y.at(p.Y))
		}
	}
}

func (f frame) writeSpan(b *strings.Builder, s Span) {
	if !f.x.has(s.From) || !f.x.has(s.To) {
		return
	}
	from, to := f.x.at(s.From), f.x.at(s.To)
	from, to = max(min(from, to), f.left), min(max(from, to), f.right)
	if to < from {
		return
	}
	fmt.Fprintf(b, `<rect class="plot-span" x="%s" y="%s" width="%s" height="%s"/>`+"\n", num(from), num(f.top), num(to-from), num(f.bottom-f.top))
	if s.Label == "" {
		return
	}
	at, anchor := (from+to)/2, "middle"
	if half := float64(len([]rune(s.Label))) * letterWidth / 2; at-half < f.left {
		at, anchor = from, "start"
	} else if at+half > f.right {
		at, anchor = to, "end"
	}
	writeText(b, at, f.top-4, anchor, "plot-note", s.Label)
}

func writeText(b *strings.Builder, x, y float64, anchor, class, text string) {
	fmt.Fprintf(b, `<text class="%s" x="%s" y="%s" text-anchor="%s">%s</text>`+"\n", class, num(x), num(y), anchor, escape(text))
}

// num writes a length; a tenth of a pixel is fine enough.
func num(v float64) string {
	return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder has no errors
	return b.String()
}
