package database

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestCapacity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := New(false)
		const queries = 4000
		begin := time.Now()
		var all sync.WaitGroup
		for range queries {
			all.Go(func() {
				if err := db.Query(t.Context()); err != nil {
					t.Errorf("got %v, want an answer", err)
				}
			})
		}
		all.Wait()
		if rate := queries / time.Since(begin).Seconds(); rate < 0.97*Capacity || rate > 1.03*Capacity {
			t.Errorf("got %.1f answers/s, want %v", rate, Capacity)
		}
		if u := db.Used(); u.Wasted != 0 || u.All > time.Since(begin)*Connections {
			t.Errorf("got use %+v in %v, want nothing wasted", u, time.Since(begin))
		}
	})
}

// What is held for a caller who leaves is given back at once, and was wasted.
func TestQueryHeedsItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := New(false)
		const stays = 10 * time.Millisecond
		before := db.Used()
		var all sync.WaitGroup
		for range 2 * Connections {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), stays)
				defer cancel()
				if err := db.Query(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
				}
			})
		}
		begin := time.Now()
		all.Wait()
		want := Use{All: Connections * stays, Wasted: Connections * stays}
		got := db.Used().Since(before)
		if took := time.Since(begin); took != stays || got != want || db.pool.free != Connections {
			t.Errorf("got use %+v and %d free connections after %v, want %+v and %d after %v", got, db.pool.free, took, want, Connections, stays)
		}
	})
}
