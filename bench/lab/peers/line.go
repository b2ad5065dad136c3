package peers

import "github.com/firebreak-go/firebreak/bench/lab/sim"

// A line is a queue, first in, first out, that callers may leave.
type line struct{ waiting []*sim.Request }

func (l *line) len() int { return len(l.waiting) }

func (l *line) push(r *sim.Request) { l.waiting = append(l.waiting, r) }

// pop returns the first, who must be there.
func (l *line) pop() *sim.Request {
	first := l.waiting[0]
	l.waiting[0] = nil
	l.waiting = l.waiting[1:]
	return first
}

// remove removes one, if it is there: near the front as a rule, as those who came
// first give up first.
func (l *line) remove(r *sim.Request) {
	for i, other := range l.waiting {
		if other == r {
			copy(l.waiting[1:i+1], l.waiting[:i])
			l.waiting[0] = nil
			l.waiting = l.waiting[1:]
			return
		}
	}
}
