package main

import (
	"io"

	"github.com/firebreak-go/firebreak/examples/internal/console"
)

// A progress shows how the load at hand goes, in one line of a terminal that changes.
// Elsewhere it shows nothing: a row of the table comes every few seconds.
type progress struct{ *console.Line }

func newProgress(out io.Writer) progress { return progress{console.NewLine(out)} }

// show shows the load that t counts.
func (p progress) show(t *tally) {
	r, inFlight := t.now()
	if r.came() == 0 {
		p.Showf("%5s  %-9s  warming up", times(r.load), r.server)
		return
	}
	p.Showf("%5s  %-9s  %d came, %d good, %d refused, %d wait",
		times(r.load), r.server, r.came(), r.total(good), r.total(refused), inFlight)
}
