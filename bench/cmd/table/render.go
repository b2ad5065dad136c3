package main

import (
	"fmt"
	"io"
	"slices"
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
	"Shed":                "A call that a load shedder lets in at once",
	"ShedFull":            "A call that a full load shedder refuses",
	"Handler":             "A request through shed, bulkhead and timeout",
	"HandlerFull":         "A request that a full load shedder refuses",
	"Unary":               "A gRPC call through four policies",
	"UnaryCancelable":     "A gRPC call through four policies, for a caller who can cancel",
	"UnaryConn":           "A gRPC call through four policies, over a connection in memory",
	"UnaryHandler":        "A gRPC call served through shed, bulkhead and timeout",
}

// alone are parts of firebreak, or what all others include: no peers to compare with.
var alone = []string{"no policies", "limiter alone", "limiter alone and Retry-After", "clock alone"}

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
			if name != ours && !slices.Contains(alone, name) {
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
		b.WriteString(a.row(r))
	}
	_, err := io.WriteString(w, b.String())
	return err
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
