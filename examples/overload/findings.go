package main

import (
	"fmt"

	"github.com/firebreak-go/firebreak/examples/internal/console"
)

// findings says in a few sentences what is to be seen in the rows: at the highest load
// that both servers had, and at those that a server can carry. It says what was measured
// also where that is no praise.
func findings(rows []row) []string {
	last := len(rows) / 2 * 2
	if last == 0 {
		return nil
	}
	a, b := rows[last-2], rows[last-1]
	all := []string{fmt.Sprintf(
		"At %s the plain server gave %.0f good answers/s, and answered %s of the critical callers in time; with firebreak it was %.0f/s, and %s.",
		times(b.load), a.rate(a.total(good)), console.Percent(a.counts[critical][good], a.offered[critical]),
		b.rate(b.total(good)), console.Percent(b.counts[critical][good], b.offered[critical]))}
	if n := b.total(refused); n > 0 {
		all = append(all, fmt.Sprintf(
			"The price: firebreak refused %s of the callers there, and %s of the critical ones, half of them within %s, 99 of 100 within %s. The plain server had %s wait %v for nothing.",
			console.Percent(n, b.came()), console.Percent(b.counts[critical][refused], b.offered[critical]), console.Short(b.refusal[0]), console.Short(b.refusal[1]),
			console.Percent(a.total(late), a.came()), patience))
	}
	came, turned := 0, 0
	for _, r := range rows[:last] {
		if r.server == protected && r.load < 1 {
			came += r.came()
			turned += r.total(refused)
		}
	}
	if came > 0 {
		all = append(all, fmt.Sprintf("At the loads under 1×, which the server can carry, firebreak refused %d of %d callers.", turned, came))
	}
	return all
}
