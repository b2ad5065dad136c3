// Package database is what the servers of the programs wait for, as most servers do: a
// database that cannot do everything at once.
package database

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// What a DB can do: each of its connections is held for QueryTime on average.
const (
	Connections = 8
	QueryTime   = 50 * time.Millisecond
	Capacity    = float64(Connections) * float64(time.Second) / float64(QueryTime) // queries per second
)

// A DB answers queries over the connections of a pool. It is safe for concurrent use.
type DB struct {
	pool *pool

	mu  sync.Mutex // guards the field below
	use Use
}

// A Use is how long connections were held.
type Use struct {
	All    time.Duration
	Wasted time.Duration // of it, for callers who had left before their answer
}

// Since returns what was used after before.
func (u Use) Since(before Use) Use {
	return Use{All: u.All - before.All, Wasted: u.Wasted - before.Wasted}
}

// New returns a DB. With random, who gets the next free connection is any of those who
// wait for one, as with database/sql, or else who has waited longest.
func New(random bool) *DB { return &DB{pool: newPool(Connections, random)} }

// Query waits for a connection, and then for the answer. It fails only with its context,
// and then at once.
func (db *DB) Query(ctx context.Context) error {
	if err := db.pool.acquire(ctx); err != nil {
		return err
	}
	begin := time.Now()
	defer func() {
		db.pool.release()
		db.held(time.Since(begin), ctx.Err() != nil)
	}()
	timer := time.NewTimer(QueryTime/2 + rand.N(QueryTime)) // spread by a half either way
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (db *DB) held(d time.Duration, wasted bool) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.use.All += d
	if wasted {
		db.use.Wasted += d
	}
}

// Used returns the use so far.
func (db *DB) Used() Use {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.use
}
