package main

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firebreak-go/firebreak/examples/internal/programtest"
)

func TestRun(t *testing.T) {
	var stdout, stderr bytes.Buffer
	begin := time.Now()
	status := run(t.Context(), []string{"-duration", "2s", "-rps", "100"}, &stdout, &stderr)
	took := time.Since(begin)
	out := stdout.String()
	if status != 0 || stderr.Len() > 0 {
		t.Errorf("got status %d, stderr %q, want 0 and nothing", status, stderr.String())
	}
	if took > 10*time.Second {
		t.Errorf("a run of 2s: got %v", took)
	}
	programtest.CheckWidth(t, out)
	for _, want := range []string{
		`(?m)^100 calls/s for 2s; callers give up after 1s; a side has 50 workers\.$`,
		`(?m)^firebreak  timeout 900ms → retry 3 attempts → `,
		`(?m)^  0\.0s  well  .* closed$`,
		`(?m)^  1\.9s  well again `,
		`(?m)^phase +side +calls +good +p50 +p99 attempts slots recovery$`,
		`(?m)^slow +plain +\d+ +\d+ +\d+% +\S+s +\S+s +\d+ +\d+ +\S+s$`,
		`(?m)^resetting +plain .*\n +firebreak +\d+ +\d+ +\d+%`,
		`(?m)^in all +plain +200 .*\n +firebreak +200 `,
		`(?m)^  overloaded \S+`,
		`(?m)^firebreak third-party +\+0ms +\S+s  firebreak\.attempts=3\n +firebreak\.outcome=ok_after_retry$`,
		`(?m)^  firebreak\.retry\.backoff +\+\S+s +\S+s  firebreak\.reason=transient$`,
		`(?m)^  GET +\+\S+s +\S+s  http\.request\.resend_count=1\n +http\.response\.status_code=502\n +error\.type=502 status=Error$`,
		`(?m)^  GET +\+\S+s +\S+s  http\.request\.resend_count=2\n +http\.response\.status_code=200\n`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("the output has nothing like %s", want)
		}
	}
	if t.Failed() {
		t.Logf("output:\n%s", out)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	var stdout, stderr bytes.Buffer
	begin := time.Now()
	status := run(ctx, nil, &stdout, &stderr)
	if status != 0 || stderr.Len() > 0 || time.Since(begin) > 5*time.Second {
		t.Errorf("got status %d, stderr %q after %v, want 0 and nothing after 500ms", status, stderr.String(), time.Since(begin))
	}
	if out := stdout.String(); !strings.Contains(out, "\nin all ") || !strings.HasSuffix(out, "\nEnded early.\n") {
		t.Errorf("got no table of what there is:\n%s", out)
	}
}

func TestRunURL(t *testing.T) {
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch requests.Add(1) {
		case 3:
			w.WriteHeader(503)
		case 21:
			w.WriteHeader(404)
		}
		if req.URL.Path != "/health" {
			t.Errorf("got a request for %s, want /health", req.URL)
		}
	}))
	defer server.Close()
	var stdout, stderr bytes.Buffer
	status := run(t.Context(), []string{"-duration", "2s", "-rps", "10", "-url", server.URL + "/health"}, &stdout, &stderr)
	out := stdout.String()
	if status != 0 || stderr.Len() > 0 || requests.Load() != 21 {
		t.Errorf("got status %d, stderr %q after %d requests, want 0 and nothing after 20 and a retry", status, stderr.String(), requests.Load())
	}
	programtest.CheckWidth(t, strings.ReplaceAll(out, server.URL, ""))
	for _, want := range []string{
		`(?m)^quarter 4 +firebreak +5 +4 +80% .* 5 .* -$`,
		`(?m)^in all +firebreak +20 +19 +95% .* 21 `,
		`(?m)^The last bad call ended with: status 404 Not Found$`,
		`firebreak\.attempts=2`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("the output has nothing like %s:\n%s", want, out)
		}
	}
	if strings.Contains(out, "plain") {
		t.Errorf("the plain side ran against a real address:\n%s", out)
	}
}

func TestExport(t *testing.T) {
	var mu sync.Mutex
	paths := map[string]bool{}
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		paths[req.URL.Path] = true
	}))
	defer collector.Close()
	var stdout, stderr bytes.Buffer
	status := run(t.Context(), []string{"-duration", "2s", "-otlp", strings.TrimPrefix(collector.URL, "http://")}, &stdout, &stderr)
	mu.Lock()
	defer mu.Unlock()
	if status != 0 || stderr.Len() > 0 || !paths["/v1/traces"] || !paths["/v1/metrics"] {
		t.Errorf("got status %d, stderr %q, requests to %v, want 0, nothing, and /v1/traces and /v1/metrics", status, stderr.String(), paths)
	}
}

// A collector that cannot be reached does not disturb the run. It is one line at the
// end.
func TestExportFails(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	var stdout, stderr bytes.Buffer
	status := run(ctx, []string{"-otlp", address}, &stdout, &stderr)
	if status != 1 || strings.Count(stderr.String(), "\n") != 1 || !strings.HasPrefix(stderr.String(), "thirdparty: export to "+address+": ") {
		t.Errorf("got status %d, stderr %q, want 1 and a line on %s", status, stderr.String(), address)
	}
	if !strings.Contains(stdout.String(), "\nin all ") {
		t.Errorf("got no table:\n%s", stdout.String())
	}
}
