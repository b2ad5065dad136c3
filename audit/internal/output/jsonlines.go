package output

import (
	"encoding/json"
	"io"

	"github.com/firebreak-go/firebreak/audit/internal/result"
)

// schemaVersion is that of the JSON lines. Fields may be added without a new one.
const schemaVersion = 1

type jsonHead struct {
	SchemaVersion int    `json:"schema_version"`
	Type          string `json:"type"` // finding, fixed, runtime, problem, summary
}

type jsonFinding struct {
	jsonHead

	Rule        string           `json:"rule"`
	Name        string           `json:"name"`
	Level       string           `json:"level"`
	Severity    string           `json:"severity"`
	File        string           `json:"file"`
	Line        int              `json:"line"`
	Column      int              `json:"column"`
	EndLine     int              `json:"end_line,omitempty"`
	EndColumn   int              `json:"end_column,omitempty"`
	Package     string           `json:"package"`
	Func        string           `json:"func,omitempty"`
	Operation   string           `json:"operation"`
	Message     string           `json:"message"`
	Source      string           `json:"source,omitempty"`
	Key         string           `json:"key"`
	Uses        []jsonPlace      `json:"uses,omitempty"`
	Provenance  []jsonPlace      `json:"provenance,omitempty"`
	Fixes       []jsonFix        `json:"fixes,omitempty"`
	Suppression *jsonSuppression `json:"suppression,omitempty"`
	Baseline    string           `json:"baseline,omitempty"`
	Runtime     *jsonSeen        `json:"runtime,omitempty"`
}

type jsonPlace struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message"`
}

type jsonFix struct {
	Message string     `json:"message"`
	Edits   []jsonEdit `json:"edits"`
}

type jsonEdit struct {
	File  string `json:"file"`
	Start int    `json:"start"` // bytes
	End   int    `json:"end"`
	New   string `json:"new"`
}

type jsonSuppression struct {
	Line   int    `json:"line"`
	Reason string `json:"reason"`
}

type jsonSeen struct {
	Calls     int64 `json:"calls"`
	MaxMillis int64 `json:"max_ms"`
}

type jsonFixed struct {
	jsonHead

	Rule      string `json:"rule"`
	Package   string `json:"package"`
	Func      string `json:"func,omitempty"`
	Operation string `json:"operation"`
}

type jsonUnmatched struct {
	jsonHead

	Operation string `json:"operation"`
	Func      string `json:"func"`
	File      string `json:"file"`
	Line      int    `json:"line"`
	Calls     int64  `json:"calls"`
	MaxMillis int64  `json:"max_ms"`
}

type jsonProblem struct {
	jsonHead

	Message string `json:"message"`
}

type jsonSummary struct {
	jsonHead

	Version  string `json:"version"`
	Findings int    `json:"findings"` // that nobody has answered
	Message  string `json:"message"`
}

// JSONLines writes an object for each result, suppressed and known ones too, then those
// that were fixed, those seen at run time only, the problems, and a summary.
func JSONLines(w io.Writer, run *Run) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	var lines []any
	for _, r := range run.Results {
		lines = append(lines, jsonOf(r))
	}
	for _, e := range run.Fixed {
		lines = append(lines, jsonFixed{head("fixed"), e.Rule, e.Package, e.Func, e.Operation})
	}
	for _, u := range run.Unmatched {
		lines = append(lines, jsonUnmatched{head("runtime"), u.Op, u.Func, u.File, u.Line, u.Calls, u.MaxMillis})
	}
	for _, problem := range run.Problems {
		lines = append(lines, jsonProblem{head("problem"), problem.Error()})
	}
	lines = append(lines, jsonSummary{head("summary"), run.Version, len(run.Open()), run.Summary()})
	for _, line := range lines {
		if err := out.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

func head(kind string) jsonHead { return jsonHead{schemaVersion, kind} }

func jsonOf(r *result.Result) jsonFinding {
	f := jsonFinding{
		jsonHead: head("finding"),
		Rule:     r.Rule.ID, Name: r.Rule.Name, Level: r.Level.String(), Severity: r.Severity.String(),
		File: r.At.File, Line: r.At.Line, Column: r.At.Column, EndLine: r.At.EndLine, EndColumn: r.At.EndColumn,
		Package: r.Package, Func: r.Func, Operation: r.Operation, Message: r.Message, Source: r.Source, Key: r.Key,
		Uses: jsonPlaces(r.Uses), Provenance: jsonPlaces(r.Provenance), Baseline: string(r.Status),
	}
	for _, fix := range r.Fixes {
		made := jsonFix{Message: fix.Message}
		for _, e := range fix.Edits {
			made.Edits = append(made.Edits, jsonEdit{e.At.File, e.Start, e.End, e.New})
		}
		f.Fixes = append(f.Fixes, made)
	}
	if r.Suppressed != nil {
		f.Suppression = &jsonSuppression{r.Suppressed.At.Line, justification(r)}
	}
	if r.Seen != nil {
		f.Runtime = &jsonSeen{r.Seen.Calls, r.Seen.MaxMillis}
	}
	return f
}

func jsonPlaces(places []result.Place) []jsonPlace {
	var all []jsonPlace
	for _, p := range places {
		all = append(all, jsonPlace{p.At.File, p.At.Line, p.At.Column, p.Message})
	}
	return all
}
