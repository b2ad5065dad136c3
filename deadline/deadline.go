// Package deadline finds the calls of a running service that have no deadline: what
// no reading of the code can know, because the context comes from afar, through an
// interface, or from a library.
//
// An [Auditor] looks at the contexts of calls, through wrappers of what makes them:
//
//	auditor := deadline.New(deadline.Config{})
//	client := &http.Client{Transport: auditor.RoundTripper(nil)}
//	server := &http.Server{Handler: auditor.Middleware(mux), ReadHeaderTimeout: 10 * time.Second}
//	db := sql.OpenDB(auditor.Connector(connector))
//	http.Handle("GET /debug/deadlines", auditor) // the report
//
// For everything else there are [Auditor.Begin] and [Auditor.Check]. A call whose
// context has a deadline costs some nanoseconds. One that has none is counted at its
// call site, which is where the code of the service, and not of a library, made it:
// how often, how long, to whom, and what hangs right now.
//
// First an Auditor observes. At the level [Warn] it logs each site once, and at
// [Enforce] it gives the calls the deadline that they lack, or refuses them. What has
// no deadline by design says so: [Unbounded].
package deadline

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/internal/stack"
)

// ErrNoDeadline is the sentinel of a call that was refused because its context has no
// deadline. It comes in a [*firebreak.RejectedError]: nothing was sent.
var ErrNoDeadline = errors.New("context has no deadline")

// An Auditor notes the calls that are made without a deadline. It is safe for
// concurrent use, holds a bounded amount of memory whatever is called, and has no
// goroutine: a timer looks after calls that hang, while there are any without a
// deadline. One Auditor is meant to look at a whole process.
//
// As an [http.Handler] it shows its [Report]: a page, or JSON if the request has
// format=json in its query or asks for application/json. The report names functions
// and hosts; do not show it to strangers.
type Auditor struct {
	cfg     Config
	start   time.Time // what all times are since
	skip    []string  // packages whose frames are not a site, with what is below them
	missing metric.Int64Counter

	detached context.Context //nolint:containedctx // of what is noted when that of the call is not at hand

	operations operations
	flights    flights
	watching   atomic.Bool           // the timer of the watchdog runs
	known      atomic.Pointer[table] // sites by what a call site looks like; replaced when some are evicted
	crowded    atomic.Bool           // there is room for no further site

	mu      sync.Mutex // guards the fields below
	sites   map[uint64]*site
	learned int           // sites that were ever found
	evicted int           // sites that were given up for others
	cleared time.Duration // when that was
}

// New returns an Auditor. It panics with all problems if cfg is not valid.
func New(cfg Config) *Auditor {
	if err := cfg.Validate(); err != nil {
		panic(fmt.Errorf("deadline.New: %w", err))
	}
	cfg = cfg.withDefaults()
	a := &Auditor{cfg: cfg, start: time.Now(), skip: append(plumbing(), cfg.Wrappers...), sites: make(map[uint64]*site), detached: context.Background()}
	a.known.Store(newTable(cfg.MaxSites))
	a.initMetric()
	a.operations.init()
	a.flights.init()
	return a
}

// now is the time since the Auditor began: a monotonic clock fits into an atomic only
// as a duration, and is read in half the time.
func (a *Auditor) now() time.Duration { return time.Since(a.start) }

// Check notes a call under ctx that is about to be made, if ctx has no deadline. op
// names what is called, of low cardinality: "kafka.publish". It is for calls whose end
// cannot be seen, or that need no look at how long they take; all others [Auditor.Begin].
//
// The error is nil, or at the level [Enforce] with Refuse a [*firebreak.RejectedError]
// around [ErrNoDeadline]: do not make the call.
func (a *Auditor) Check(ctx context.Context, op string) error {
	o := a.operations.get(op)
	o.calls.Add(1)
	if _, ok := ctx.Deadline(); ok {
		return nil
	}
	var pcs [callFrames]uintptr
	n := stack.Callers(pcs[:])
	_, _, err := a.unbounded(ctx, o, "", pcs[:n], hook{refuses: true})
	return err
}

// Begin notes a call under ctx that is about to be made, if ctx has no deadline, and
// has it count as in flight until End of the [Op] is called. op names what is called
// and target whom, both of low cardinality: "kafka.publish" and "orders". target may
// be empty.
//
//	ctx, op, err := auditor.Begin(ctx, "kafka.publish", "orders")
//	if err != nil {
//		return err
//	}
//	defer op.End()
//
// The call has to be made with the context that Begin returns: at the level [Enforce]
// it has a deadline, which covers the call until End. The error is nil, or at that
// level with Refuse a [*firebreak.RejectedError] around [ErrNoDeadline].
func (a *Auditor) Begin(ctx context.Context, op, target string) (context.Context, Op, error) {
	o := a.operations.get(op)
	o.calls.Add(1)
	if _, ok := ctx.Deadline(); ok {
		return ctx, Op{}, nil
	}
	var pcs [callFrames]uintptr
	n := stack.Callers(pcs[:])
	return a.unbounded(ctx, o, target, pcs[:n], hook{tracks: true, adds: true, refuses: true})
}

// Note is Begin for what may be neither given a deadline nor refused: streams that
// live as long as they like, work that came in from others.
func (a *Auditor) Note(ctx context.Context, op, target string) Op {
	o := a.operations.get(op)
	o.calls.Add(1)
	if _, ok := ctx.Deadline(); ok {
		return Op{}
	}
	var pcs [callFrames]uintptr
	n := stack.Callers(pcs[:])
	_, noted, _ := a.unbounded(ctx, o, target, pcs[:n], hook{tracks: true})
	return noted
}

// An Op is a call that was begun with [Auditor.Begin] or [Auditor.Note]. The zero value is one that
// nobody looks at.
type Op struct {
	flight *flight
	number uint64 // of the flight, which serves other calls after this one
	cancel context.CancelFunc
}

// End says that the call is over. Only the first time has an effect.
func (o Op) End() {
	if o.cancel != nil {
		o.cancel()
	}
	o.land()
}

// none reports whether there is nothing that an end would end.
func (o Op) none() bool { return o.flight == nil && o.cancel == nil }

// land ends the flight, but not the context.
func (o Op) land() {
	if o.flight != nil {
		o.flight.land(o.number)
	}
}

// count has a call count that was begun with hook.later.
func (o Op) count(ctx context.Context) {
	if o.flight != nil {
		o.flight.count(ctx, o.number)
	}
}

// moveTo has the call be one of s.
func (o Op) moveTo(s *site) {
	if o.flight != nil {
		o.flight.moveTo(o.number, s)
	}
}

// hook is what a place that looks at calls knows of them.
type hook struct {
	tracks  bool // the end of the call will be told
	adds    bool // the call can be given a deadline
	refuses bool // the call can be refused
	later   bool // the call counts later: when that is said, or it took at least so long
	least   time.Duration
}

// unbounded notes a call that has no deadline. Its call site is what pcs says: each hook
// looks at the stack itself, for it knows how much is below it.
func (a *Auditor) unbounded(ctx context.Context, o *operation, target string, pcs []uintptr, h hook) (context.Context, Op, error) {
	return a.begin(ctx, a.site(o, a.reason(ctx, o, target), pcs), target, h)
}

// reason returns why the call has no deadline by design, or "".
func (a *Auditor) reason(ctx context.Context, o *operation, target string) string {
	if reason := reasonOf(ctx); reason != "" || a.cfg.Unbounded == nil {
		return reason
	}
	return a.cfg.Unbounded(o.name, target)
}

// begin notes a call of a site.
func (a *Auditor) begin(ctx context.Context, s *site, target string, h hook) (context.Context, Op, error) {
	now := a.now()
	act := a.action(s, h)
	if !h.later || act == refused {
		a.note(ctx, s, target, act, now)
	}
	if act == refused {
		return ctx, Op{}, s.refusal()
	}
	var op Op
	if h.tracks {
		op = a.fly(s, target, now, act, h)
	}
	if act == added {
		limit := a.cfg.DefaultDeadline
		ctx, op.cancel = context.WithTimeoutCause(ctx, limit, &firebreak.TimeoutError{After: limit, Scope: "call"})
	}
	return ctx, op, nil
}

// An action is what was done about a call.
type action int

const (
	observed action = iota // it went on as it was
	added                  // it got a deadline
	refused                // it was not made
)

func (d action) String() string {
	return [...]string{"observed", "added", "refused"}[d]
}

func (a *Auditor) action(s *site, h hook) action {
	switch {
	case a.cfg.Level != Enforce || s.reason != "":
		return observed
	case a.cfg.Refuse && h.refuses:
		return refused
	case h.adds && (!a.cfg.Refuse || !h.refuses):
		return added
	default:
		return observed
	}
}
