package firebreak_test

import (
	"context"
	"runtime"
	"testing"

	"go.opentelemetry.io/otel"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/bulkhead"
)

var globalWasSet bool

// Two Stacks of one name add up, also if the global provider was set between them: of
// two gauges of one name the last would win. A provider takes over from what stood in
// for it once in a process, which is why no other test here may set one.
func TestGaugesOfOneNameAddUp(t *testing.T) {
	if globalWasSet {
		t.Skip("with -count: the provider was set in this process already")
	}
	globalWasSet = true
	stacks := []*firebreak.Stack{
		firebreak.New("twice", bulkhead.New(bulkhead.Config{MaxCalls: 10})),
		firebreak.New("twice", bulkhead.New(bulkhead.Config{MaxCalls: 100})),
	}
	reader := sdkmetric.NewManualReader()
	for i, s := range stacks {
		if i == 1 {
			before := otel.GetMeterProvider()
			t.Cleanup(func() { otel.SetMeterProvider(before) })
			otel.SetMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))
		}
		if _, err := firebreak.Do(t.Context(), s, "op", func(context.Context) (int, error) { return 1, nil }); err != nil {
			t.Fatal(err)
		}
	}
	var data metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &data); err != nil {
		t.Fatal(err)
	}
	limit := int64(0)
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			gauge, ok := m.Data.(metricdata.Gauge[int64])
			if !ok || m.Name != "firebreak.concurrency.limit" {
				continue
			}
			for _, p := range gauge.DataPoints {
				if v, _ := p.Attributes.Value("firebreak.stack"); v.AsString() == "twice" {
					limit += p.Value
				}
			}
		}
	}
	if limit != 110 {
		t.Errorf("concurrency.limit: got %d, want 10 + 100", limit)
	}
	runtime.KeepAlive(stacks)
}
