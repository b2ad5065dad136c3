package firebreak

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// An EventKind says what a policy did.
type EventKind int

const (
	// EventRetry is a wait before another attempt. Attempt is the number of that
	// attempt; Err is what ended the attempt before.
	EventRetry EventKind = iota + 1
	// EventReject is an attempt that a policy did not let happen.
	EventReject
	// EventTimeout is a call or an attempt, Reason says which, that took longer
	// than the limit, which is Duration.
	EventTimeout
	// EventTransition is a change of state, From one To another.
	EventTransition
	// EventWait is a wait in a queue.
	EventWait
	// EventShadow is an attempt that a policy would not have let happen, were it not
	// there to look on only.
	EventShadow
)

// String returns the kind in lower case: "retry", "reject", "timeout",
// "transition", "wait", "shadow".
func (k EventKind) String() string {
	switch k {
	case EventRetry:
		return "retry"
	case EventReject:
		return "reject"
	case EventTimeout:
		return "timeout"
	case EventTransition:
		return "transition"
	case EventWait:
		return "wait"
	case EventShadow:
		return "shadow"
	default:
		return "unknown"
	}
}

// An Event is one decision of a policy. Fields that say nothing of it are zero.
type Event struct {
	Kind    EventKind
	Time    time.Time // when it ended
	Stack   string    // name of the Stack
	Op      string    // Call.Op
	Target  string    // Call.Target
	Attempt int       // Call.Attempt

	Priority Priority // of the call, by its context

	Policy   string        // kind of the policy: "retry", "breaker"
	Reason   string        // why, in a word of a closed set
	Duration time.Duration // how long it took: a wait's; the limit that a timeout passed
	From, To string        // states of an EventTransition

	RetryAfter   time.Duration // of an EventReject or EventShadow
	Limit, Usage int           // of an EventReject or EventShadow
	Err          error         // the failure behind it, or nil

	// Dropped is how many events the subscriber missed before this one, because
	// it was slower than they came.
	Dropped uint64
}

// Emit makes a decision of a policy visible: to subscribers, in the trace and in
// the metrics. Time, Stack, Op, Target, Priority and, where it is 0, Attempt are
// filled in.
// It never blocks.
func (c Call) Emit(ctx context.Context, e Event) { c.Origin().Emit(ctx, e) }

// Emit does what [Call.Emit] does.
func (o Origin) Emit(ctx context.Context, e Event) {
	if o.root == nil && subscribers.Load() == nil {
		return // nobody is told of a call outside of a Stack
	}
	e.Time = time.Now()
	e.Op, e.Target = o.op, o.target
	e.Priority = PriorityOf(ctx)
	if e.Attempt == 0 {
		e.Attempt = o.attempt
	}
	if o.root != nil {
		e.Stack = o.root.stack.name
		o.root.tel.emitted(ctx, e)
	}
	if list := subscribers.Load(); list != nil {
		for _, s := range *list {
			s.offer(e)
		}
	}
}

// Reject emits that a policy rejects the call, and returns rejection with its
// Stack filled in.
func (c Call) Reject(ctx context.Context, rejection *RejectedError) error {
	rejection.Stack = c.Stack()
	c.emitRejection(ctx, EventReject, rejection)
	return rejection
}

// Shadow emits that a policy would have rejected the call, were it not there to look
// on only.
func (c Call) Shadow(ctx context.Context, rejection *RejectedError) {
	c.emitRejection(ctx, EventShadow, rejection)
}

func (c Call) emitRejection(ctx context.Context, kind EventKind, rejection *RejectedError) {
	c.Emit(ctx, Event{
		Kind: kind, Policy: rejection.Policy, Reason: rejection.Reason,
		RetryAfter: rejection.RetryAfter, Limit: rejection.Limit, Usage: rejection.Usage, Err: rejection.Cause,
	})
}

func (o Origin) timedOut(ctx context.Context, err *TimeoutError) {
	o.Emit(ctx, Event{Kind: EventTimeout, Policy: "timeout", Reason: err.Scope, Duration: err.After})
}

// subscribers is nil while there are none, and copied on each change.
var (
	subscribers   atomic.Pointer[[]*subscriber]
	subscribersMu sync.Mutex // serializes changes
)

// queueSize is how many events a subscriber may be behind.
const queueSize = 1024

// Subscribe calls f with each event of all Stacks, one at a time, in a goroutine
// of its own that cancel ends. It never holds up a call: a subscriber that falls
// 1,024 events behind misses the next ones, and learns how many from Dropped.
// After cancel no call of f begins; one may still be running. It panics if f is nil.
func Subscribe(f func(Event)) (cancel func()) {
	if f == nil {
		panic("firebreak.Subscribe: f is nil, want a function") // here, and not in a goroutine at the first event
	}
	s := &subscriber{events: make(chan Event, queueSize), stop: make(chan struct{})}
	change(func(list []*subscriber) []*subscriber { return append(list, s) })
	go s.deliver(f)
	return sync.OnceFunc(func() {
		change(func(list []*subscriber) []*subscriber {
			var rest []*subscriber
			for _, other := range list {
				if other != s {
					rest = append(rest, other)
				}
			}
			return rest
		})
		close(s.stop)
	})
}

func change(edit func([]*subscriber) []*subscriber) {
	subscribersMu.Lock()
	defer subscribersMu.Unlock()
	var list []*subscriber
	if old := subscribers.Load(); old != nil {
		list = append(list, *old...)
	}
	if list = edit(list); len(list) == 0 {
		subscribers.Store(nil)
		return
	}
	subscribers.Store(&list)
}

type subscriber struct {
	events  chan Event
	stop    chan struct{}
	dropped atomic.Uint64 // since the last event that found room
}

func (s *subscriber) offer(e Event) {
	e.Dropped = s.dropped.Swap(0)
	select {
	case s.events <- e:
	default:
		s.dropped.Add(e.Dropped + 1)
	}
}

func (s *subscriber) deliver(f func(Event)) {
	for {
		select {
		case <-s.stop:
			return
		default:
		}
		select {
		case <-s.stop:
			return
		case e := <-s.events:
			f(e)
		}
	}
}
