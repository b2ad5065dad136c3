package deadline

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/firebreak-go/firebreak"
)

// event is the name of the counter and of the span event. The counter is the one of
// the Stacks, which count their calls themselves.
const event = "firebreak.deadline.missing"

func (a *Auditor) initMetric() {
	provider := a.cfg.MeterProvider
	if provider == nil {
		provider = otel.GetMeterProvider()
	}
	counter, err := provider.Meter(module).Int64Counter(event, metric.WithUnit("{call}"),
		metric.WithDescription("Calls that were made without a deadline."))
	if err != nil {
		otel.Handle(err)
	}
	a.missing = counter
}

// note makes a call without a deadline visible.
func (a *Auditor) note(ctx context.Context, s *site, target string, act action, now time.Duration) {
	s.calls.Add(1)
	if last := s.last.Load(); int64(now) >= last+int64(time.Millisecond) { // to write is dear, and nobody asks more exactly
		s.last.Store(int64(now))
	}
	s.targets.add(target, 1)
	switch act {
	case added:
		s.gotDeadline.Add(1)
	case refused:
		s.refusals.Add(1)
	case observed:
	}
	if next := s.nextEvent.Load(); int64(now) >= next && s.nextEvent.CompareAndSwap(next, int64(now+oncePer)) {
		a.tell(ctx, s, target, act)
	}
	if s.reason != "" {
		return
	}
	if s.op.add != nil && a.missing.Enabled(ctx) {
		a.missing.Add(ctx, 1, s.op.add...)
	}
	if a.cfg.Level >= Warn && !s.logged.Load() && s.logged.CompareAndSwap(false, true) {
		a.logger().LogAttrs(ctx, slog.LevelWarn, "call without a deadline", s.logAttrs(target, slog.String("action", act.String()))...)
	}
}

// warnStuck logs a call that is in flight for too long.
func (a *Auditor) warnStuck(f *flight) {
	s := f.site
	if a.cfg.Level >= Warn && s.loggedStuck.CompareAndSwap(false, true) {
		a.logger().LogAttrs(a.detached, slog.LevelWarn, "call without a deadline is stuck",
			s.logAttrs(f.target, slog.Duration("in_flight", a.now()-f.start))...)
	}
}

func (a *Auditor) logger() *slog.Logger {
	if a.cfg.Logger != nil {
		return a.cfg.Logger
	}
	return slog.Default()
}

func (s *site) logAttrs(target string, more slog.Attr) []slog.Attr {
	attrs := []slog.Attr{slog.String("op", s.op.name)}
	if target != "" {
		attrs = append(attrs, slog.String("target", clean(target)))
	}
	if frames := s.outside(); len(frames) > 0 {
		attrs = append(attrs, slog.String("at", frames[0].String()))
	}
	return append(attrs, slog.String("site", s.name()), more)
}

// tell notes an example of a call of s, and has the span that it belongs to show it.
func (a *Auditor) tell(ctx context.Context, s *site, target string, act action) {
	span := trace.SpanFromContext(ctx)
	if id := span.SpanContext().TraceID(); id.IsValid() {
		s.trace.Store(&id)
	}
	if s.reason != "" || !span.IsRecording() {
		return
	}
	attrs := []attribute.KeyValue{
		attribute.String("firebreak.op", s.op.name),
		attribute.String("firebreak.deadline.action", act.String()),
	}
	if target != "" {
		attrs = append(attrs, attribute.String("firebreak.target", clean(target)))
	}
	if frames := s.outside(); len(frames) > 0 {
		attrs = append(attrs,
			attribute.String("code.function.name", frames[0].Package+"."+frames[0].Function),
			attribute.String("code.file.path", frames[0].File),
			attribute.Int("code.line.number", frames[0].Line),
		)
	}
	span.AddEvent(event, trace.WithAttributes(attrs...))
}

// outside returns the frames that s is known by.
func (s *site) outside() []Frame {
	if s.route != "" {
		return s.frames
	}
	frames, _ := s.auditor.outside(framesOf(s.pcs))
	return frames
}

// name returns the id of s as it is shown.
func (s *site) name() string {
	name := strconv.FormatUint(s.id, 16)
	return "0000000000000000"[len(name):] + name
}

// refusal returns the error of a call that is not made.
func (s *site) refusal() error {
	return &firebreak.RejectedError{Policy: "auditor", Reason: "no_deadline", Err: ErrNoDeadline, Cause: (*callError)(s)}
}

// callError says which call it was.
type callError site

func (e *callError) Error() string {
	s := (*site)(e)
	text := "the context of " + s.op.name + " has no deadline"
	if frames := s.outside(); len(frames) > 0 {
		text += " in " + frames[0].String()
	}
	return text
}
