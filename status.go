package firebreak

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"weak"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// A Status is what a policy has in its hands at the moment. Fields that say
// nothing of it are zero.
type Status struct {
	Policy string // kind of the policy: "breaker", "bulkhead", "retry"
	Key    string // of a policy in [Keyed], or ""

	State string // a breaker's: "closed", "open", "half-open"

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

// watch has the gauges of provider report s for as long as s is used elsewhere.
func watch(s *Stack, provider metric.MeterProvider) {
	if !reflect.ValueOf(provider).Comparable() {
		g := new(gauges)
		report(g.start(provider.Meter(scope)))
		g.add(s)
		return
	}
	g, ok := allGauges.Load(provider)
	if !ok {
		var loaded bool
		if g, loaded = allGauges.LoadOrStore(provider, new(gauges)); !loaded {
			report(g.(*gauges).start(provider.Meter(scope)))
		}
	}
	g.(*gauges).add(s)
}

// allGauges has the *gauges of each metric.MeterProvider.
var allGauges sync.Map

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
	for _, s := range stacks {
		s.Report(func(st Status) {
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
