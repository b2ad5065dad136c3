package bulkhead

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// dumbSlots does what slots does with a list of waiters, in linear time.
type dumbSlots struct {
	max, maxWaiting, taken int
	queue, granted         []*waiter
}

func (d *dumbSlots) take() bool {
	if d.taken == d.max {
		return false
	}
	d.taken++
	return true
}

func (d *dumbSlots) wait(w *waiter) bool {
	if len(d.queue) == d.maxWaiting {
		return false
	}
	d.queue = append(d.queue, w)
	return true
}

func (d *dumbSlots) leave(w *waiter) bool {
	i := slices.Index(d.queue, w)
	if i < 0 {
		return false
	}
	d.queue = slices.Delete(d.queue, i, i+1)
	return true
}

func (d *dumbSlots) free() {
	if len(d.queue) == 0 {
		d.taken--
		return
	}
	d.granted = append(d.granted, d.queue[0])
	d.queue = d.queue[1:]
}

func isGranted(w *waiter) bool {
	select {
	case <-w.granted:
		return true
	default:
		return false
	}
}

// Behaviour 224: "FIFO waiters, removal O(1), no lost wake-up when the head cancels.
// T: model test against a slow reference."
func TestA12_224_SlotsAgainstDumbModel(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 3))
		most, mostWaiting := 1+r.IntN(5), r.IntN(8)
		s, d := &slots{max: most, maxWaiting: mostWaiting}, &dumbSlots{max: most, maxWaiting: mostWaiting}
		var waiters []*waiter // all that ever waited
		for i := range 500 {
			switch r.IntN(5) {
			case 0, 1: // a call
				if got, want := s.take(), d.take(); got != want {
					t.Fatalf("seed %d, step %d: take is %t, want %t", seed, i, got, want)
				} else if got {
					continue
				}
				w := s.wait()
				if w == nil {
					w = new(waiter) // the model has to refuse it, too
				} else {
					waiters = append(waiters, w)
				}
				if got, want := w.queued, d.wait(w); got != want {
					t.Fatalf("seed %d, step %d: queued is %t, want %t", seed, i, got, want)
				}
			case 2, 3: // the end of a call
				if s.taken > 0 {
					s.free()
					d.free()
				}
			case 4: // someone leaves, who may have been granted a slot, or have left before
				if len(waiters) > 0 {
					w := waiters[r.IntN(len(waiters))]
					if got, want := s.leave(w), d.leave(w); got != want {
						t.Fatalf("seed %d, step %d: leave is %t, want %t", seed, i, got, want)
					}
				}
			}
			compare(t, s, d, waiters)
			if t.Failed() {
				t.Fatalf("seed %d, step %d, %d slots, queue of %d", seed, i, most, mostWaiting)
			}
		}
	}
}

// compare reports differences: the counts, the order in both directions, and who
// has been granted a slot.
func compare(t *testing.T, s *slots, d *dumbSlots, waiters []*waiter) {
	t.Helper()
	if s.taken != d.taken || s.waiting != len(d.queue) {
		t.Errorf("%d taken and %d waiting, want %d and %d", s.taken, s.waiting, d.taken, len(d.queue))
	}
	var forward, backward []*waiter
	for w := s.first; w != nil && len(forward) <= s.maxWaiting; w = w.next {
		forward = append(forward, w)
	}
	for w := s.last; w != nil && len(backward) <= s.maxWaiting; w = w.prev {
		backward = append(backward, w)
	}
	slices.Reverse(backward)
	if !slices.Equal(forward, d.queue) || !slices.Equal(backward, d.queue) {
		t.Errorf("the queue is %v forward and %v backward, want %v", forward, backward, d.queue)
	}
	if s.waiting > 0 && s.taken < s.max {
		t.Errorf("%d of %d taken while %d wait", s.taken, s.max, s.waiting)
	}
	for _, w := range waiters {
		if got, want := isGranted(w), slices.Contains(d.granted, w); got != want {
			t.Errorf("granted is %t, want %t", got, want)
		}
	}
}

// A waiter that left is not kept alive by the one that stays.
func TestSlotsForgetWhoLeft(t *testing.T) {
	s := &slots{max: 1, maxWaiting: 3}
	s.take()
	a, b, c := s.wait(), s.wait(), s.wait()
	s.leave(b)
	if a.next != c || c.prev != a || b.prev != nil || b.next != nil {
		t.Error("the middle one left, but is linked")
	}
	s.free()
	s.free()
	if s.first != nil || s.last != nil || s.waiting != 0 || s.taken != 1 {
		t.Errorf("%+v after all were granted a slot, want an empty queue and one slot taken", *s)
	}
}

// Behaviour 224: "removal O(1)": leaving from the middle of a long queue takes as long
// as from that of a short one.
func BenchmarkSlotsLeave(b *testing.B) {
	for _, waiting := range []int{10, 100_000} {
		b.Run(map[int]string{10: "10 waiting", 100_000: "100000 waiting"}[waiting], func(b *testing.B) {
			s := &slots{max: 1, maxWaiting: waiting + 1}
			s.take()
			var middle *waiter
			for i := range waiting {
				if w := s.wait(); i == waiting/2 {
					middle = w
				}
			}
			for b.Loop() {
				s.leave(middle)
				middle = s.wait()
			}
		})
	}
}
