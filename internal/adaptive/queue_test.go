package adaptive

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// dumbQueue does what queue does with a slice.
type dumbQueue []*Waiter

func (q *dumbQueue) push(w *Waiter) { *q = append(*q, w) }

func (q *dumbQueue) remove(w *Waiter) bool {
	i := slices.Index(*q, w)
	if i < 0 {
		return false
	}
	*q = slices.Delete(*q, i, i+1)
	return true
}

// best returns the first of those for whom no other is better.
func (q *dumbQueue) best(better func(a, b Class) bool) *Waiter {
	var best *Waiter
	for _, w := range *q {
		if best == nil || better(w.class, best.class) {
			best = w
		}
	}
	if best != nil {
		q.remove(best)
	}
	return best
}

func (q *dumbQueue) pop() *Waiter { return q.best(func(a, b Class) bool { return a < b }) }

func (q *dumbQueue) displace(c Class) *Waiter {
	worst := c
	for _, w := range *q {
		worst = max(worst, w.class)
	}
	if worst == c {
		return nil
	}
	return q.best(func(a, b Class) bool { return a > b })
}

func (q *dumbQueue) ahead(c Class) int {
	n := 0
	for _, w := range *q {
		if w.class <= c {
			n++
		}
	}
	return n
}

func TestQueueIsLikeADumbOne(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var q queue
	var dumb dumbQueue
	var all []*Waiter
	for i := range 20000 {
		c := Class(r.IntN(Classes))
		var got, want *Waiter
		switch op := r.IntN(10); {
		case op < 5-i/5000: // more come than leave, later the other way round
			w := &Waiter{class: c}
			all = append(all, w)
			q.push(w)
			dumb.push(w)
		case op < 7:
			got, want = q.pop(), dumb.pop()
		case op < 8:
			got, want = q.displace(c), dumb.displace(c)
		case len(all) > 0:
			w := all[r.IntN(len(all))]
			if got, want := q.remove(w), dumb.remove(w); got != want {
				t.Fatalf("step %d: remove returned %t, want %t", i, got, want)
			}
		}
		if got != want {
			t.Fatalf("step %d: got %p, want %p", i, got, want)
		}
		if got, want := q.ahead(c), dumb.ahead(c); got != want || q.waiting != len(dumb) {
			t.Fatalf("step %d: %d ahead of class %d and %d in all, want %d and %d", i, got, c, q.waiting, want, len(dumb))
		}
	}
}

// A queue that stands has less room than a burst, but for the most important class.
func TestRoomOfAStandingQueue(t *testing.T) {
	var r rooms
	r.adapt(32, 100, false)
	const later = time.Minute
	for c, want := range map[Class]int64{Critical: burstMin, Default: 16, Degraded: 16, BestEffort: 16} {
		if got := r.size(0, c); got != burstMin {
			t.Errorf("class %d, a burst: room for %d, want %d", c, got, burstMin)
		}
		if got := r.size(later, c); got != want {
			t.Errorf("class %d, a minute later: room for %d, want %d", c, got, want)
		}
	}
}
