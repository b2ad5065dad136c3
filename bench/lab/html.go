package main

import (
	_ "embed"
	"html/template"
	"io"
	"math"

	"github.com/firebreak-go/firebreak/internal/plot"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// A view is what the page shows of a report.
type view struct {
	Date, Command, SeedText, TopLoad string
	Policies                         []string
	Overview                         []line
	Models, Transients               []part
}

// A part is one plot and its table.
type part struct {
	Name, About string
	Plot        template.HTML
	Loads       []string
	Rows        []line
}

// A line is a row of a table.
type line struct {
	Name  string
	Ours  bool
	Cells []cell
}

type cell struct{ Text, Class string }

// writeHTML writes one page that needs nothing else.
func (r report) writeHTML(w io.Writer) error {
	v := view{Date: r.Date, Command: r.Command, SeedText: seedText(r.Seeds), Policies: r.policies(), TopLoad: "5×"}
	if i := r.topLoad(); i >= 0 {
		v.TopLoad = times(r.Loads[i])
	}
	for _, m := range r.Models {
		overview := line{Name: m.Name}
		for _, row := range m.Rows {
			c := good(r.lowest(row))
			if row.Policy == ours && c.Class == "" {
				c.Class = ours
			}
			overview.Cells = append(overview.Cells, c)
		}
		v.Overview = append(v.Overview, overview)
		v.Models = append(v.Models, r.steady(m))
	}
	for _, t := range r.Transients {
		v.Transients = append(v.Transients, t.part())
	}
	return pageTemplate.Execute(w, v)
}

// steady is the part of a model.
func (r report) steady(m model) part {
	p := part{Name: m.Name, About: m.About}
	chart := plot.Chart{
		X: plot.Axis{Label: "load", Unit: "×", Log: true, Ticks: r.Loads},
		Y: plot.Axis{Label: "goodput, as a share of the ideal", Max: 1.1, Ticks: []float64{0, 0.2, 0.4, 0.6, 0.8, 1}},
	}
	for _, load := range r.Loads {
		p.Loads = append(p.Loads, times(load))
	}
	for _, row := range m.Rows {
		l := line{Name: row.Policy, Ours: row.Policy == ours}
		drawn := plot.Line{Name: row.Policy, Bold: l.Ours, Marks: true}
		for i, g := range row.Goodput {
			l.Cells = append(l.Cells, good(g))
			drawn.Points = append(drawn.Points, plot.Point{X: r.Loads[i], Y: float64(g)})
		}
		sheds := cell{Text: r.falseSheds(row).percent()}
		if r.falseSheds(row) >= 0.01 {
			sheds.Class = "low"
		}
		l.Cells = append(l.Cells, sheds, good(r.topClass(row)))
		p.Rows = append(p.Rows, l)
		chart.Lines = append(chart.Lines, drawn)
	}
	p.Plot = drawing(chart, "Goodput against load: "+m.Name)
	return p
}

// part is that of a transient.
func (t transient) part() part {
	p := part{Name: t.Name, About: t.About}
	chart := plot.Chart{
		X:     plot.Axis{Label: "time", Unit: " s", Max: t.length()},
		Y:     plot.Axis{Label: "goodput, as a share of the ideal", Max: 1.3, Ticks: []float64{0, 0.2, 0.4, 0.6, 0.8, 1}},
		Spans: []plot.Span{{From: t.From, To: t.To}},
	}
	for _, c := range t.Rows {
		l := line{Name: c.Policy, Ours: c.Policy == ours}
		recovery := cell{Text: c.Recovery.seconds()}
		if !(c.Recovery <= slow) {
			recovery.Class = "low"
		}
		l.Cells = []cell{recovery, good(c.Meanwhile), good(c.TopClass), {Text: c.Attempts.share()}}
		p.Rows = append(p.Rows, l)
		drawn := plot.Line{Name: c.Policy, Bold: l.Ours}
		for i := range c.Times {
			drawn.Points = append(drawn.Points, plot.Point{X: float64(c.Times[i]), Y: float64(c.Goodput[i])})
		}
		chart.Lines = append(chart.Lines, drawn)
	}
	p.Plot = drawing(chart, "Goodput over time: "+t.Name)
	return p
}

// length returns how long the run took, in seconds.
func (t transient) length() float64 {
	length := t.To
	for _, c := range t.Rows {
		for _, at := range c.Times {
			length = max(length, math.Ceil(float64(at)))
		}
	}
	return length
}

// slow is the longest recovery that is not shaded, in seconds.
const slow = 5

// good is the cell of a goodput, shaded where it is low.
func good(n number) cell {
	c := cell{Text: n.share()}
	if n.known() && n < 0.9 {
		c.Class = "low"
	}
	return c
}

// drawing has no title in the picture: the heading over it is one.
func drawing(c plot.Chart, name string) template.HTML {
	c.Name = name
	return template.HTML(c.SVG()) //nolint:gosec // the chart escapes its texts
}
