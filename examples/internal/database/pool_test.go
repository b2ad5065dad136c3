package database

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

// served has 20 wait for a connection and returns in which order they got it.
func served(t *testing.T, random bool) []int {
	t.Helper()
	p := newPool(1, random)
	if err := p.acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	var order []int
	var waiting sync.WaitGroup
	for i := range 20 {
		waiting.Go(func() {
			if err := p.acquire(t.Context()); err != nil {
				t.Error(err)
			}
			order = append(order, i) // who has the only connection is alone
			p.release()
		})
		synctest.Wait()
	}
	p.release()
	waiting.Wait()
	if p.free != 1 || len(p.waiting) != 0 {
		t.Errorf("at the end: got %d free and %d who wait, want 1 and none", p.free, len(p.waiting))
	}
	return order
}

func TestPoolServesInLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if got := served(t, false); !slices.IsSorted(got) || len(got) != 20 {
			t.Errorf("got %v, want 0 to 19 in order", got)
		}
	})
}

func TestPoolServesAtRandom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := served(t, true)
		if slices.IsSorted(got) { // by chance once in 10^18 times
			t.Errorf("got %v, want another order", got)
		}
		slices.Sort(got)
		for i, n := range got {
			if n != i {
				t.Fatalf("got %v, want each of 0 to 19 once", got)
			}
		}
	})
}

func TestPoolIsLeftWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(1, false)
		if err := p.acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error)
		go func() { failed <- p.acquire(ctx) }()
		synctest.Wait()
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
		if err := p.acquire(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("of a context that has ended: got %v, want %v", err, context.Canceled)
		}
		p.release()
		if p.free != 1 || len(p.waiting) != 0 {
			t.Errorf("got %d free and %d who wait, want 1 and none", p.free, len(p.waiting))
		}
	})
}

// A connection that comes when its context ends goes to the next.
func TestPoolLosesNoConnection(t *testing.T) {
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			p := newPool(1, false)
			if err := p.acquire(t.Context()); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			var users sync.WaitGroup
			users.Go(func() {
				if p.acquire(ctx) == nil {
					p.release()
				}
			})
			synctest.Wait()
			users.Go(cancel)
			users.Go(p.release)
			users.Wait()
			if p.free != 1 || len(p.waiting) != 0 {
				t.Fatalf("got %d free and %d who wait, want 1 and none", p.free, len(p.waiting))
			}
		})
	}
}
