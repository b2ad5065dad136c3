package deadline

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// A histogram counts durations in classes of which each is twice as wide as the one
// before: under 1ms, under 2ms, and so on to 2¹⁹ms, which is under nine minutes, and
// the rest.
type histogram struct {
	classes [21]atomic.Int64
	longest atomic.Int64
}

func (h *histogram) record(d time.Duration) {
	class := min(bits.Len64(uint64(max(d, 0)/time.Millisecond)), len(h.classes)-1)
	h.classes[class].Add(1)
	h.seen(d)
}

func (h *histogram) seen(d time.Duration) {
	for {
		longest := h.longest.Load()
		if int64(d) <= longest || h.longest.CompareAndSwap(longest, int64(d)) {
			return
		}
	}
}

// merge adds what other has counted.
func (h *histogram) merge(other *histogram) {
	for i := range other.classes {
		h.classes[i].Add(other.classes[i].Load())
	}
	h.seen(time.Duration(other.longest.Load()))
}

// A Bucket counts calls by how long they took.
type Bucket struct {
	// Under is what they took less than, and no less than the half of, but for the
	// first; 0 for the last one, of those that took longer than all others.
	Under time.Duration `json:"under_ns"`
	Calls int64         `json:"calls"`
}

// buckets returns the classes that are not empty.
func (h *histogram) buckets() []Bucket {
	var buckets []Bucket
	for i := range h.classes {
		if n := h.classes[i].Load(); n > 0 {
			b := Bucket{Under: time.Millisecond << i, Calls: n}
			if i == len(h.classes)-1 {
				b.Under = 0
			}
			buckets = append(buckets, b)
		}
	}
	return buckets
}
