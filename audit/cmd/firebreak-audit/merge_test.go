package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firebreak-go/firebreak/audit/internal/output"
	"github.com/firebreak-go/firebreak/audit/internal/result"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// report is what package deadline writes of a service that called in all the ways that
// the test merges.
const report = `{
  "schema_version": 1,
  "program": "example.com/shop/cmd/shop",
  "operations": [{"op": "http.client", "calls": 50, "unbounded": 49, "declared": 1}],
  "sites": [
    {"id": "a", "op": "http.client", "calls": 40, "longest_ns": 97400000000, "frames": [
      {"package": "example.com/shop/api", "function": "do", "file": "example.com/shop/api/do.go", "line": 3},
      {"package": "example.com/shop", "function": "Price", "file": "example.com/shop/a.go", "line": 12}]},
    {"id": "b", "op": "http.client", "calls": 2, "longest_ns": 1000000, "longest_in_flight_ns": 99000000000, "frames": [
      {"package": "example.com/shop", "function": "Price", "file": "example.com/shop/a.go", "line": 10}]},
    {"id": "c", "op": "sql.query", "calls": 7, "longest_ns": 12000000, "frames": [
      {"package": "example.com/shop", "function": "(*Store).All.func1", "file": "example.com/shop/store.go", "line": 99}]},
    {"id": "d", "op": "http.client", "reason": "a watch", "calls": 1, "frames": [
      {"package": "example.com/shop", "function": "Watch", "file": "example.com/shop/a.go", "line": 30}]},
    {"id": "e", "op": "sql.exec", "rest": true, "calls": 1, "frames": null},
    {"id": "f", "op": "kafka.publish", "calls": 1, "longest_ns": 3000000, "frames": [
      {"package": "example.com/shop", "function": "Publish", "file": "example.com/shop/a.go", "line": 40}]}
  ],
  "stuck": [], "stuck_calls": 0, "evicted_sites": 0
}`

func finding(id, function string, level rule.Level, file string, lines ...int) *result.Result {
	span := func(line int) result.Span {
		return result.Span{Package: "example.com/shop", File: "shop/" + file, Line: line}
	}
	r := &result.Result{Rule: &rule.Rule{ID: id}, Level: level, Package: "example.com/shop", Func: function, At: span(lines[0])}
	for _, line := range lines[1:] {
		r.Uses = append(r.Uses, result.Place{At: span(line)})
	}
	return r
}

func TestMerge(t *testing.T) {
	file := filepath.Join(t.TempDir(), "r.json")
	write(t, file, report)
	runtime, err := readRuntime(file)
	if err != nil {
		t.Fatal(err)
	}
	suppressed := finding("TA101", "Price", rule.Warning, "a.go", 10)
	suppressed.Suppressed = &result.Suppression{Reason: "fast"}
	r := &output.Run{Results: []*result.Result{
		finding("TA102", "", rule.Note, "a.go", 5, 12, 11),               // by a use, in a frame above
		finding("TA102", "Price", rule.Note, "a.go", 10),                 // on the line
		finding("TA201", "Price", rule.Note, "a.go", 10),                 // on the line, of a server
		finding("TA102", "Price", rule.Note, "a.go", 77),                 // in the function, where the line has another
		finding("TA601", "(*Store).All$1", rule.Warning, "store.go", 91), // in the function, after an edit
		finding("TA601", "(*Store).All", rule.Note, "store.go", 80),      // in the function around it
		finding("TA601", "Other", rule.Note, "a.go", 99),                 // another file
		finding("TA401", "Watch", rule.Note, "a.go", 30),                 // by design
		suppressed,
	}}
	merge(r, runtime)
	type row struct {
		Level      rule.Level
		Calls, Max int64
	}
	var got []row
	for _, x := range r.Results {
		made := row{Level: x.Level}
		if x.Seen != nil {
			made.Calls, made.Max = x.Seen.Calls, x.Seen.MaxMillis
		}
		got = append(got, made)
	}
	want := []row{
		{rule.Error, 40, 97400}, {rule.Error, 2, 99000}, {rule.Note, 0, 0}, {rule.Note, 0, 0}, {rule.Error, 7, 12},
		{rule.Note, 0, 0}, {rule.Note, 0, 0}, {rule.Note, 0, 0}, {rule.Warning, 2, 99000},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	unmatched := []output.Unmatched{{Op: "kafka.publish", Func: "example.com/shop.Publish", File: "example.com/shop/a.go", Line: 40, Calls: 1, MaxMillis: 3}}
	if diff := cmp.Diff(unmatched, r.Unmatched); diff != "" {
		t.Errorf("unmatched (-want +got):\n%s", diff)
	}
}

func TestStaticName(t *testing.T) {
	for name, want := range map[string]string{
		"Price": "Price", "(*Store).All": "(*Store).All", "Price.func1": "Price$1", "Price.func1.2": "Price$1$2",
		"(*Store).All.func2.1.3": "(*Store).All$2$1$3", "Map[...]": "Map", "Map[...].func1": "Map$1", "Run.gowrap1": "Run$1", "init.0": "init$0",
	} {
		if got := staticName(name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

// A warning that the service confirms fails a run that fails on errors only.
func TestMergeCommand(t *testing.T) {
	dir := lay(t, module{
		"main.go": serveFunc,
		"r.json": `{"schema_version": 1, "sites": [{"op": "http.server", "calls": 41233, "longest_ns": 97400000000, "frames": [
			{"package": "example.com/shop", "function": "main", "file": "example.com/shop/main.go", "line": 5}]}]}`,
	})
	code, stdout, stderr := run(t, dir, "merge", "-runtime=r.json")
	if code != exitFindings || !strings.Contains(stdout, "main.go:5:19: [TA202 error/") ||
		!strings.Contains(stdout, "\tseen at run time: 41,233 calls without a deadline, the longest took 97.4s\n") || stderr != "1 error\n" {
		t.Errorf("got %d, %q, %q", code, stdout, stderr)
	}
}
