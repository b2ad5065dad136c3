package firebreak

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

// A Stack is a fixed list of policies, outermost first, with a name under which
// its calls show in telemetry. It is safe for concurrent use. A Stack is itself a
// [Policy]: one may stand in another, for instance one per key in [Keyed].
type Stack struct {
	name      string
	layers    []layer
	enter     Handler    // the first layer
	providers *providers // nil for the global ones

	once sync.Once
	root *root // made by the first call
}

// layer is a policy in its place.
type layer struct {
	policy     Policy
	next       Handler
	deferLimit bool // a timeout that may leave its deadline to one further in
	place      int  // from 1 on in the chain of a root, else 0
}

func (l *layer) do(ctx context.Context, c Call) (any, error) {
	c.deferLimit = l.deferLimit
	reserved, early := c.state.ticket.take(l)
	if reserved != nil {
		return reserved.Do(ctx, c, l.next)
	}
	c.early = early
	return l.policy.Do(ctx, c, l.next)
}

// providers are a Stack's own.
type providers struct {
	tracer trace.TracerProvider
	meter  metric.MeterProvider
}

// root is what a Stack has that calls enter from outside, and not only from
// another Stack: few of those that stand in a [Keyed] do.
type root struct {
	stack     *Stack
	enter     Handler // the chain, with the default timeout around it if there is none
	front     []Reserver
	unbounded bool // a policy says that there is no deadline
	tel       *telemetry
}

// New returns a Stack of policies, outermost first. Its name, the dependency's or
// the server's, must be of low cardinality: it is an attribute of every metric.
//
// A Stack without a timeout gets one of [DefaultTimeout] around all others; one
// with a timeout only inside of a retry limits the attempts, but not the call. The
// order in which policies of a client make sense is: timeout of the whole call,
// retry, breaker, bulkhead, timeout of each attempt.
//
// New panics with all problems, and the order that was meant, if a policy is nil
// or stands in the Stack twice, if the order cannot be meant, or if a timeout
// cannot take effect.
func New(name string, policies ...Policy) *Stack {
	if err := checkOrder(name, policies); err != nil {
		panic(err)
	}
	return newStack(name, policies, nil)
}

// WithProviders returns a Stack of the same policies, with their state, that
// reports to tp and mp instead of the global providers. Either may be nil.
func (s *Stack) WithProviders(tp trace.TracerProvider, mp metric.MeterProvider) *Stack {
	return newStack(s.name, s.policies(), &providers{tracer: tp, meter: mp})
}

func newStack(name string, policies []Policy, own *providers) *Stack {
	layers, enter := chain(policies)
	return &Stack{name: name, layers: layers, enter: enter, providers: own}
}

func (s *Stack) policies() []Policy {
	policies := make([]Policy, len(s.layers))
	for i := range s.layers {
		policies[i] = s.layers[i].policy
	}
	return policies
}

func (s *Stack) asRoot() *root {
	if s == nil {
		panic("firebreak: the Stack is nil, want one of firebreak.New")
	}
	s.once.Do(func() {
		own := s.providers
		if own == nil {
			own = new(providers)
		}
		policies := s.bounded()
		layers, enter := chain(policies)
		for i := range layers {
			layers[i].place = i + 1
		}
		s.root = &root{
			stack: s, enter: enter, front: front(policies), unbounded: namesUnbounded(describeAll(policies)),
			tel: newTelemetry(s, own.tracer, own.meter),
		}
	})
	return s.root
}

// bounded returns the policies, with the default timeout around them if none of
// them is a timeout.
func (s *Stack) bounded() []Policy {
	policies := s.policies()
	if hasTimeout(describeAll(policies)) {
		return policies
	}
	return append([]Policy{newDefaultTimeout()}, policies...)
}

// chain links the policies. It ends in the call's own terminal, so that no
// closure has to be made for a call.
func chain(policies []Policy) (layers []layer, enter Handler) {
	descs := describeAll(policies)
	layers = make([]layer, len(policies))
	enter = end
	for i := len(policies) - 1; i >= 0; i-- {
		layers[i] = layer{policy: policies[i], next: enter, deferLimit: mergesInto(descs, i)}
		enter = layers[i].do
	}
	return layers, enter
}

func end(ctx context.Context, c Call) (any, error) {
	if c.terminal == nil {
		panic("firebreak: a policy passed on a new Call instead of the one it was given")
	}
	return c.terminal(ctx, c)
}

// mergesInto reports whether the timeout at i may leave its deadline to one
// further in: all policies between heed [Call.Deadline].
func mergesInto(descs []Description, i int) bool {
	if descs[i].Kind != KindTimeout || descs[i].Timeout == 0 {
		return false
	}
	for _, d := range descs[i+1:] {
		if d.Kind == KindTimeout && d.Timeout > 0 {
			return true
		}
		if !d.heedsDeadline() {
			return false
		}
	}
	return false
}

// Name returns the name of the Stack.
func (s *Stack) Name() string { return s.name }

// String returns the pipeline as it takes effect, outermost first, as in
// "payments: timeout 10s → retry 3 attempts → breaker → bulkhead 64 → timeout 2s".
func (s *Stack) String() string {
	return s.name + ": " + pipeline(describeAll(s.bounded()))
}

// Describe implements [Describer].
func (s *Stack) Describe() Description {
	inner := describeAll(s.policies())
	return Description{Kind: KindGroup, Text: "(" + pipeline(inner) + ")", Inner: inner}
}

// Report calls yield with the state of each policy that has one.
func (s *Stack) Report(yield func(Status)) { s.report(make(map[Reporter]bool), yield) }

func (s *Stack) report(seen map[Reporter]bool, yield func(Status)) {
	for i := range s.layers {
		reportOnce(s.layers[i].policy, seen, yield)
	}
}

// Evictable implements [Evicter]: it reports whether all policies of s are.
func (s *Stack) Evictable() bool {
	for i := range s.layers {
		if e, ok := s.layers[i].policy.(Evicter); ok && !e.Evictable() {
			return false
		}
	}
	return true
}

// state is what there is once per call.
type state struct {
	root     *root
	op       string
	next     Handler // the adapter's
	ticket   *Ticket // with what was reserved for it, or nil
	attempts atomic.Int32
	ctx      context.Context //nolint:containedctx // it lives as long as the call
	start    time.Time       // zero if nothing measures
	span     trace.Span      // of the operation; nil if not recording
	borrowed bool            // span is that of the server, and ends with it
	unwatch  func()          // tells who watches calls without a deadline; nil if nobody does
}

// Do makes a call: it runs next, once per attempt, through the policies. It is
// what transport adapters call; most others use the function [Do]. If c comes
// from another Stack, s takes part in that call.
func (s *Stack) Do(ctx context.Context, c Call, next Handler) (any, error) {
	if c.terminal != nil {
		return s.within(ctx, c, next)
	}
	return s.start(ctx, c, next, new(state))
}

// Reject records a call that its adapter does not bring before the policies of s, and
// returns rejection with its Stack filled in: a server's, for a request whose caller
// will be gone before there can be an answer.
func (s *Stack) Reject(ctx context.Context, c Call, rejection *RejectedError) error {
	r := s.asRoot()
	st := &state{root: r, op: c.Op}
	c.state = st
	ctx = r.tel.startCall(ctx, c)
	st.ctx = ctx
	err := c.Reject(ctx, rejection)
	st.end(c.Outcome(err))
	return err
}

// within runs s as a policy of another Stack.
func (s *Stack) within(ctx context.Context, c Call, next Handler) (any, error) {
	outer := c.terminal
	c.terminal = func(ctx context.Context, c Call) (any, error) {
		c.terminal = outer
		return next(ctx, c)
	}
	return s.enter(ctx, c)
}

func (s *Stack) start(ctx context.Context, c Call, next Handler, st *state) (any, error) {
	r := s.asRoot()
	st.root, st.op, st.next = r, c.Op, next
	c.state, c.terminal = st, attempt
	ctx = r.tel.startCall(ctx, c)
	st.ctx = ctx
	returned := false
	defer func() {
		if !returned {
			st.end(NoReturn(ctx))
		}
	}()
	var result any
	err := c.Err(ctx) // nothing is sent and nothing taken for a caller who has left
	if err == nil {
		result, err = r.enter(ctx, c)
	}
	if p, ok := result.(Pending); ok {
		returned = true
		st.endWith(p)
		return result, err
	}
	o := c.Outcome(err)
	returned = true
	st.end(o)
	return result, err
}

// end is the end of the call.
func (st *state) end(o Outcome) {
	if st.unwatch != nil {
		st.unwatch()
	}
	st.root.tel.endCall(st.ctx, st, o)
}

// endWith ends the call when p ends.
func (st *state) endWith(p Pending) {
	if l, ok := p.(interface{ lifetime() *Lifetime }); ok && l.lifetime().endsCall(st) {
		return
	}
	p.OnDone(st.end)
}

// attempt is the end of each chain: one attempt.
func attempt(ctx context.Context, c Call) (any, error) {
	if c.limit.err != nil { // left to a timeout further in that is not there for all keys of a [Keyed]
		c.deferLimit = false
		return Until(ctx, c, c.limit.at, c.limit.err, attempt)
	}
	if ctx.Err() != nil {
		return nil, c.Err(ctx)
	}
	st := c.state
	if _, ok := ctx.Deadline(); !ok && c.start == nil && !st.root.unbounded { // the timeout is in a Keyed, but not for this key
		return until(ctx, c, time.Now().Add(DefaultTimeout), &lastResort, attempt)
	}
	st.attempts.Add(1)
	if st.start.IsZero() {
		return st.next(ctx, c)
	}
	begin := time.Now()
	result, err := st.next(ctx, c)
	took := time.Since(begin)
	st.root.tel.attempted(ctx, took, classOf(c, result, err))
	return result, err
}

// classOf returns the class of an attempt's end. A panic of c.Classify must not leave
// the result behind.
func classOf(c Call, result any, err error) Class {
	known := false
	defer func() {
		if !known {
			Discard(result)
		}
	}()
	class := c.Outcome(err).Class
	known = true
	return class
}

// Do makes a call of a function: it runs fn, once per attempt, through the
// policies of s. op is a name of low cardinality for what fn does.
//
// A call is repeated only if that is safe: say so with the option [Idempotent],
// as in
//
//	user, err := firebreak.Do(ctx, stack, "lookup", fetchUser, firebreak.Idempotent)
//
// or return an [*AttemptError] that says more. An option may set any field of the
// Call but Request. fn must heed its context: it is never cut off, and a value
// that it returns late, without an error, is returned all the same. Do panics if s
// or fn is nil.
func Do[T any](ctx context.Context, s *Stack, op string, fn func(context.Context) (T, error), options ...func(*Call)) (T, error) {
	if fn == nil {
		panic("firebreak.Do: fn is nil, want a function") // before a policy takes it for a failure of the dependency
	}
	f := &function[T]{fn: fn}
	c := Call{Op: op}
	if len(options) > 0 {
		c = configured(c, options)
	}
	c.Request = f
	result, err := s.start(ctx, c, callFunction, &f.state)
	if e, ok := err.(*AttemptError); ok {
		err = e.Err
	}
	value, _ := result.(T)
	return value, err
}

// configured is apart from Do so that only calls with options put their Call on
// the heap.
func configured(c Call, options []func(*Call)) Call {
	for i, option := range options {
		if option == nil {
			panic(fmt.Sprintf("firebreak.Do: option %d is nil, want a function such as Idempotent", i+1))
		}
		option(&c)
	}
	return c
}

// function is a call of Do: in one piece with the state of the call.
type function[T any] struct {
	state state
	fn    func(context.Context) (T, error)
}

func (f *function[T]) call(ctx context.Context) (any, error) {
	value, err := f.fn(ctx)
	result := any(value)
	if p, ok := result.(Pending); ok && isNil(p) {
		return nil, err // a nil pointer, as functions return it with an error
	}
	return result, err
}

func callFunction(ctx context.Context, c Call) (any, error) {
	return c.Request.(interface {
		call(context.Context) (any, error)
	}).call(ctx)
}
