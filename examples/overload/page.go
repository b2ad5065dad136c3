package main

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"

	"github.com/firebreak-go/firebreak/examples/internal/database"
	"github.com/firebreak-go/firebreak/internal/plot"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// A view is what the page shows.
type view struct {
	Capacity string
	Command  string
	Findings []string
	Plots    []picture
	Rows     []line
	Remarks  []string
	Early    bool
}

type picture struct {
	Heading string
	SVG     template.HTML
}

// A line is a row of the table.
type line struct {
	Ours  bool
	Cells [11]string
}

// writePage writes one page that needs nothing else.
func writePage(w io.Writer, o options, rows []row) error {
	v := view{
		Capacity: fmt.Sprintf("%.0f", database.Capacity),
		Command:  "go run ./examples/overload " + o.String(),
		Findings: findings(rows), Remarks: remarks(rows),
		Early: len(rows) < 2*len(loads),
	}
	all := goodput("good answers per second, all callers", rows, func(r row) (offered, got int) { return r.came(), r.total(good) })
	some := goodput("good answers per second, critical callers", rows, func(r row) (offered, got int) {
		return r.offered[critical], r.counts[critical][good]
	})
	waits := chart("what 99 of 100 critical callers waited, in ms", rows, func(r row) float64 { return float64(r.p99.Milliseconds()) })
	for _, p := range []struct {
		heading string
		chart   plot.Chart
	}{{"All callers", all}, {"Critical callers alone", some}, {"What critical callers waited", waits}} {
		p.chart.Y.Max = top(p.chart.Lines)
		p.chart.Name = p.heading + ": " + p.chart.Y.Label + ", against load"
		v.Plots = append(v.Plots, picture{p.heading, template.HTML(p.chart.SVG())}) //nolint:gosec // the chart escapes its texts
	}
	for _, r := range rows {
		v.Rows = append(v.Rows, line{Ours: r.server == protected, Cells: r.cells()})
	}
	return pageTemplate.Execute(w, v)
}

// goodput draws good answers per second on both servers, and what could be answered at
// the most: all that was asked for, up to the capacity.
func goodput(label string, rows []row, count func(row) (offered, got int)) plot.Chart {
	c := chart(label, rows, func(r row) float64 {
		_, n := count(r)
		return r.rate(n)
	})
	ideal := plot.Line{Name: "the most that is possible"}
	for _, r := range rows {
		if r.server == plain {
			offered, _ := count(r)
			ideal.Points = append(ideal.Points, plot.Point{X: r.load, Y: min(r.rate(offered), database.Capacity)})
		}
	}
	c.Lines = append(c.Lines, ideal)
	return c
}

// chart draws a value of the rows for each server, against load.
func chart(label string, rows []row, value func(row) float64) plot.Chart {
	c := plot.Chart{
		X: plot.Axis{Label: "load", Unit: "×", Log: true, Ticks: loads},
		Y: plot.Axis{Label: label},
	}
	for _, server := range []string{protected, plain} {
		l := plot.Line{Name: server, Bold: server == protected, Marks: true}
		for _, r := range rows {
			if r.server == server {
				l.Points = append(l.Points, plot.Point{X: r.load, Y: value(r)})
			}
		}
		c.Lines = append(c.Lines, l)
	}
	return c
}

// top returns where the y axis ends: it begins at 0, so that heights can be compared.
func top(lines []plot.Line) float64 {
	highest := 0.
	for _, l := range lines {
		for _, p := range l.Points {
			highest = max(highest, p.Y)
		}
	}
	return 1.05 * highest
}
