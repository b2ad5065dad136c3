package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// A telemetry is where the traces and metrics of the run go: traces into a keeper,
// both to a collector if there is one.
type telemetry struct {
	tracers trace.TracerProvider
	meters  metric.MeterProvider // nil without a collector
	keeper  *keeper

	collector string
	shutdown  []func(context.Context) error

	mu    sync.Mutex // guards the field below
	first error      // of the exports
}

const (
	exportTime   = 2 * time.Second // for an export
	shutdownTime = 3 * time.Second // for what is left at the end
)

// startTelemetry begins the export to the collector at the address, or none if that
// is empty.
func startTelemetry(ctx context.Context, collector string) (*telemetry, error) {
	t := &telemetry{keeper: newKeeper(), collector: collector}
	service := resource.NewSchemaless(attribute.String("service.name", "firebreak-thirdparty"))
	options := []sdktrace.TracerProviderOption{sdktrace.WithResource(service), sdktrace.WithSyncer(t.keeper)}
	if collector != "" {
		spans, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpoint(collector), otlptracehttp.WithInsecure(),
			otlptracehttp.WithTimeout(exportTime), otlptracehttp.WithRetry(otlptracehttp.RetryConfig{}))
		if err != nil {
			return nil, err
		}
		options = append(options, sdktrace.WithBatcher(spans))
		points, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpoint(collector), otlpmetrichttp.WithInsecure(),
			otlpmetrichttp.WithTimeout(exportTime), otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{}))
		if err != nil {
			return nil, err
		}
		reader := sdkmetric.NewPeriodicReader(points, sdkmetric.WithInterval(5*time.Second))
		meters := sdkmetric.NewMeterProvider(sdkmetric.WithResource(service), sdkmetric.WithReader(reader))
		t.meters = meters
		t.shutdown = append(t.shutdown, meters.Shutdown)
		otel.SetErrorHandler(t) // or it would print into the screen
	}
	tracers := sdktrace.NewTracerProvider(options...)
	t.tracers = tracers
	t.shutdown = append(t.shutdown, tracers.Shutdown)
	return t, nil
}

// Handle implements [otel.ErrorHandler].
func (t *telemetry) Handle(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.first == nil {
		t.first = err
	}
}

// stop exports what is left. It returns the first error of all exports: the others
// say the same.
func (t *telemetry) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime) // also after Ctrl-C
	defer cancel()
	for _, shutdown := range t.shutdown {
		if err := shutdown(ctx); err != nil {
			t.Handle(err)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.first == nil {
		return nil
	}
	return fmt.Errorf("export to %s: %w", t.collector, t.first)
}
