package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// progress says on w how far the runs are: on a terminal in one line that changes,
// elsewhere in a line every few seconds, so that a log stays short and a waiting
// reader still sees that it goes on. It is safe for concurrent use.
type progress struct {
	w        io.Writer
	terminal bool
	total    int
	now      func() time.Time

	mu    sync.Mutex // guards the fields below
	done  int
	last  time.Time // of the last line
	begin time.Time
}

const (
	onTerminal = 100 * time.Millisecond
	elsewhere  = 5 * time.Second
)

func newProgress(w *os.File, total int) *progress {
	info, err := w.Stat()
	p := &progress{w: w, terminal: err == nil && info.Mode()&os.ModeCharDevice != 0, total: total, now: time.Now}
	p.begin = p.now()
	p.last = p.begin
	return p
}

// finished counts a run.
func (p *progress) finished(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	now := p.now()
	every := elsewhere
	if p.terminal {
		every = onTerminal
	}
	if now.Sub(p.last) < every && p.done < p.total {
		return
	}
	p.last = now
	line := fmt.Sprintf("%3d %%  %d of %d runs, %v: %s", 100*p.done/p.total, p.done, p.total, now.Sub(p.begin).Round(time.Second), what)
	if p.terminal {
		fmt.Fprintf(p.w, "\r\x1b[K%.79s", line)
		return
	}
	fmt.Fprintln(p.w, line)
}

// end takes the line away.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.terminal {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
