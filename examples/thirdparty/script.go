package main

import (
	"fmt"
	"time"
)

// A phase is a stretch of the run.
type phase struct {
	name  string
	mode  mode
	again bool // the third party is well again after the phase before
	begin time.Duration
	end   time.Duration
}

// script returns the phases of a run that lasts total: each trouble, and a stretch
// in which the third party is well again.
func script(total time.Duration) []phase {
	const parts = 48
	var phases []phase
	at := 0
	add := func(name string, m mode, again bool, length int) {
		phases = append(phases, phase{
			name: name, mode: m, again: again,
			begin: share(total, at, parts),
			end:   share(total, at+length, parts),
		})
		at += length
	}
	add(well.String(), well, false, 4)
	for _, t := range []struct {
		mode         mode
		lasts, again int
	}{{slow, 7, 2}, {hanging, 6, 7}, {failing, 5, 2}, {overloaded, 7, 3}, {resetting, 3, 2}} {
		add(t.mode.String(), t.mode, false, t.lasts)
		add("well again", well, true, t.again)
	}
	return phases
}

// quarters returns the phases of a run against a real address, of whose state
// nothing is known.
func quarters(total time.Duration) []phase {
	phases := make([]phase, 4)
	for i := range phases {
		phases[i] = phase{name: fmt.Sprintf("quarter %d", i+1), begin: share(total, i, 4), end: share(total, i+1, 4)}
	}
	return phases
}

// share returns n of the parts of total.
func share(total time.Duration, n, parts int) time.Duration {
	return time.Duration(int64(total) * int64(n) / int64(parts))
}
