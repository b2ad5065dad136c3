package firebreak

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"weak"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// A Status is what a policy has in its hands at the moment. Fields that say
// nothing of it are zero.
type Status struct {
	Policy string // kind of the policy: "breaker", "bulkhead", "retry"
	Key    string // of a policy in [Keyed], or ""

	State string // a breaker's: "closed", "open", "half-open"

	Reason string // why calls have no deadline, of a timeout that says so

	InFlight int // calls that hold something
	Waiting  int // calls in the queue
	Limit    int // how many may hold something; 0 if that is not limited

	// Budget is how many retries could be made at once; Budgeted says that there
	// is a budget.
	Budget   float64
	Budgeted bool
}

// A Reporter is a policy that has a state to report.
type Reporter interface {
	// Report calls yield once for each policy that it stands for.
	Report(yield func(Status))
}

// reportOnce has p report if it was not seen yet. What p is made of counts, too.
func reportOnce(p Policy, seen map[Reporter]bool, yield func(Status)) {
	if made, ok := p.(interface {
		report(seen map[Reporter]bool, yield func(Status))
	}); ok {
		made.report(seen, yield)
		return
	}
	r, ok := p.(Reporter)
	if !ok {
		return
	}
	if reflect.ValueOf(r).Comparable() {
		if seen[r] {
			return
		}
		seen[r] = true
	}
	r.Report(yield)
}

// watch has the gauges of provider report s for as long as s is used elsewhere.
func watch(s *Stack, provider metric.MeterProvider) { gaugesOf(provider).add(s) }

// allGauges has the gauges of each metric.MeterProvider.
var allGauges = struct {
	mu      sync.Mutex // guards the fields below
	of      map[metric.MeterProvider]*gauges
	adopted bool // the first provider that was set has the gauges of the one that stood in for it
}{of: make(map[metric.MeterProvider]*gauges)}

// gaugesOf returns the gauges of provider, started. There is one set of them for a
// provider: of two that report one series, the last would win. What stands in for a
// global provider that is not set passes its instruments on to the first that is: those
// two are one.
func gaugesOf(provider metric.MeterProvider) *gauges {
	if !reflect.ValueOf(provider).Comparable() {
		g := new(gauges)
		report(g.start(provider.Meter(scope)))
		return g
	}
	all := &allGauges
	all.mu.Lock()
	defer all.mu.Unlock()
	if g := all.of[provider]; g != nil {
		return g
	}
	var g *gauges
	if !all.adopted && !standsIn(provider) && provider == otel.GetMeterProvider() {
		for other, started := range all.of {
			if standsIn(other) {
				g, all.adopted = started, true
			}
		}
	}
	if g == nil {
		g = new(gauges)
		report(g.start(provider.Meter(scope)))
	}
	all.of[provider] = g
	return g
}

// gauges are the observable instruments of one provider, for all its Stacks.
type gauges struct {
	state, usage, limit metric.Int64ObservableGauge
	budget              metric.Float64ObservableGauge

	mu     sync.Mutex // guards stacks
	stacks []weak.Pointer[Stack]
}

func (g *gauges) start(meter metric.Meter) error {
	var errs [5]error
	g.state, errs[0] = meter.Int64ObservableGauge("firebreak.breaker.state", metric.WithUnit("{breaker}"),
		metric.WithDescription("Circuit breakers in each state."))
	g.usage, errs[1] = meter.Int64ObservableGauge("firebreak.concurrency.usage", metric.WithUnit("{call}"),
		metric.WithDescription("Calls in flight under a limit."))
	g.limit, errs[2] = meter.Int64ObservableGauge("firebreak.concurrency.limit", metric.WithUnit("{call}"),
		metric.WithDescription("Calls that may be in flight."))
	g.budget, errs[3] = meter.Float64ObservableGauge("firebreak.budget.available", metric.WithUnit("{retry}"),
		metric.WithDescription("Retries that could be made at once."))
	_, errs[4] = meter.RegisterCallback(g.observe, g.state, g.usage, g.limit, g.budget)
	return errors.Join(errs[:]...)
}

func (g *gauges) add(s *Stack) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.live()
	g.stacks = append(g.stacks, weak.Make(s))
}

// live drops the Stacks that are gone and returns the others. It needs g.mu.
func (g *gauges) live() []*Stack {
	var stacks []*Stack
	kept := g.stacks[:0]
	for _, w := range g.stacks {
		if s := w.Value(); s != nil {
			stacks = append(stacks, s)
			kept = append(kept, w)
		}
	}
	g.stacks = kept
	return stacks
}

// observe adds up what the Stacks of one name and the keys of one policy report:
// a series a key would have no bound.
func (g *gauges) observe(_ context.Context, o metric.Observer) error {
	type place struct{ stack, what string }
	states, usage, limit, budget := map[place]int64{}, map[place]int64{}, map[place]int64{}, map[string]float64{}
	g.mu.Lock()
	stacks := g.live()
	g.mu.Unlock()
	seen := make(map[string]map[Reporter]bool) // a policy that keys or Stacks of one name share is one
	for _, s := range stacks {
		if seen[s.name] == nil {
			seen[s.name] = make(map[Reporter]bool)
		}
		s.report(seen[s.name], func(st Status) {
			if st.State != "" {
				states[place{s.name, st.State}]++
			}
			if st.Limit > 0 {
				usage[place{s.name, st.Policy}] += int64(st.InFlight)
				limit[place{s.name, st.Policy}] += int64(st.Limit)
			}
			if st.Budgeted {
				budget[s.name] += st.Budget
			}
		})
	}
	at := func(stack, name, value string) metric.ObserveOption {
		return metric.WithAttributes(attribute.String("firebreak.stack", stack), attribute.String(name, value))
	}
	for p, n := range states {
		o.ObserveInt64(g.state, n, at(p.stack, "firebreak.state", p.what))
	}
	for p, n := range usage {
		o.ObserveInt64(g.usage, n, at(p.stack, "firebreak.policy", p.what))
		o.ObserveInt64(g.limit, limit[p], at(p.stack, "firebreak.policy", p.what))
	}
	for stack, n := range budget {
		o.ObserveFloat64(g.budget, n, metric.WithAttributes(attribute.String("firebreak.stack", stack)))
	}
	return nil
}
