package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/firebreak-go/firebreak/audit/internal/output"
	"github.com/firebreak-go/firebreak/audit/internal/result"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// errRuntime says that the report of a running service cannot be used.
var errRuntime = errors.New("the report of the running service")

// runtimeVersion is the version of the report's form that is understood.
const runtimeVersion = 1

// A runtimeReport is what package deadline tells of a running service, as far as it is
// needed here.
type runtimeReport struct {
	SchemaVersion *int          `json:"schema_version"`
	Sites         []runtimeSite `json:"sites"`
}

type runtimeSite struct {
	Op              string         `json:"op"`
	Reason          string         `json:"reason"`
	Rest            bool           `json:"rest"`
	Frames          []runtimeFrame `json:"frames"`
	Calls           int64          `json:"calls"`
	Longest         time.Duration  `json:"longest_ns"`
	LongestInFlight time.Duration  `json:"longest_in_flight_ns"`
}

type runtimeFrame struct {
	Package  string `json:"package"`
	Function string `json:"function"`
	File     string `json:"file"`
	Line     int    `json:"line"`
}

// longest returns how long the longest call took, in milliseconds.
func (s runtimeSite) longest() int64 { return max(s.Longest, s.LongestInFlight).Milliseconds() }

func readRuntime(file string) (*runtimeReport, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("-runtime: %w: %w", errRuntime, err)
	}
	var r runtimeReport
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("-runtime: %w: %s: %w", errRuntime, file, err)
	}
	if r.SchemaVersion == nil {
		return nil, fmt.Errorf("-runtime: %w: %s has no schema_version: it is not what package deadline reports", errRuntime, file)
	}
	if *r.SchemaVersion != runtimeVersion {
		return nil, fmt.Errorf("-runtime: %w: %s has schema_version %d, want %d", errRuntime, file, *r.SchemaVersion, runtimeVersion)
	}
	return &r, nil
}

// merge marks the results that the service confirms, and makes them errors. What it showed
// beyond becomes the Unmatched of run.
func merge(run *output.Run, report *runtimeReport) {
	run.Runtime = true
	for _, site := range report.Sites {
		if site.Reason != "" || site.Rest || site.Calls == 0 || len(site.Frames) == 0 {
			continue // by design, or not a place
		}
		confirmed := confirmedBy(run.Results, site)
		for _, r := range confirmed {
			if r.Seen == nil {
				r.Seen = &result.Seen{}
			}
			r.Seen.Calls += site.Calls
			r.Seen.MaxMillis = max(r.Seen.MaxMillis, site.longest())
			if r.Suppressed == nil {
				r.Level = rule.Error
			}
		}
		if len(confirmed) == 0 {
			first := site.Frames[0]
			run.Unmatched = append(run.Unmatched, output.Unmatched{
				Op: site.Op, Func: first.Package + "." + first.Function, File: first.File, Line: first.Line,
				Calls: site.Calls, MaxMillis: site.longest(),
			})
		}
	}
}

// confirmedBy returns the results that site confirms: those at one of its lines or used
// there, or if there are none, as after an edit, those in the function that made the call.
func confirmedBy(results []*result.Result, site runtimeSite) []*result.Result {
	var onLine, inFunc []*result.Result
	for _, r := range results {
		if !about(r.Rule, site.Op) {
			continue
		}
		if slices.ContainsFunc(site.Frames, func(f runtimeFrame) bool { return standsAt(r, f) }) {
			onLine = append(onLine, r)
		}
		if first := site.Frames[0]; r.Package == first.Package && r.Func != "" && r.Func == staticName(first.Function) {
			inFunc = append(inFunc, r)
		}
	}
	if len(onLine) > 0 {
		return onLine
	}
	return inFunc
}

// about reports whether findings of r may be what a running service shows as op.
func about(r *rule.Rule, op string) bool {
	kind, _, _ := strings.Cut(op, ".")
	families := map[string]string{ // the hundreds of the rules' IDs
		"http": "147", "net": "123457", "sql": "467", "grpc": "457",
	}[kind]
	if op == "http.server" {
		families = "24"
	}
	return families == "" || strings.IndexByte(families, r.ID[2]) >= 0
}

// standsAt reports whether r, or a use of it, is on the line of f.
func standsAt(r *result.Result, f runtimeFrame) bool {
	if f.Line == 0 {
		return false
	}
	at := func(s result.Span) bool { return s.Line == f.Line && s.Package+"/"+path.Base(s.File) == f.File }
	return at(r.At) || slices.ContainsFunc(r.Uses, func(use result.Place) bool { return at(use.At) })
}

var (
	literalName = regexp.MustCompile(`\.(?:func|gowrap|deferwrap)?(\d+)`)
	typeArgs    = regexp.MustCompile(`\[[^\]]*\]`)
)

// staticName returns the name that a function of a running program has in its source:
// "New$1" for "New.func1".
func staticName(function string) string {
	return literalName.ReplaceAllString(typeArgs.ReplaceAllString(function, ""), "$$$1")
}
