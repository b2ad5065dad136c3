package deadline_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/deadline"
	"github.com/firebreak-go/firebreak/timeout"
)

// missing returns what the counter has, by its attributes.
func missing(t *testing.T, reader sdkmetric.Reader) map[string]int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(background, &all); err != nil {
		t.Fatal(err)
	}
	counts := make(map[string]int64)
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != "firebreak.deadline.missing" {
				continue
			}
			if scope.Scope.Name != "github.com/firebreak-go/firebreak" || m.Unit != "{call}" {
				t.Errorf("got scope %s, unit %s", scope.Scope.Name, m.Unit)
			}
			for _, point := range m.Data.(metricdata.Sum[int64]).DataPoints {
				counts[attrs(point.Attributes.ToSlice())] += point.Value
			}
		}
	}
	return counts
}

func attrs(list []attribute.KeyValue) (text string) {
	for _, kv := range list {
		text += fmt.Sprintf("%s=%s ", kv.Key, kv.Value.String())
	}
	return text
}

// The counter has few series whatever operations are called, none for what is there by
// design, and shares its name with that of the Stacks.
func TestMetric(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	a := deadline.New(deadline.Config{MeterProvider: provider})
	t.Cleanup(a.WatchStacks())
	for range 3 {
		_ = load(a, background)
	}
	_ = load(a, deadline.Unbounded(background, "a test"))
	bounded, cancel := context.WithTimeout(background, time.Hour)
	defer cancel()
	_ = load(a, bounded)
	feed := firebreak.New("feed", timeout.Unbounded("waits for news")).WithProviders(nil, provider)
	_, _ = firebreak.Do(background, feed, "poll", func(context.Context) (int, error) { return 0, nil })
	want := map[string]int64{"firebreak.op=cache.load ": 3, "firebreak.stack=feed ": 1}
	if diff := cmp.Diff(want, missing(t, reader)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for i := range 100 {
		_ = a.Check(background, fmt.Sprintf("op%d", i))
	}
	got := missing(t, reader)
	if len(got) > 14 || got["firebreak.op=other "] != 100-11 {
		t.Errorf("got %d series, want at most 14: %v", len(got), got)
	}
}

// A span shows the calls of a site once a minute, and the report an example of a trace.
func TestSpanEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		exporter := tracetest.NewInMemoryExporter()
		provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
		a := deadline.New(deadline.Config{Level: deadline.Enforce, Logger: discard})
		ctx, span := provider.Tracer("test").Start(background, "request")
		for range 130 { // two minutes and ten seconds
			_ = load(a, ctx)
			time.Sleep(time.Second)
		}
		_ = a.Check(deadline.Unbounded(ctx, "a test"), "news.poll")
		span.End()
		var got []string
		for _, e := range exporter.GetSpans()[0].Events {
			got = append(got, e.Name+" "+attrs(e.Attributes))
		}
		s := siteOf(t, a, "cache.load")
		event := "firebreak.deadline.missing firebreak.op=cache.load firebreak.deadline.action=added firebreak.target=users " +
			"code.function.name=github.com/firebreak-go/firebreak/deadline_test.load " +
			fmt.Sprintf("code.file.path=%s code.line.number=%d ", s.Frames[0].File, s.Frames[0].Line)
		if diff := cmp.Diff([]string{event, event, event}, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if want := span.SpanContext().TraceID().String(); s.TraceID != want || siteOf(t, a, "news.poll").TraceID != want {
			t.Errorf("got trace %s, want %s", s.TraceID, want)
		}
	})
}
