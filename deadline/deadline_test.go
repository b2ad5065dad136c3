package deadline_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/deadline"
)

var (
	background = context.Background()
	discard    = slog.New(slog.DiscardHandler)
)

// load is the site of the calls of these tests.
func load(a *deadline.Auditor, ctx context.Context) error { //revive:disable-line:context-as-argument // whose call it is matters
	_, op, err := a.Begin(ctx, "cache.load", "users")
	op.End()
	return err
}

// only returns the one site of a report.
func only(t *testing.T, a *deadline.Auditor) deadline.Site {
	t.Helper()
	sites := a.Report().Sites
	if len(sites) != 1 {
		t.Fatalf("got %d sites, want 1: %+v", len(sites), sites)
	}
	return sites[0]
}

// A call site is counted apart from others, and says where it is.
func TestBegin(t *testing.T) {
	a := deadline.New(deadline.Config{})
	bounded, cancel := context.WithTimeout(background, time.Hour)
	defer cancel()
	for range 3 {
		if err := load(a, background); err != nil {
			t.Fatal(err)
		}
		if err := load(a, bounded); err != nil {
			t.Fatal(err)
		}
	}
	s := only(t, a)
	if s.Op != "cache.load" || s.Calls != 3 || s.InFlight != 0 || s.GotDeadline != 0 || s.Reason != "" {
		t.Errorf("got %+v, want 3 calls of cache.load", s)
	}
	want := deadline.Frame{
		Package: "github.com/firebreak-go/firebreak/deadline_test", Function: "load",
		File: "github.com/firebreak-go/firebreak/deadline_test/deadline_test.go", Line: s.Frames[0].Line,
	}
	if diff := cmp.Diff(want, s.Frames[0]); diff != "" || want.Line == 0 {
		t.Errorf("first frame: line %d, -want +got:\n%s", want.Line, diff)
	}
	if got, want := s.Frames[0].String(), "deadline_test.load (deadline_test.go:"; !strings.HasPrefix(got, want) {
		t.Errorf("got frame %q, want %q…", got, want)
	}
	if got := s.Frames[1].Function; got != "TestBegin" {
		t.Errorf("got second frame %s, want TestBegin", got)
	}
	if diff := cmp.Diff([]deadline.Target{{Target: "users", Calls: 3}}, s.Targets); diff != "" {
		t.Errorf("targets, -want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]deadline.Operation{{Op: "cache.load", Calls: 6, Unbounded: 3}}, a.Report().Operations); diff != "" {
		t.Errorf("operations, -want +got:\n%s", diff)
	}
}

// A helper that all use is a site for each who uses it.
func TestSiteIsTheCaller(t *testing.T) {
	a := deadline.New(deadline.Config{})
	_ = load(a, background)
	_ = load(a, background)
	for range 2 {
		_ = load(a, background)
	}
	sites := a.Report().Sites
	if len(sites) != 3 {
		t.Fatalf("got %d sites, want 3, one for each line", len(sites))
	}
	var ids []string
	for _, s := range sites {
		ids = append(ids, s.ID)
	}
	if slices.Sort(ids); len(slices.Compact(ids)) != 3 {
		t.Errorf("got ids %v, want three", ids)
	}
}

// What tells sites apart is the source, not the process: two Auditors agree.
func TestIDs(t *testing.T) {
	var ids []string
	for range 2 {
		a := deadline.New(deadline.Config{})
		_ = load(a, background)
		ids = append(ids, only(t, a).ID)
	}
	if ids[0] != ids[1] || len(ids[0]) != 16 {
		t.Errorf("got ids %v, want the same 16 digits twice", ids)
	}
}

func TestCheck(t *testing.T) {
	a := deadline.New(deadline.Config{})
	bounded, cancel := context.WithTimeout(background, time.Hour)
	defer cancel()
	for _, ctx := range []context.Context{background, bounded, context.WithoutCancel(bounded)} {
		if err := a.Check(ctx, "kafka.publish"); err != nil {
			t.Error(err)
		}
	}
	if s := only(t, a); s.Calls != 2 || s.Frames[0].Function != "TestCheck" || s.Durations != nil {
		t.Errorf("got %d calls in %v, want 2 in TestCheck, of which nobody knows how long they took", s.Calls, s.Frames)
	}
}

// How long calls take, and which hang, in virtual time.
func TestDurations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := deadline.New(deadline.Config{StuckAfter: time.Minute})
		for _, d := range []time.Duration{0, time.Millisecond, 3 * time.Millisecond, 3 * time.Millisecond, 97 * time.Second, time.Hour} {
			_, op, _ := a.Begin(background, "cache.load", "")
			time.Sleep(d)
			op.End()
			op.End() // has no effect
		}
		s := only(t, a)
		want := []deadline.Bucket{
			{Under: time.Millisecond, Calls: 1}, {Under: 2 * time.Millisecond, Calls: 1}, {Under: 4 * time.Millisecond, Calls: 2},
			{Under: 131072 * time.Millisecond, Calls: 1}, {Calls: 1},
		}
		if diff := cmp.Diff(want, s.Durations); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if s.Longest != time.Hour || s.WereStuck != 2 || s.InFlight != 0 {
			t.Errorf("got longest %v, %d stuck, %d in flight, want 1h, 2, 0", s.Longest, s.WereStuck, s.InFlight)
		}
		if got := s.LastSeen.Sub(s.FirstSeen); got != 97*time.Second+7*time.Millisecond {
			t.Errorf("got last seen %v after the first, want when the last began", got)
		}
	})
}

func TestInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		a := deadline.New(deadline.Config{Level: deadline.Warn, StuckAfter: time.Minute, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		var ops []deadline.Op
		for range 3 {
			_, op, _ := a.Begin(background, "cache.load", "users")
			ops = append(ops, op)
			time.Sleep(20 * time.Second)
		}
		synctest.Wait()
		r := a.Report()
		s := r.Sites[0]
		if s.InFlight != 3 || s.LongestInFlight != time.Minute || s.Calls != 3 || s.WereStuck != 1 {
			t.Errorf("got %d in flight for %v at most, %d calls, %d stuck, want 3, 1m, 3, 1", s.InFlight, s.LongestInFlight, s.Calls, s.WereStuck)
		}
		if len(r.Stuck) != 1 || r.StuckCalls != 1 || r.Stuck[0].For != time.Minute || r.Stuck[0].Site != s.ID || r.Stuck[0].Target != "users" ||
			!strings.HasPrefix(r.Stuck[0].At, "deadline_test.TestInFlight.func1 (deadline_test.go:") {
			t.Errorf("got stuck calls %+v, want the first", r.Stuck)
		}
		if n := strings.Count(log.String(), "is stuck"); n != 1 {
			t.Errorf("got %d lines on stuck calls, want 1:\n%s", n, &log)
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if s := only(t, a); s.WereStuck != 2 {
			t.Errorf("got %d stuck after 90s, want 2", s.WereStuck)
		}
		for _, op := range ops {
			op.End()
		}
		r = a.Report()
		if s := r.Sites[0]; s.InFlight != 0 || len(r.Stuck) != 0 || s.Longest != 90*time.Second {
			t.Errorf("after the end: got %d in flight, %d stuck, longest %v, want 0, 0, 1m30s", s.InFlight, len(r.Stuck), s.Longest)
		}
		if n := strings.Count(log.String(), "is stuck"); n != 1 {
			t.Errorf("got %d lines on stuck calls, want one for the site:\n%s", n, &log)
		}
	})
}

// The watchdog is there while it has something to look after, and again afterwards.
func TestWatchdogComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := deadline.New(deadline.Config{StuckAfter: time.Minute})
		_, op, _ := a.Begin(background, "cache.load", "")
		time.Sleep(time.Second)
		op.End()
		time.Sleep(time.Hour) // it looked, and left
		_, op, _ = a.Begin(background, "cache.load", "")
		time.Sleep(time.Minute)
		synctest.Wait()
		sites := a.Report().Sites
		if stuck := sites[0].WereStuck + sites[1].WereStuck; stuck != 1 {
			t.Errorf("got %d stuck, want 1", stuck)
		}
		op.End()
	})
}

func TestWarn(t *testing.T) {
	var log bytes.Buffer
	a := deadline.New(deadline.Config{Level: deadline.Warn, Logger: slog.New(slog.NewJSONHandler(&log, nil))})
	for range 3 {
		_ = load(a, background)
	}
	_ = load(a, deadline.Unbounded(background, "a test"))
	var line struct {
		Level, Msg, Op, Target, At, Site, Action string
	}
	if err := json.Unmarshal(log.Bytes(), &line); err != nil { //nolint:musttag // the names are those of the fields
		t.Fatalf("%v, want one line:\n%s", err, &log)
	}
	at := line.At
	line.At, line.Site = "", ""
	want := line
	want.Level, want.Msg, want.Op, want.Target, want.Action = "WARN", "call without a deadline", "cache.load", "users", "observed"
	if diff := cmp.Diff(want, line); diff != "" || !strings.HasPrefix(at, "deadline_test.load (deadline_test.go:") {
		t.Errorf("at %q, -want +got:\n%s", at, diff)
	}
}

func TestEnforceAdds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := deadline.New(deadline.Config{Level: deadline.Enforce, DefaultDeadline: 5 * time.Second, Logger: discard})
		start := time.Now()
		ctx, op, err := a.Begin(background, "cache.load", "users")
		if err != nil {
			t.Fatal(err)
		}
		if at, ok := ctx.Deadline(); !ok || at.Sub(start) != 5*time.Second {
			t.Errorf("got deadline %v, %v, want in 5s", at, ok)
		}
		<-ctx.Done()
		e, ok := errors.AsType[*firebreak.TimeoutError](context.Cause(ctx))
		if !ok || e.After != 5*time.Second || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			t.Errorf("got %v, cause %v, want a TimeoutError of 5s", ctx.Err(), context.Cause(ctx))
		}
		op.End()
		if s := only(t, a); s.GotDeadline != 1 || s.Refused != 0 || s.Longest != 5*time.Second {
			t.Errorf("got %d with a deadline, %d refused, longest %v, want 1, 0, 5s", s.GotDeadline, s.Refused, s.Longest)
		}
		ctx, op, _ = a.Begin(background, "cache.load", "users")
		if op.End(); ctx.Err() == nil {
			t.Error("the context lives on after End")
		}
		if err := a.Check(background, "cache.load"); err != nil {
			t.Errorf("Check: got %v, want nil: there is nothing to add a deadline to", err)
		}
	})
}

func TestEnforceRefuses(t *testing.T) {
	a := deadline.New(deadline.Config{Level: deadline.Enforce, Refuse: true, Logger: discard})
	err := load(a, background)
	rejected, ok := errors.AsType[*firebreak.RejectedError](err)
	if !ok || !errors.Is(err, deadline.ErrNoDeadline) || rejected.Policy != "auditor" || rejected.Reason != "no_deadline" {
		t.Fatalf("got %#v, want a RejectedError around ErrNoDeadline", err)
	}
	if got, want := err.Error(), "auditor: no_deadline: the context of cache.load has no deadline in deadline_test.load (deadline_test.go:"; !strings.HasPrefix(got, want) {
		t.Errorf("got %q, want %q…", got, want)
	}
	if err := a.Check(background, "kafka.publish"); !errors.Is(err, deadline.ErrNoDeadline) {
		t.Errorf("Check: got %v, want ErrNoDeadline", err)
	}
	ctx, cancel := context.WithTimeout(background, time.Hour)
	defer cancel()
	if err := errors.Join(load(a, ctx), a.Check(ctx, "kafka.publish")); err != nil {
		t.Errorf("with a deadline: got %v, want nil", err)
	}
	for _, s := range a.Report().Sites {
		if s.Calls != 1 || s.Refused != 1 || s.InFlight != 0 {
			t.Errorf("got %d calls, %d refused, %d in flight, want 1, 1, 0", s.Calls, s.Refused, s.InFlight)
		}
	}
}

// What has no deadline by design is left alone and shown apart, at each level.
func TestUnbounded(t *testing.T) {
	byContext := func(a *deadline.Auditor) error { return load(a, deadline.Unbounded(background, "waits for news")) }
	byConfig := func(a *deadline.Auditor) error { return load(a, background) }
	for _, level := range []deadline.Level{deadline.Observe, deadline.Warn, deadline.Enforce} {
		for name, call := range map[string]func(*deadline.Auditor) error{"context": byContext, "config": byConfig} {
			t.Run(level.String()+"/"+name, func(t *testing.T) {
				var log bytes.Buffer
				cfg := deadline.Config{Level: level, Refuse: level == deadline.Enforce, Logger: slog.New(slog.NewTextHandler(&log, nil))}
				if name == "config" {
					cfg.Unbounded = func(op, target string) string {
						if op != "cache.load" || target != "users" {
							t.Errorf("got %q, %q, want cache.load, users", op, target)
						}
						return "waits for news"
					}
				}
				a := deadline.New(cfg)
				if err := call(a); err != nil || log.Len() > 0 {
					t.Errorf("got %v, log %q, want nothing", err, &log)
				}
				if s := only(t, a); s.Reason != "waits for news" || s.Calls != 1 || s.GotDeadline != 0 {
					t.Errorf("got %+v, want a site with the reason", s)
				}
				if diff := cmp.Diff([]deadline.Operation{{Op: "cache.load", Calls: 1, Declared: 1}}, a.Report().Operations); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("no panic without a reason")
		}
	}()
	deadline.Unbounded(background, "")
}

// The same line may make calls of both kinds.
func TestUnboundedApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := deadline.New(deadline.Config{})
		for _, ctx := range []context.Context{background, deadline.Unbounded(background, "a test"), background} {
			_, op, _ := a.Begin(ctx, "cache.load", "")
			defer op.End()
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		r := a.Report()
		if len(r.Sites) != 2 || r.Sites[0].Calls != 2 || r.Sites[0].WereStuck != 2 || r.Sites[1].Calls != 1 || r.Sites[1].WereStuck != 0 {
			t.Errorf("got %+v, want 2 calls that are stuck, and 1 by design", r.Sites)
		}
		if r.StuckCalls != 2 || len(r.Stuck) != 2 {
			t.Errorf("got %d stuck: %+v, want those that should have a deadline", r.StuckCalls, r.Stuck)
		}
	})
}

// What may be neither refused nor given a deadline is only looked at.
func TestNote(t *testing.T) {
	a := deadline.New(deadline.Config{Level: deadline.Enforce, Refuse: true, Logger: discard})
	bounded, cancel := context.WithTimeout(background, time.Hour)
	defer cancel()
	a.Note(bounded, "news.stream", "all").End()
	op := a.Note(background, "news.stream", "all")
	if s := only(t, a); s.Calls != 1 || s.InFlight != 1 || s.Refused+s.GotDeadline != 0 || s.Frames[0].Function != "TestNote" {
		t.Errorf("got %+v, want one in flight", s)
	}
	if op.End(); inFlight(a) != 0 {
		t.Error("it is still in flight after End")
	}
}

// The order of a report is what to mend first.
func TestWorstFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := deadline.New(deadline.Config{})
		call := func(ctx context.Context, op string, times int, d time.Duration) {
			for range times {
				_, o, _ := a.Begin(ctx, op, "")
				time.Sleep(d)
				o.End()
			}
		}
		call(deadline.Unbounded(background, "a long poll"), "by design", 1, time.Hour)
		call(background, "often", 500, time.Millisecond)
		call(background, "seldom", 5, time.Millisecond)
		call(background, "long", 1, 97*time.Second)
		_, o, _ := a.Begin(background, "stuck", "")
		time.Sleep(time.Minute)
		var got []string
		for _, s := range a.Report().Sites {
			got = append(got, s.Op)
		}
		if diff := cmp.Diff([]string{"stuck", "long", "often", "seldom", "by design"}, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		o.End()
	})
}

func TestConfig(t *testing.T) {
	for _, test := range []struct {
		cfg  deadline.Config
		want []string
	}{
		{deadline.Config{}, nil},
		{deadline.Config{Level: deadline.Enforce, Refuse: true, MaxSites: 16, StuckAfter: 1, DefaultDeadline: 1, Wrappers: []string{"gorm.io/gorm"}}, nil},
		{deadline.Config{Level: 3}, []string{"Level is 3, want Observe, Warn or Enforce"}},
		{deadline.Config{Level: deadline.Warn, Refuse: true}, []string{"Refuse is true at the level warn, want the level enforce"}},
		{deadline.Config{DefaultDeadline: -time.Second, StuckAfter: -1, MaxSites: 15, Wrappers: []string{"a", "/b"}}, []string{
			"DefaultDeadline is -1s, want more than 0, or 0 for 30s",
			"StuckAfter is -1ns, want more than 0, or 0 for 1m0s",
			"MaxSites is 15, want 16 to 65536, or 0 for 1024",
			`Wrappers[1] is "/b", want an import path such as example.com/client`,
		}},
	} {
		var got []string
		if err := test.cfg.Validate(); err != nil {
			got = strings.Split(err.Error(), "\n")
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%+v, -want +got:\n%s", test.cfg, diff)
		}
	}
	defer func() {
		if err, ok := recover().(error); !ok || err.Error() != "deadline.New: Level is 3, want Observe, Warn or Enforce" {
			t.Errorf("New: got %v, want a panic with the problem", err)
		}
	}()
	deadline.New(deadline.Config{Level: 3})
}

func TestLevelText(t *testing.T) {
	for _, want := range []deadline.Level{deadline.Observe, deadline.Warn, deadline.Enforce} {
		text, _ := want.MarshalText()
		got := deadline.Level(7)
		if err := got.UnmarshalText(text); err != nil || got != want {
			t.Errorf("%s: got %v, %v, want it back", text, got, err)
		}
	}
	var l deadline.Level
	if err := l.UnmarshalText([]byte("Warning")); err == nil || err.Error() != `level is "Warning", want observe, warn or enforce` {
		t.Errorf("got %v", err)
	}
	if got := deadline.Level(-1).String(); got != "level(-1)" {
		t.Errorf("got %q", got)
	}
}

// A report survives its JSON form, and has no null where a list is empty.
func TestReportJSON(t *testing.T) {
	a := deadline.New(deadline.Config{})
	empty, err := json.Marshal(a.Report())
	if err != nil || strings.Contains(string(empty), "null") || !strings.Contains(string(empty), `"schema_version":1`) {
		t.Errorf("got %s, %v, want a version and no null", empty, err)
	}
	_ = load(a, background)
	want := a.Report()
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got deadline.Report
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	sameTime := cmp.Comparer(func(t, u time.Time) bool { return t.Equal(u) })
	if diff := cmp.Diff(want, got, sameTime); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
