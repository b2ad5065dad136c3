package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// What the service can do: each of its connections is held for 50ms on average.
const (
	connections = 8
	queryTime   = 50 * time.Millisecond
	capacity    = float64(connections) * float64(time.Second) / float64(queryTime) // requests per second
)

// pageSize is how much is hashed for an answer: some tenths of a millisecond of CPU.
const pageSize = 256 << 10

// A service answers requests as many do: with a query over a connection of a pool, and
// some computing. It heeds the context of the request in all that it does: nothing is
// begun, or gone on with, for a caller of whom it knows that he has left.
type service struct {
	pool *pool
	page []byte

	mu  sync.Mutex // guards the field below
	use use
}

// A use is how long connections were held.
type use struct {
	all    time.Duration
	wasted time.Duration // of it, for callers who had left before their answer
}

func (u use) since(before use) use {
	return use{all: u.all - before.all, wasted: u.wasted - before.wasted}
}

func newService(random bool) *service {
	return &service{pool: newPool(connections, random), page: make([]byte, pageSize)}
}

// ServeHTTP implements [http.Handler].
func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := s.query(r.Context()); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable) // mostly to nobody
		return
	}
	sum := sha256.Sum256(s.page)
	_, _ = io.WriteString(w, hex.EncodeToString(sum[:])) // a client that is gone is no news
}

func (s *service) query(ctx context.Context) error {
	if err := s.pool.acquire(ctx); err != nil {
		return err
	}
	begin := time.Now()
	defer func() {
		s.pool.release()
		s.held(time.Since(begin), ctx.Err() != nil)
	}()
	timer := time.NewTimer(queryTime/2 + rand.N(queryTime)) // spread by a half either way
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *service) held(d time.Duration, wasted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.use.all += d
	if wasted {
		s.use.wasted += d
	}
}

// used returns the use so far.
func (s *service) used() use {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.use
}
