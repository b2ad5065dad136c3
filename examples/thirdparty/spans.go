package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/firebreak-go/firebreak/examples/internal/console"
)

// A keeper is a trace exporter that keeps, in memory, the trace of one retried
// call: of those with the most attempts that ended well the last. It is safe for
// concurrent use.
type keeper struct {
	mu      sync.Mutex // guards the fields below
	running map[trace.TraceID]*tracetest.InMemoryExporter
	kept    tracetest.SpanStubs
}

// maxRunning is how many traces may be under way: those of more calls than there
// are workers never ended, and are not waited for.
const maxRunning = 1000

func newKeeper() *keeper {
	return &keeper{running: make(map[trace.TraceID]*tracetest.InMemoryExporter)}
}

// ExportSpans takes spans that have ended. The first of a trace is the last to end.
func (k *keeper) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, span := range spans {
		id := span.SpanContext().TraceID()
		memory := k.running[id]
		if memory == nil {
			if len(k.running) == maxRunning {
				continue
			}
			memory = tracetest.NewInMemoryExporter()
			k.running[id] = memory
		}
		if err := memory.ExportSpans(ctx, []sdktrace.ReadOnlySpan{span}); err != nil {
			return err
		}
		if !span.Parent().IsValid() {
			delete(k.running, id)
			k.consider(memory.GetSpans())
		}
	}
	return nil
}

// consider keeps the trace if it is of a retried call. It needs k.mu.
func (k *keeper) consider(spans tracetest.SpanStubs) {
	if n := worth(spans); n > 0 && n >= worth(k.kept) {
		k.kept = spans
	}
}

// worth returns the number of attempts, which counts twice if the call ended well,
// or 0 if there was one only.
func worth(spans tracetest.SpanStubs) int {
	attempts, factor := 0, 1
	for _, span := range spans {
		for _, a := range span.Attributes {
			switch {
			case a.Key == "firebreak.attempts" && a.Value.AsInt64() > 1:
				attempts = int(a.Value.AsInt64())
			case a.Key == "firebreak.outcome" && a.Value.AsString() == "ok_after_retry":
				factor = 2
			}
		}
	}
	return attempts * factor
}

// Shutdown does nothing: the trace is kept.
func (*keeper) Shutdown(context.Context) error { return nil }

// print prints the trace that is kept.
func (k *keeper) print(out io.Writer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.kept) == 0 {
		fmt.Fprintln(out, "\nNo call was retried, so there is no trace of one.")
		return
	}
	fmt.Fprintln(out, "\nThe trace of a call that was retried: when each span began, how long it took")
	fmt.Fprintln(out)
	printTree(out, k.kept)
}

// shown are the attributes that a tree shows, in this order.
var shown = []attribute.Key{
	"firebreak.attempts", "firebreak.outcome", "firebreak.reason", "firebreak.scope",
	"http.request.resend_count", "http.response.status_code", "error.type",
}

// printTree prints spans as a tree: each below its parent and in the order in which
// they began, with when it began, how long it took, and what is most worth to know.
func printTree(out io.Writer, spans tracetest.SpanStubs) {
	spans = slices.Clone(spans)
	slices.SortStableFunc(spans, func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) })
	children := make(map[trace.SpanID][]tracetest.SpanStub)
	for _, span := range spans {
		children[span.Parent.SpanID()] = append(children[span.Parent.SpanID()], span)
	}
	if len(spans) == 0 {
		return
	}
	begin := spans[0].StartTime
	var printBelow func(parent trace.SpanID, indent string)
	printBelow = func(parent trace.SpanID, indent string) {
		for _, span := range children[parent] {
			head := fmt.Sprintf("%-27s%7s%8s  ", indent+span.Name,
				"+"+console.Short(span.StartTime.Sub(begin)), console.Short(span.EndTime.Sub(span.StartTime)))
			console.PrintWrapped(out, head, notes(span))
			printBelow(span.SpanContext.SpanID(), indent+"  ")
		}
	}
	printBelow(trace.SpanID{}, "")
}

// notes returns the attributes and the status of span that a tree shows.
func notes(span tracetest.SpanStub) []string {
	var notes []string
	for _, key := range shown {
		for _, a := range span.Attributes {
			if a.Key == key {
				notes = append(notes, fmt.Sprintf("%s=%s", key, a.Value.String()))
			}
		}
	}
	if span.Status.Code != codes.Unset {
		notes = append(notes, "status="+strings.TrimSpace(span.Status.Code.String()))
	}
	return notes
}
