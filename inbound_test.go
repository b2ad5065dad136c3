package firebreak_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/timeout"
)

// A Stack of a server adds to the span of the server, and makes none.
func TestInboundAddsToTheServersSpan(t *testing.T) {
	for _, test := range []struct {
		name string
		err  error
		want []string
	}{
		{"ok", nil, []string{"firebreak.outcome=ok"}},
		{"failed", errFailure, []string{"firebreak.outcome=failed", "error.type=*errors.errorString"}},
		{"canceled", context.Canceled, []string{"firebreak.outcome=canceled"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			spans := tracetest.NewSpanRecorder()
			provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
			s := firebreak.New("shop", timeout.New(time.Minute)).WithProviders(provider, nil)
			ctx, span := provider.Tracer("test").Start(t.Context(), "GET /orders")
			_, err := firebreak.Do(ctx, s, "GET", func(context.Context) (int, error) { return 0, test.err }, inbound)
			if !errors.Is(err, test.err) {
				t.Fatalf("got %v, want %v", err, test.err)
			}
			if ended := spans.Ended(); len(ended) != 0 {
				t.Fatalf("%q has ended, want nothing: the span is the server's to end", ended[0].Name())
			}
			span.End()
			ended := spans.Ended()
			if len(ended) != 1 {
				t.Fatalf("%d spans, want that of the server alone", len(ended))
			}
			var got []string
			for _, a := range ended[0].Attributes() {
				got = append(got, fmt.Sprintf("%s=%s", a.Key, a.Value.String()))
			}
			for _, want := range append(test.want, "firebreak.stack=shop", "firebreak.op=GET", "firebreak.deadline.source=policy") {
				if !slices.Contains(got, want) {
					t.Errorf("no %s in %v", want, got)
				}
			}
			if status := ended[0].Status().Code; status != codes.Unset {
				t.Errorf("the status is %v, want it left to the server", status)
			}
		})
	}
}

func inbound(c *firebreak.Call) { c.Inbound = true }

// Without a span of a server there is none to add to.
func TestInboundWithoutASpan(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	s := firebreak.New("shop", timeout.New(time.Minute)).WithProviders(provider, nil)
	if _, err := firebreak.Do(t.Context(), s, "GET", one, inbound); err != nil {
		t.Fatal(err)
	}
	if started := spans.Started(); len(started) != 0 {
		t.Errorf("%d spans, want none", len(started))
	}
	if s.Tracer(t.Context()) == nil {
		t.Error("Tracer is nil, want one for the spans of the server")
	}
}

// An attempt that panics because its caller is gone says nothing of the dependency.
func TestNoReturn(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	if got := firebreak.NoReturn(ctx); got.Class != firebreak.Failure || got.Err != firebreak.ErrNoReturn { //nolint:errorlint // the error itself
		t.Errorf("got %+v, want a failure", got)
	}
	cancel()
	if got := firebreak.NoReturn(ctx); got.Class != firebreak.Ignored {
		t.Errorf("after the caller gave up: got %+v, want ignored", got)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 0)
	defer cancel()
	if got := firebreak.NoReturn(ctx); got.Class != firebreak.Failure {
		t.Errorf("after a deadline: got %+v, want a failure", got)
	}
}

// A call that is exempt is not asked whether it may pass.
func TestAdmitExempt(t *testing.T) {
	gate := &slots{}
	n, err := firebreak.Admit(t.Context(), firebreak.Call{Exempt: true}, gate, func(context.Context, firebreak.Call) (any, error) { return 1, nil })
	if n != 1 || err != nil || len(gate.given) != 0 {
		t.Errorf("got %v, %v, and the gate was given %v, want 1 without it", n, err, gate.given)
	}
}
