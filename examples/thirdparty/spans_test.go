package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/examples/internal/programtest"
	"github.com/firebreak-go/firebreak/retry"
)

// span makes a span with the ID id below parent, 0 for none, from begin to end in
// milliseconds.
func span(id, parent byte, name string, begin, end int, status codes.Code, attrs ...attribute.KeyValue) tracetest.SpanStub {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	traceID := trace.TraceID{1}
	s := tracetest.SpanStub{
		Name:        name,
		SpanContext: trace.NewSpanContext(trace.SpanContextConfig{TraceID: traceID, SpanID: trace.SpanID{id}}),
		StartTime:   start.Add(time.Duration(begin) * time.Millisecond),
		EndTime:     start.Add(time.Duration(end) * time.Millisecond),
		Attributes:  attrs,
		Status:      sdktrace.Status{Code: status},
	}
	if parent > 0 {
		s.Parent = trace.NewSpanContext(trace.SpanContextConfig{TraceID: traceID, SpanID: trace.SpanID{parent}})
	}
	return s
}

func TestPrintTree(t *testing.T) {
	spans := tracetest.SpanStubs{ // in the order in which they ended
		span(2, 1, "GET", 0, 500, codes.Error, attribute.String("error.type", "timeout"), attribute.String("http.request.method", "GET")),
		span(3, 1, "firebreak.timeout", 500, 500, codes.Unset,
			attribute.String("firebreak.policy", "timeout"), attribute.String("firebreak.scope", "attempt")),
		span(4, 1, "firebreak.retry.backoff", 500, 537, codes.Unset, attribute.String("firebreak.reason", "transient"), attribute.String("error.type", "timeout")),
		span(6, 5, "below", 540, 550, codes.Ok),
		span(5, 1, "GET", 537, 1600, codes.Unset, attribute.Int("http.response.status_code", 200), attribute.Int("http.request.resend_count", 1)),
		span(1, 0, "firebreak third-party", 0, 1600, codes.Unset, attribute.Int("firebreak.attempts", 2), attribute.String("firebreak.outcome", "ok_after_retry")),
	}
	var out bytes.Buffer
	printTree(&out, spans)
	want, err := os.ReadFile("testdata/tree.txt")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), out.String()); d != "" {
		t.Errorf("printTree (-want +got):\n%s", d)
	}
	programtest.CheckWidth(t, out.String())

	out.Reset()
	printTree(&out, nil)
	if out.Len() > 0 {
		t.Errorf("printTree of nothing: got %q, want nothing", out.String())
	}
}

// The keeper keeps a retried call, best one that ended well, and forgets all others.
func TestKeeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper()
		provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(k))
		stack := firebreak.New("third-party", retry.New(retry.Config{})).WithProviders(provider, nil)
		call := func(op string, failures int) {
			n := 0
			_, _ = firebreak.Do(t.Context(), stack, op, func(context.Context) (int, error) {
				n++
				if n <= failures {
					return 0, errors.New("reset")
				}
				return n, nil
			}, firebreak.Idempotent)
		}
		var out bytes.Buffer
		for _, step := range []struct {
			op       string
			failures int
			keeps    string
		}{
			{"well", 0, ""},
			{"failed", 3, "failed"},
			{"once", 1, "once"}, // two attempts that end well are worth more than three that do not
			{"twice", 2, "twice"},
			{"failed again", 3, "twice"},
			{"once again", 1, "twice"},
			{"twice again", 2, "twice again"},
			{"well again", 0, "twice again"},
		} {
			call(step.op, step.failures)
			got := ""
			for _, span := range k.kept {
				for _, a := range span.Attributes {
					if a.Key == "firebreak.op" {
						got = a.Value.AsString()
					}
				}
			}
			if got != step.keeps || len(k.running) != 0 {
				t.Errorf("after the call %q: got the trace of %q and %d running, want that of %q and none", step.op, got, len(k.running), step.keeps)
			}
			if step.op == "well" {
				k.print(&out)
			}
		}
		if want := "\nNo call was retried, so there is no trace of one.\n"; out.String() != want {
			t.Errorf("print before a retry: got %q, want %q", out.String(), want)
		}
	})
}

// Spans whose trace never ends do not fill the memory.
func TestKeeperIsBounded(t *testing.T) {
	k := newKeeper()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(k))
	for range maxRunning + 100 {
		ctx, _ := provider.Tracer("test").Start(t.Context(), "never ends") //nolint:spancheck // as it says
		_, child := provider.Tracer("test").Start(ctx, "child")
		child.End()
	}
	if n := len(k.running); n != maxRunning {
		t.Errorf("traces running: got %d, want %d", n, maxRunning)
	}
}
