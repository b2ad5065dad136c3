package main

import (
	"fmt"
	"math"
)

// An aim is what firebreak wants to reach.
type aim struct {
	what   string
	most   float64
	format string // of a value
	got    func(*results) float64
}

var aims = []aim{
	timeTo("RoundTrip/serial", "by hand", 1.25),
	timeTo("RoundTrip/parallel", "by hand", 1.25),
	timeTo("RoundTripCancelable/serial", "by hand", 1.25),
	timeTo("RoundTripCancelable/parallel", "by hand", 1.25),
	timeTo("RoundTrip/serial", "failsafe-go", 0.5),
	timeTo("RoundTrip/parallel", "failsafe-go", 0.5),
	timeTo("RoundTripCancelable/serial", "failsafe-go", 0.5),
	timeTo("RoundTripCancelable/parallel", "failsafe-go", 0.5),
	timeTo("Handler/serial", "failsafe-go", 0.5),
	timeTo("Handler/parallel", "failsafe-go", 0.5),
	nanoseconds("Shed/serial", ours, 100),
	nanoseconds("Shed/serial", "limiter alone", 100),
	nanoseconds("ShedFull/serial", ours, 50),
	nanoseconds("ShedFull/serial", "limiter alone", 50),
	allocations("Do/serial", ours, 6),
	allocations("RoundTrip/serial", ours, 14),
	allocations("RoundTripCancelable/serial", ours, 14),
	allocations("OpenBreaker/serial", ours, 2),
	allocations("FullBulkhead/serial", ours, 2),
	allocations("Handler/serial", ours, 10),
	allocations("Unary/serial", ours, 7),
	allocations("UnaryCancelable/serial", ours, 7),
	allocationsTo("Unary/serial", "failsafe-go", 0.5),
	allocationsTo("UnaryCancelable/serial", "failsafe-go", 0.5),
	allocationsTo("UnaryHandler/serial", "failsafe-go", 0.5),
	allocations("Shed/serial", ours, 0),
	allocations("ShedFull/serial", "limiter alone", 0),
}

// timeTo is that firebreak takes at most so many times what than takes.
func timeTo(group, than string, most float64) aim {
	return aim{heading(group) + ": time to that of " + than, most, "%.2f", func(r *results) float64 {
		return r.ratio(group, ours, than)
	}}
}

// nanoseconds is that who, which is firebreak or a part of it, takes at most so long.
func nanoseconds(group, who string, most float64) aim {
	return aim{heading(group) + part(who) + ": ns", most, "%.0f", func(r *results) float64 {
		return r.median(group, who, func(s sample) float64 { return s.ns })
	}}
}

func allocations(group, who string, most float64) aim {
	return aim{heading(group) + part(who) + ": allocations", most, "%.0f", func(r *results) float64 {
		return r.median(group, who, func(s sample) float64 { return s.allocs })
	}}
}

// allocationsTo is that firebreak makes at most so many times the allocations of than.
func allocationsTo(group, than string, most float64) aim {
	return aim{heading(group) + ": allocations to those of " + than, most, "%.2f", func(r *results) float64 {
		allocs := func(s sample) float64 { return s.allocs }
		return r.median(group, ours, allocs) / r.median(group, than, allocs)
	}}
}

func part(who string) string {
	if who == ours {
		return ""
	}
	return ", " + who
}

// row returns the line of a in the table.
func (a aim) row(r *results) string {
	got := a.got(r)
	measured, verdict := fmt.Sprintf(a.format, got), "met"
	switch {
	case math.IsNaN(got):
		measured, verdict = "not run", "**missed**"
	case got > a.most:
		verdict = "**missed**"
	}
	return fmt.Sprintf("| %s | "+a.format+" | %s | %s |\n", a.what, a.most, measured, verdict)
}
