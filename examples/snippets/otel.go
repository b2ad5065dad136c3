package snippets

import (
	"context"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"
)

func exportTraces(ctx context.Context) (shutdown func(context.Context) error, err error) {
	// snippet: otel
	exporter, err := otlptracehttp.New(ctx) // to OTEL_EXPORTER_OTLP_ENDPOINT
	if err != nil {
		return nil, err
	}
	provider := trace.NewTracerProvider(trace.WithBatcher(exporter))
	otel.SetTracerProvider(provider) // also for Stacks that exist already
	otel.SetTextMapPropagator(propagation.TraceContext{})
	// end snippet
	return provider.Shutdown, nil
}
