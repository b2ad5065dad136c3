package firebreak_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/timeout"
)

// A meter is a metrics SDK in memory.
type meter struct {
	metric.MeterProvider
	reader *sdkmetric.ManualReader
}

func newMeter() meter {
	reader := sdkmetric.NewManualReader()
	return meter{sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithCardinalityLimit(0)), reader}
}

// series returns what was measured: values of gauges and counters, and how often
// of histograms, by "name attribute=value …".
func (m meter) series(t *testing.T) map[string]float64 {
	t.Helper()
	var data metricdata.ResourceMetrics
	if err := m.reader.Collect(t.Context(), &data); err != nil {
		t.Fatal(err)
	}
	all := make(map[string]float64)
	for _, scope := range data.ScopeMetrics {
		for _, metric := range scope.Metrics {
			add := func(set attribute.Set, value float64) {
				key := metric.Name
				for _, a := range set.ToSlice() {
					key += fmt.Sprintf(" %s=%s", a.Key, a.Value.String())
				}
				if _, ok := all[key]; ok {
					t.Errorf("two series are %s", key)
				}
				all[key] = value
			}
			switch data := metric.Data.(type) {
			case metricdata.Gauge[int64]:
				for _, p := range data.DataPoints {
					add(p.Attributes, float64(p.Value))
				}
			case metricdata.Gauge[float64]:
				for _, p := range data.DataPoints {
					add(p.Attributes, p.Value)
				}
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					add(p.Attributes, float64(p.Value))
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					add(p.Attributes, float64(p.Count))
				}
			default:
				t.Errorf("%s is a %T", metric.Name, data)
			}
		}
	}
	return all
}

// Behaviour 228: "Metrics labels follow the same cap." A Stack has at most 200
// series, whatever operations, policies and reasons it is given.
func TestA12_228_SeriesAreBounded(t *testing.T) {
	m := newMeter()
	i := 0
	hostile := policyFunc(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
		name := fmt.Sprint("hostile ", i)
		for _, e := range []firebreak.Event{
			{Kind: firebreak.EventRetry, Policy: name, Reason: name},
			{Kind: firebreak.EventReject, Policy: name, Reason: name},
			{Kind: firebreak.EventShadow, Policy: name, Reason: name},
			{Kind: firebreak.EventTimeout, Reason: name},
			{Kind: firebreak.EventTransition, From: name, To: name},
			{Kind: firebreak.EventWait, Policy: name, Duration: time.Second},
		} {
			c.Emit(ctx, e)
		}
		return next(ctx, c)
	})
	s := firebreak.New("test", timeout.Unbounded("test"), hostile, &evictable{}).WithProviders(nil, m)
	const calls = 5000
	errs := []error{
		nil, errFailure, context.Canceled, context.DeadlineExceeded, &firebreak.RejectedError{}, &firebreak.AttemptError{Err: errFailure, Class: 42},
	}
	for i = range calls {
		ctx := firebreak.WithPriority(t.Context(), firebreak.Priority(i%7-3))
		_, _ = firebreak.Do(ctx, s, fmt.Sprint("op ", i), func(context.Context) (int, error) { return 0, errs[i%len(errs)] })
	}
	series := m.series(t)
	if len(series) > 200 {
		t.Errorf("%d series, want at most 200", len(series))
	}
	counted := make(map[string]float64)
	for key, n := range series {
		var name string
		_, _ = fmt.Sscan(key, &name)
		counted[name] += n
	}
	want := map[string]float64{
		"firebreak.call.duration": calls, "firebreak.attempt.duration": calls, "firebreak.queue.duration": calls,
		"firebreak.retries": calls, "firebreak.rejections": calls, "firebreak.shadow": calls, "firebreak.timeouts": calls, "firebreak.breaker.transitions": calls,
		"firebreak.deadline.missing": calls, "firebreak.concurrency.usage": 1, "firebreak.concurrency.limit": 3,
	}
	if !maps.Equal(counted, want) {
		t.Errorf("measured %v, want %v: what has no series of its own counts as other", counted, want)
	}
	if series["firebreak.call.duration firebreak.op=other firebreak.outcome=ok firebreak.stack=test"] == 0 {
		t.Errorf("no call counts as another operation: %v", series)
	}
}

// Attempts are measured by what the policies take them for, and a classifier that
// panics leaves no result behind.
func TestAttemptIsMeasuredByTheCallersClass(t *testing.T) {
	m := newMeter()
	s := firebreak.New("test", timeout.New(time.Minute)).WithProviders(nil, m)
	_, err := firebreak.Do(t.Context(), s, "op", func(context.Context) (int, error) { return 0, errFailure }, func(c *firebreak.Call) {
		c.Classify = func(error) firebreak.Class { return firebreak.Overload }
	})
	if !errors.Is(err, errFailure) {
		t.Errorf("the error is %v, want %v", err, errFailure)
	}
	const want = "firebreak.attempt.duration firebreak.class=overload firebreak.stack=test"
	if series := m.series(t); series[want] != 1 {
		t.Errorf("measured %v, want 1 of %q", series, want)
	}
	result := new(body)
	got := panicOf(func() {
		_, _ = s.Do(t.Context(), firebreak.Call{Classify: func(error) firebreak.Class { panic("classifier") }}, answer(result, errFailure))
	})
	if got != "classifier" || !result.Ended() {
		t.Errorf("panicked with %v, and the result has ended: %t, want the classifier's and true", got, result.Ended())
	}
}

func TestSeriesConcurrently(t *testing.T) {
	m := newMeter()
	s := firebreak.New("test", timeout.New(time.Minute)).WithProviders(nil, m)
	var users sync.WaitGroup
	for g := range 16 {
		users.Go(func() {
			for i := range 100 {
				_, _ = firebreak.Do(t.Context(), s, fmt.Sprint("op ", (g+i)%40), one)
			}
		})
	}
	users.Wait()
	total := 0.0
	for key, n := range m.series(t) {
		var name string
		if _, _ = fmt.Sscan(key, &name); name == "firebreak.call.duration" {
			total += n
		}
	}
	if total != 1600 {
		t.Errorf("%v calls measured, want 1,600", total)
	}
}

// reporting is a policy with a given status.
type reporting struct {
	described
	status firebreak.Status
}

func (r *reporting) Report(yield func(firebreak.Status)) { yield(r.status) }

// The gauges add up what the Stacks of one name and the keys of a policy have.
func TestGauges(t *testing.T) {
	m := newMeter()
	breaker := func(state string) firebreak.Policy {
		return &reporting{status: firebreak.Status{Policy: "breaker", State: state}}
	}
	byKey := firebreak.Keyed(firebreak.ByTarget, func(key string) firebreak.Policy {
		if key == "down" {
			return breaker("open")
		}
		return breaker("closed")
	})
	bulkhead := func() firebreak.Policy {
		return &reporting{status: firebreak.Status{Policy: "bulkhead", InFlight: 2, Limit: 10}}
	}
	retry := &reporting{status: firebreak.Status{Policy: "retry", Budgeted: true, Budget: 7.5}}
	stacks := []*firebreak.Stack{
		firebreak.New("a", retry, byKey, bulkhead()).WithProviders(nil, m),
		firebreak.New("a", bulkhead()).WithProviders(nil, m),
		firebreak.New("b", bulkhead()).WithProviders(nil, m),
	}
	for i, target := range []string{"down", "up 1", "up 2"} {
		for _, s := range stacks {
			_, _ = s.Do(t.Context(), firebreak.Call{Op: "op", Target: target, Attempt: i}, answer(nil, nil))
		}
	}
	got := m.series(t)
	for key := range got {
		var name string
		if _, _ = fmt.Sscan(key, &name); name == "firebreak.call.duration" || name == "firebreak.attempt.duration" {
			delete(got, key)
		}
	}
	want := map[string]float64{
		"firebreak.breaker.state firebreak.stack=a firebreak.state=open":          1,
		"firebreak.breaker.state firebreak.stack=a firebreak.state=closed":        2,
		"firebreak.concurrency.usage firebreak.policy=bulkhead firebreak.stack=a": 4,
		"firebreak.concurrency.limit firebreak.policy=bulkhead firebreak.stack=a": 20,
		"firebreak.concurrency.usage firebreak.policy=bulkhead firebreak.stack=b": 2,
		"firebreak.concurrency.limit firebreak.policy=bulkhead firebreak.stack=b": 10,
		"firebreak.budget.available firebreak.stack=a":                            7.5,
	}
	if !maps.Equal(got, want) {
		t.Errorf("gauges %v, want %v", got, want)
	}
	runtime.KeepAlive(stacks)
}

// A policy that Stacks of one name share is one; it shows under each name that has it.
func TestGaugesOfSharedPolicies(t *testing.T) {
	m := newMeter()
	shared := &reporting{status: firebreak.Status{Policy: "bulkhead", InFlight: 2, Limit: 10}}
	var stacks []*firebreak.Stack
	for _, name := range []string{"a", "a", "b"} {
		s := firebreak.New(name, shared).WithProviders(nil, m)
		_, _ = s.Do(t.Context(), firebreak.Call{Op: "op"}, answer(nil, nil))
		stacks = append(stacks, s)
	}
	got := m.series(t)
	for _, name := range []string{"a", "b"} {
		if limit := got["firebreak.concurrency.limit firebreak.policy=bulkhead firebreak.stack="+name]; limit != 10 {
			t.Errorf("concurrency.limit of %s: got %v, want 10", name, limit)
		}
	}
	runtime.KeepAlive(stacks)
}

// The gauges do not keep a Stack that nobody uses any more, and it stops reporting.
func TestStackThatIsDroppedStopsReporting(t *testing.T) {
	m := newMeter()
	used := func(name string) *firebreak.Stack {
		s := firebreak.New(name, &evictable{}).WithProviders(nil, m)
		_, _ = s.Do(t.Context(), firebreak.Call{Op: "op"}, answer(nil, nil))
		return s
	}
	kept := used("kept")
	used("dropped")
	const usage = "firebreak.concurrency.usage firebreak.policy=evictable firebreak.stack="
	for range 20 {
		if runtime.GC(); m.series(t)[usage+"dropped"] == 0 {
			break
		}
	}
	series := m.series(t)
	if n, ok := series[usage+"dropped"]; ok {
		t.Errorf("the Stack that was dropped reports %v, want nothing", n)
	}
	if series[usage+"kept"] != 1 {
		t.Errorf("the Stack that was kept does not report: %v", series)
	}
	runtime.KeepAlive(kept)
}
