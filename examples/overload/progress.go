package main

import (
	"fmt"
	"io"
	"os"
)

// A progress shows how the load at hand goes, in one line of a terminal that changes.
// Elsewhere it shows nothing: a row of the table comes every few seconds.
type progress struct {
	out      io.Writer
	terminal bool
}

func newProgress(out io.Writer) *progress { return &progress{out: out, terminal: isTerminal(out)} }

func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// show shows the load that t counts.
func (p *progress) show(t *tally) {
	if !p.terminal {
		return
	}
	r, inFlight := t.now()
	if r.came() == 0 {
		fmt.Fprintf(p.out, "\r%5s  %-9s  warming up\x1b[K", times(r.load), r.server)
		return
	}
	fmt.Fprintf(p.out, "\r%5s  %-9s  %d came, %d good, %d refused, %d wait\x1b[K",
		times(r.load), r.server, r.came(), r.total(good), r.total(refused), inFlight)
}

// clear takes the line away.
func (p *progress) clear() {
	if p.terminal {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
