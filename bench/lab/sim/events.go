package sim

import "time"

// event is something that happens at a time: a caller of a request leaves, a client
// comes again, or a function is called.
type event struct {
	at    time.Duration
	order uint64 // those of the same time happen in the order in which they were made
	kind  kind
	r     *Request
	call  func(now time.Duration)
}

type kind uint8

const (
	leaving kind = iota
	coming
	calling
)

// events is a heap, the next one first.
type events struct {
	heap []event
	made uint64
}

func (e *events) before(i, j int) bool {
	a, b := &e.heap[i], &e.heap[j]
	return a.at < b.at || a.at == b.at && a.order < b.order
}

func (e *events) add(ev event) {
	e.made++
	ev.order = e.made
	e.heap = append(e.heap, ev)
	for i := len(e.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if !e.before(i, up) {
			return
		}
		e.heap[i], e.heap[up] = e.heap[up], e.heap[i]
		i = up
	}
}

// next returns the time of the next event.
func (e *events) next() time.Duration {
	if len(e.heap) == 0 {
		return idle
	}
	return e.heap[0].at
}

// pop takes out the next event, which must be there.
func (e *events) pop() event {
	first, n := e.heap[0], len(e.heap)-1
	e.heap[0] = e.heap[n]
	e.heap[n] = event{}
	e.heap = e.heap[:n]
	for i := 0; ; {
		down := 2*i + 1
		if down >= n {
			return first
		}
		if down+1 < n && e.before(down+1, down) {
			down++
		}
		if !e.before(down, i) {
			return first
		}
		e.heap[i], e.heap[down] = e.heap[down], e.heap[i]
		i = down
	}
}
