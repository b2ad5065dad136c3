package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// progressAfter is how long a run takes before it says what it does.
const progressAfter = 2 * time.Second

// A progress says on a terminal what takes so long, in a line that is gone in the end. Its
// methods do nothing on a nil progress.
type progress struct {
	out   io.Writer
	began time.Time
	done  chan struct{}
	ended sync.WaitGroup
	once  sync.Once

	mu   sync.Mutex
	what string // guarded by mu
}

// startProgress returns the progress of c, or nil if nobody would see it.
func startProgress(c *command) *progress {
	if !c.terminal {
		return nil
	}
	p := &progress{out: c.stderr, began: time.Now(), done: make(chan struct{})}
	p.ended.Go(p.print)
	return p
}

func (p *progress) print() {
	first := time.NewTimer(progressAfter)
	defer first.Stop()
	select {
	case <-first.C:
	case <-p.done:
		return
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		p.mu.Lock()
		what := p.what
		p.mu.Unlock()
		fmt.Fprintf(p.out, "\r\x1b[K%s (%.0fs)", what, time.Since(p.began).Seconds())
		select {
		case <-tick.C:
		case <-p.done:
			fmt.Fprint(p.out, "\r\x1b[K")
			return
		}
	}
}

// say sets what is done now.
func (p *progress) say(what string) {
	if p == nil {
		return
	}
	p.mu.Lock()
	p.what = what
	p.mu.Unlock()
}

// stop takes the line away.
func (p *progress) stop() {
	if p == nil {
		return
	}
	p.once.Do(func() {
		close(p.done)
		p.ended.Wait()
	})
}
