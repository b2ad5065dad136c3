package database

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
)

// A pool lends connections. Who finds none free waits, until one is or the context ends.
type pool struct {
	random bool // the next is any of those who wait, or else who has waited longest

	mu      sync.Mutex // guards the fields below
	free    int
	waiting []chan struct{} // in the order in which they came; closed when it has one
}

func newPool(connections int, random bool) *pool { return &pool{random: random, free: connections} }

// acquire takes a connection. It fails only with its context.
func (p *pool) acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.mu.Lock()
	if p.free > 0 {
		p.free--
		p.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	p.waiting = append(p.waiting, turn)
	p.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	i := slices.Index(p.waiting, turn)
	if i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	}
	p.mu.Unlock()
	if i < 0 { // it came at the same moment
		p.release()
	}
	return ctx.Err()
}

// release gives a connection back.
func (p *pool) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == 0 {
		p.free++
		return
	}
	next := 0
	if p.random {
		next = rand.IntN(len(p.waiting))
	}
	close(p.waiting[next])
	p.waiting = slices.Delete(p.waiting, next, next+1)
}
