package main

import (
	"bytes"
	"context"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-go/firebreak/examples/internal/programtest"
)

func TestRun(t *testing.T) {
	before := runtime.NumGoroutine()
	var stdout, stderr bytes.Buffer
	status := run(t.Context(), []string{"-duration", "1s"}, &stdout, &stderr)
	out := stdout.String()
	if status != 0 || stderr.Len() > 0 {
		t.Errorf("got status %d, stderr %q, want 0 and nothing", status, stderr.String())
	}
	programtest.CheckWidth(t, out)
	for _, want := range []string{
		`(?m)^Servers that can answer 160 calls/s; callers give up after 1s\.$`,
		`(?m)^plain      client: service config `,
		`(?m)^firebreak  client: timeout 950ms → retry 3 attempts → `,
		`(?m)^  method +calls +good +p50 +p99 +runs +good +p50 +p99 +runs$`,
		`(?m)^healthy\n  GetItem +\d+ +\S+ +\S+ +\S+ +\d+ +\S+ +\S+ +\S+ +\d+\n  ListItems `,
		`(?m)^overloaded\n(  [A-Z].*\n){4}\n`,
		`(?m)^healthy: .* of the calls were good`,
		`(?m)^overloaded: \d+ good answers/s with firebreak`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("the output has nothing like %s:\n%s", want, out)
		}
	}
	programtest.NoneLeft(t, before)
}

// On sockets, too, each caller gets something, and one thing only.
func TestEachCallerIsAccountedFor(t *testing.T) {
	before := runtime.NumGoroutine()
	phases := []phase{{name: "busy", mode: well, load: 1, end: 500 * time.Millisecond}}
	sides, err := newSides(t.Context(), len(phases), false)
	if err != nil {
		t.Fatal(err)
	}
	done := 0
	d := drive{phases: phases, schedule: newSchedule(1, phases), sides: sides, tick: func(int) {}, done: func(int) { done++ }}
	d.run(t.Context())
	for _, s := range sides {
		wantBalance(t, s, d.schedule)
		if r := s.tally.row(0, every...); r.counts[good] == 0 || s.tally.waiting() != 0 || s.name == "plain" && r.counts[refused] > 0 {
			t.Errorf("%s: got outcomes %v, %d who wait, want some good, none who wait, and none refused by the plain server", s.name, r.counts, s.tally.waiting())
		}
		if err := s.close(t.Context()); err != nil {
			t.Errorf("%s: close: got %v", s.name, err)
		}
	}
	if done != 1 {
		t.Errorf("got %d phases done, want 1", done)
	}
	programtest.NoneLeft(t, before)
}

func TestRunEndsWithItsContext(t *testing.T) {
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	var stdout, stderr bytes.Buffer
	begin := time.Now()
	status := run(ctx, []string{"-throttle"}, &stdout, &stderr)
	if took := time.Since(begin); status != 0 || stderr.Len() > 0 || took > 5*time.Second {
		t.Errorf("got status %d, stderr %q after %v, want 0 and nothing after 300ms", status, stderr.String(), took)
	}
	if out := stdout.String(); !strings.HasSuffix(out, "\nEnded early.\n") || !strings.Contains(out, "retryThrottling") {
		t.Errorf("got %q, want it to say that it ended early", out)
	}
	programtest.NoneLeft(t, before)
}
