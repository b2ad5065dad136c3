package main

import (
	"fmt"
	"slices"

	"github.com/firebreak-go/firebreak/examples/internal/console"
	"github.com/firebreak-go/firebreak/examples/internal/traffic"
)

// A result is what both sides had of a phase.
type result struct {
	phase phase
	rows  [2]func(of ...method) row
	count [2]counts
}

// results returns what the sides had of the first n phases.
func results(phases []phase, n int, sides []*side) []result {
	all := make([]result, n)
	for i := range all {
		r := result{phase: phases[i]}
		for k, s := range sides {
			r.rows[k] = func(of ...method) row { return s.tally.row(i, of...) }
			r.count[k] = s.service.counted(i)
		}
		all[i] = r
	}
	return all
}

// findings says in a few sentences what is to be seen in the table, and what the table
// does not show. It says what was measured also where that is no praise.
func findings(all []result) []string {
	var said []string
	for _, r := range all {
		switch {
		case r.phase.mode == slow:
			said = append(said, slowly(r))
		case r.phase.mode == failing:
			said = append(said, ordered(r), streamed(r), pushedBack(r))
		case r.phase.mode == down:
			said = append(said, closed(r))
		case r.phase.load > 1:
			said = append(said, overloaded(r)...)
		default:
			said = append(said, healthy(r))
		}
	}
	return said
}

func (r result) good(side int, of ...method) string {
	got := r.rows[side](of...)
	return console.Percent(got.counts[good], got.came)
}

var every = []method{getItem, listItems, quotePrices, placeOrder}

func healthy(r result) string {
	return fmt.Sprintf("%s: %s of the calls were good with firebreak, %s without; the median was %s and %s.",
		r.phase.name, r.good(protected, every...), r.good(plain, every...),
		console.Short(r.rows[protected](every...).p50), console.Short(r.rows[plain](every...).p50))
}

func slowly(r result) string {
	held := func(side int) string {
		all := slices.Sorted(slices.Values(r.count[side].hung))
		return console.Short(traffic.Quantile(all, 0.5))
	}
	return fmt.Sprintf(
		"slow: with firebreak each attempt has a deadline of its own, which the server knows, too: half of the handlers that hung were let go within %s, the reads were made again, and %s of them were good. Without, half hung for up to %s, no time was left, and it was %s. No help for PlaceOrder, which is not made again (%s good with firebreak, %s without), nor for QuotePrices, of which firebreak cannot tell what was sent before (%s and %s).",
		held(protected), r.good(protected, getItem, listItems), held(plain), r.good(plain, getItem, listItems),
		r.good(protected, placeOrder), r.good(plain, placeOrder), r.good(protected, quotePrices), r.good(plain, quotePrices))
}

func ordered(r result) string {
	return fmt.Sprintf(
		"failing: without firebreak %d of %d orders were placed again, unasked: the service config is that of all methods. With firebreak %d of %d. The price: %s of those who ordered got an error, and have to look whether the order stands; without, %s. A service config that names the methods one by one can have the same.",
		r.count[plain].again, r.count[plain].orders, r.count[protected].again, r.count[protected].orders,
		bad(r.rows[protected](placeOrder)), bad(r.rows[plain](placeOrder)))
}

func bad(r row) string { return console.Percent(r.came-r.counts[good], r.came) }

func streamed(r result) string {
	return fmt.Sprintf(
		"failing: grpc-go keeps what a client streams and sends it again: %s of the quotes were good. firebreak sends it once: %s. GetItem and ListItems are made again by both: %s good with firebreak, %s without.",
		r.good(plain, quotePrices), r.good(protected, quotePrices), r.good(protected, getItem, listItems), r.good(plain, getItem, listItems))
}

func pushedBack(r result) string {
	return fmt.Sprintf("failing: both wait as long as the server says (grpc-retry-pushback-ms): earlier than after %v came %d of %d repeats with firebreak, %d of %d without.",
		pushback, r.count[protected].early, r.count[protected].repeats, r.count[plain].early, r.count[plain].repeats)
}

func closed(r result) string {
	per := func(side int) string {
		runs := 0
		for _, n := range r.count[side].runs {
			runs += n
		}
		return fmt.Sprintf("%.1f", float64(runs)/float64(max(1, r.rows[side](every...).came)))
	}
	return fmt.Sprintf(
		"down: there is no answer to be had. With firebreak, whose breaker opens, a call cost the server %s attempts, and half of the callers knew within %s; without, %s attempts, and %s.",
		per(protected), console.Short(r.rows[protected](every...).p50), per(plain), console.Short(r.rows[plain](every...).p50))
}

func overloaded(r result) []string {
	a, b := r.rows[plain](every...), r.rows[protected](every...)
	seconds := (r.phase.end - r.phase.begin).Seconds()
	said := []string{fmt.Sprintf(
		"overloaded: %.0f good answers/s with firebreak, %.0f without; %s of the orders, which are critical, were good with firebreak, %s without.",
		float64(b.counts[good])/seconds, float64(a.counts[good])/seconds, r.good(protected, placeOrder), r.good(plain, placeOrder))}
	if n := b.counts[refused]; n > 0 {
		said = append(said, fmt.Sprintf(
			"The price: with firebreak the server refused %s of the calls (RESOURCE_EXHAUSTED, and when to come back), half of them within %s. Without, %s waited %v for nothing.",
			console.Percent(n, b.came), console.Short(b.refusal), console.Percent(a.counts[late], a.came), patience))
	}
	return said
}

// remarks are what a reader has to know of the run beside the table.
func remarks(sides []*side) []string {
	var all []string
	for _, s := range sides {
		capped, lag := s.tally.trouble()
		if capped > 0 {
			all = append(all, fmt.Sprintf("%s: %d callers did not come, because %d others were there.", s.name, capped, maxInFlight))
		}
		if lag > patience/20 {
			all = append(all, fmt.Sprintf("%s: callers came up to %s too late, because the machine was busy.", s.name, console.Short(lag)))
		}
	}
	return all
}
