package firebreak

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// maxOps and maxReasons bound the series of a Stack: further operations, and
// further policies and reasons of users' own, count as "other".
const (
	maxOps     = 12
	maxReasons = 40
	other      = "other"
)

// buckets are the boundaries that the HTTP conventions advise, in seconds, and
// three more: a call with retries may last 30 s, a queue or a stream longer.
var buckets = []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 15, 30, 60}

// metrics are the instruments of a Stack.
type metrics struct {
	stack           attribute.KeyValue
	callDuration    metric.Float64Histogram
	attemptDuration metric.Float64Histogram
	queueDuration   metric.Float64Histogram
	retries         metric.Int64Counter
	rejections      metric.Int64Counter
	timeouts        metric.Int64Counter
	transitions     metric.Int64Counter
	shadow          metric.Int64Counter
	deadlineMissing metric.Int64Counter

	ops     series // by operation and outcome
	classes series
	queues  series
	counts  series // of all counters
}

func (m *metrics) init(s *Stack, provider metric.MeterProvider) {
	if provider == nil {
		provider = otel.GetMeterProvider()
	}
	meter := provider.Meter(scope)
	m.stack = attribute.String("firebreak.stack", s.name)
	histogram := func(name, what string) metric.Float64Histogram {
		h, err := meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(what), metric.WithExplicitBucketBoundaries(buckets...))
		report(err)
		return h
	}
	counter := func(name, unit, what string) metric.Int64Counter {
		c, err := meter.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(what))
		report(err)
		return c
	}
	m.callDuration = histogram("firebreak.call.duration", "Duration of calls, to the end of their results.")
	m.attemptDuration = histogram("firebreak.attempt.duration", "Duration of attempts, until their results began.")
	m.queueDuration = histogram("firebreak.queue.duration", "Time spent in the queue of a policy.")
	m.retries = counter("firebreak.retries", "{retry}", "Waits before another attempt.")
	m.rejections = counter("firebreak.rejections", "{rejection}", "Attempts that a policy did not let happen.")
	m.timeouts = counter("firebreak.timeouts", "{timeout}", "Calls and attempts that a timeout ended.")
	m.transitions = counter("firebreak.breaker.transitions", "{transition}", "Changes of state of circuit breakers.")
	m.shadow = counter("firebreak.shadow", "{rejection}", "Attempts that a policy that looks on only would not have let happen.")
	m.deadlineMissing = counter("firebreak.deadline.missing", "{call}", "Calls that were made without a deadline.")
	watch(s, provider)
}

// report hands an error of the telemetry API to its own handler: a call is never
// the place to learn of it.
func report(err error) {
	if err != nil {
		otel.Handle(err)
	}
}

// called records a call.
func (m *metrics) called(ctx context.Context, op, outcome string, d time.Duration) {
	set := m.ops.get(seriesKey{a: op, b: outcome}, maxOps*8, seriesKey{a: other, b: outcome}, func(k seriesKey) attribute.Set {
		return attribute.NewSet(m.stack, attribute.String("firebreak.op", k.a), attribute.String("firebreak.outcome", k.b))
	})
	m.callDuration.Record(ctx, d.Seconds(), set.record...)
}

// attempted records an attempt.
func (m *metrics) attempted(ctx context.Context, d time.Duration, class Class) {
	set := m.classes.get(seriesKey{a: class.String()}, 8, seriesKey{a: other}, func(k seriesKey) attribute.Set {
		return attribute.NewSet(m.stack, attribute.String("firebreak.class", k.a))
	})
	m.attemptDuration.Record(ctx, d.Seconds(), set.record...)
}

func (m *metrics) missing(ctx context.Context) {
	if m.deadlineMissing.Enabled(ctx) {
		m.add(ctx, m.deadlineMissing, "", "", "", "", "")
	}
}

// count counts an event.
func (m *metrics) count(ctx context.Context, e Event) {
	switch e.Kind {
	case EventRetry:
		m.add(ctx, m.retries, "firebreak.reason", e.Reason, "", "", "")
	case EventReject:
		m.add(ctx, m.rejections, "firebreak.policy", e.Policy, "firebreak.reason", e.Reason, e.Priority.String())
	case EventShadow:
		m.add(ctx, m.shadow, "firebreak.policy", e.Policy, "firebreak.reason", e.Reason, e.Priority.String())
	case EventTimeout:
		m.add(ctx, m.timeouts, "firebreak.scope", e.Reason, "", "", "")
	case EventTransition:
		m.add(ctx, m.transitions, "firebreak.from", e.From, "firebreak.to", e.To, "")
	case EventWait:
		if m.queueDuration.Enabled(ctx) {
			set := m.queues.get(seriesKey{a: e.Policy}, 8, seriesKey{a: other}, func(k seriesKey) attribute.Set {
				return attribute.NewSet(m.stack, attribute.String("firebreak.policy", k.a))
			})
			m.queueDuration.Record(ctx, e.Duration.Seconds(), set.record...)
		}
	}
}

// add counts one more of what the one or two attributes say, and of the priority if
// it is not empty.
func (m *metrics) add(ctx context.Context, counter metric.Int64Counter, nameA, a, nameB, b, priority string) {
	if !counter.Enabled(ctx) {
		return
	}
	set := m.counts.get(seriesKey{nameA, a, b, priority}, maxReasons, seriesKey{nameA, other, other, priority}, func(k seriesKey) attribute.Set {
		attrs := []attribute.KeyValue{m.stack}
		if nameA != "" {
			attrs = append(attrs, attribute.String(nameA, k.a))
		}
		if nameB != "" {
			attrs = append(attrs, attribute.String(nameB, k.b))
		}
		if k.priority != "" {
			attrs = append(attrs, attribute.String("firebreak.priority", k.priority))
		}
		return attribute.NewSet(attrs...)
	})
	counter.Add(ctx, 1, set.add...)
}

// series keeps the attribute sets that were used, so that a measurement makes
// none. The zero value is empty.
type series struct {
	sets atomic.Pointer[map[seriesKey]*attributes] // replaced, never changed
	mu   sync.Mutex                                // serializes replacements
}

// seriesKey is what tells sets apart: the name of the first attribute, where one series
// has several, and the values.
type seriesKey struct{ name, a, b, priority string }

// attributes is a set in the forms in which instruments take it.
type attributes struct {
	record []metric.RecordOption
	add    []metric.AddOption
}

// get returns the attributes for key, made by newSet if they are new. When there
// are limit of them, those for overflow stand for all further keys.
func (s *series) get(key seriesKey, limit int, overflow seriesKey, newSet func(seriesKey) attribute.Set) *attributes {
	if sets := s.sets.Load(); sets != nil {
		if set, ok := (*sets)[key]; ok {
			return set
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sets := make(map[seriesKey]*attributes)
	if old := s.sets.Load(); old != nil {
		if len(*old) >= limit {
			key = overflow
		}
		if set, ok := (*old)[key]; ok {
			return set
		}
		maps.Copy(sets, *old)
	}
	option := metric.WithAttributeSet(newSet(key))
	set := &attributes{record: []metric.RecordOption{option}, add: []metric.AddOption{option}}
	sets[key] = set
	s.sets.Store(&sets)
	return set
}
