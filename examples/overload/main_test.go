package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-go/firebreak/examples/internal/programtest"
)

func TestRun(t *testing.T) {
	before := runtime.NumGoroutine()
	page := filepath.Join(t.TempDir(), "page.html")
	var stdout, stderr bytes.Buffer
	status := run(t.Context(), []string{"-step", "100ms", "-html", page}, &stdout, &stderr)
	out := stdout.String()
	if status != 0 || stderr.Len() > 0 {
		t.Errorf("got status %d, stderr %q, want 0 and nothing", status, stderr.String())
	}
	programtest.CheckWidth(t, out)
	for _, want := range []string{
		`(?m)^A server that can answer 160 requests/s; callers hang up after 1s\.$`,
		`(?m)^ load  server +/s +/s +good +p50 +p99  critical others  late  wasted$`,
		`(?m)^ 0\.5×  plain +\d+ +\d+ +(\d+%|-) `,
		`(?m)^   5×  firebreak +\d+ +\d+ +>?\d+% `,
		`(?m)^At 5× the plain server gave `,
		`(?m)^At the loads under 1×, `,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("the output has nothing like %s:\n%s", want, out)
		}
	}
	html, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	wantPage(t, string(html), 12)
	programtest.NoneLeft(t, before)
}

// wantPage holds that page is whole, has n rows, and needs nothing else.
func wantPage(t *testing.T, page string, n int) {
	t.Helper()
	for _, svg := range regexp.MustCompile(`(?s)<svg xmlns.*?</svg>\n</figure>`).FindAllString(page, -1) {
		d := xml.NewDecoder(strings.NewReader(strings.TrimSuffix(svg, "</figure>")))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("a plot is not well formed: %v", err)
			}
		}
	}
	if got := strings.Count(page, "<figure>"); got != 3 {
		t.Errorf("got %d plots, want 3", got)
	}
	if got := strings.Count(page, `<th scope="row">`); got != n {
		t.Errorf("got %d rows, want %d", got, n)
	}
	for _, bad := range []string{"<script", "<link", "src=", "url(", "@import", "NaN", "ZgotmplZ"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %s", bad)
		}
	}
	if !strings.HasSuffix(page, "</html>\n") {
		t.Error("the page has no end")
	}
}

// On sockets, too, each caller gets something, and one thing only.
func TestEachCallerIsAccountedFor(t *testing.T) {
	before := runtime.NumGoroutine()
	sides, err := newSides(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sides {
		d := newDrive(5, 300*time.Millisecond, s.call)
		d.tally, d.used = newTally(s.name, 5), s.service.db.Used
		d.run(t.Context())
		r, inFlight := d.tally.now()
		wantBalance(t, r, d.counted())
		if inFlight != 0 || r.total(failed) > 0 || r.total(good) == 0 || r.use.All == 0 {
			t.Errorf("%s: got %d in flight, outcomes %v, use %+v, want none in flight or failed, and some good", s.name, inFlight, r.counts, r.use)
		}
		if n := r.total(refused); s.name == plain && n > 0 {
			t.Errorf("the plain server refused %d", n)
		}
		if err := s.close(t.Context()); err != nil {
			t.Errorf("%s: close: got %v", s.name, err)
		}
	}
	programtest.NoneLeft(t, before)
}

func TestRunEndsWithItsContext(t *testing.T) {
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
	defer cancel()
	page := filepath.Join(t.TempDir(), "page.html")
	var stdout, stderr bytes.Buffer
	begin := time.Now()
	status := run(ctx, []string{"-html", page}, &stdout, &stderr)
	if took := time.Since(begin); status != 0 || stderr.Len() > 0 || took > 3*time.Second {
		t.Errorf("got status %d, stderr %q after %v, want 0 and nothing after 700ms", status, stderr.String(), took)
	}
	if !strings.HasSuffix(stdout.String(), "\nEnded early.\n") {
		t.Errorf("got %q, want it to say that it ended early", stdout.String())
	}
	html, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	wantPage(t, string(html), 0)
	if !strings.Contains(string(html), "Ended early") {
		t.Error("the page does not say that the run ended early")
	}
	programtest.NoneLeft(t, before)
}

// A page that cannot be written is known before the run.
func TestRunWithoutAPage(t *testing.T) {
	var stdout, stderr bytes.Buffer
	page := filepath.Join(t.TempDir(), "none", "page.html")
	status := run(t.Context(), []string{"-html", page}, &stdout, &stderr)
	if status != 1 || !strings.HasPrefix(stderr.String(), "overload: open "+page+": ") || strings.Count(stderr.String(), "\n") != 1 || stdout.Len() > 0 {
		t.Errorf("got status %d, stderr %q, stdout %q, want 1 and a line on the page", status, stderr.String(), stdout.String())
	}
}
