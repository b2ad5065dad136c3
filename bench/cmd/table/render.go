package main

import (
	"fmt"
	"io"
	"strings"
)

// ours is the name of firebreak among the contestants.
const ours = "firebreak"

// titles say what a benchmark is.
var titles = map[string]string{
	"Do":                  "Do through five policies",
	"RoundTrip":           "RoundTrip through five policies",
	"RoundTripCancelable": "RoundTrip through five policies, for a caller who can cancel",
	"OpenBreaker":         "A call that an open breaker rejects",
	"FullBulkhead":        "A call that a full bulkhead rejects",
	"Keyed":               "Policy of one of 100 hosts",
}

// An aim is what firebreak wants to reach.
type aim struct {
	group string
	than  string  // whose time is the measure; or "" for allocations
	most  float64 // the highest ratio, or number of allocations
}

var aims = []aim{
	{"RoundTrip/serial", "by hand", 1.25},
	{"RoundTrip/parallel", "by hand", 1.25},
	{"RoundTripCancelable/serial", "by hand", 1.25},
	{"RoundTripCancelable/parallel", "by hand", 1.25},
	{"RoundTrip/serial", "failsafe-go", 0.5},
	{"RoundTrip/parallel", "failsafe-go", 0.5},
	{"RoundTripCancelable/serial", "failsafe-go", 0.5},
	{"RoundTripCancelable/parallel", "failsafe-go", 0.5},
	{"Do/serial", "", 6},
	{"RoundTrip/serial", "", 14},
	{"RoundTripCancelable/serial", "", 14},
	{"OpenBreaker/serial", "", 2},
	{"FullBulkhead/serial", "", 2},
}

// render writes a table of all measurements and one of the aims.
func render(w io.Writer, r *results) error {
	var b strings.Builder
	b.WriteString("| benchmark | | ns/op | B/op | allocs/op | firebreak's time to theirs |\n|---|---|--:|--:|--:|--:|\n")
	for _, group := range r.groups {
		for i, name := range r.names[group] {
			title, ratio := "", ""
			if i == 0 {
				title = heading(group)
			}
			if name != ours && name != "no policies" {
				ratio = fmt.Sprintf("%.2f", r.ratio(group, ours, name))
			}
			fmt.Fprintf(&b, "| %s | %s | %.0f | %.0f | %.0f | %s |\n", title, name,
				r.median(group, name, func(s sample) float64 { return s.ns }),
				r.median(group, name, func(s sample) float64 { return s.bytes }),
				r.median(group, name, func(s sample) float64 { return s.allocs }), ratio)
		}
	}
	b.WriteString("\n| aim | at most | measured | |\n|---|--:|--:|---|\n")
	for _, a := range aims {
		what, limit, got := a.measured(r)
		verdict := "met"
		if got > a.most || got == 0 {
			verdict = "**missed**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", what, limit, a.format(got), verdict)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (a aim) measured(r *results) (what, limit string, got float64) {
	what = heading(a.group)
	if a.than == "" {
		return what + ": allocations", a.format(a.most), r.median(a.group, ours, func(s sample) float64 { return s.allocs })
	}
	return what + ": time to that of " + a.than, a.format(a.most), r.ratio(a.group, ours, a.than)
}

func (a aim) format(v float64) string {
	if a.than == "" {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// heading returns the title of a group such as "Do/serial".
func heading(group string) string {
	benchmark, mode, _ := strings.Cut(group, "/")
	title, ok := titles[benchmark]
	if !ok {
		title = benchmark
	}
	return title + ", " + mode
}
