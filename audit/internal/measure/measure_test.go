package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

const corpus = `{"repo": "a", "file": "x.go", "line": 1, "rule": "client", "label": "missing", "severity": "high", "reason": "r1"}
{"repo": "a", "file": "x.go", "line": 2, "rule": "client", "label": "fine", "why": "bounded-elsewhere", "reason": "r2"}
{"repo": "a", "file": "x.go", "line": 3, "rule": "client", "label": "fine", "why": "caller-decides", "reason": "r3"}
{"repo": "a", "file": "x.go", "line": 3, "rule": "request", "label": "missing", "severity": "low", "reason": "r4"}

{"repo": "a", "file": "x.go", "line": 4, "rule": "request", "label": "missing", "severity": "high", "reason": "r5"}
{"repo": "a", "file": "y.go", "line": 5, "rule": "request", "label": "missing", "severity": "high", "reason": "r6"}
{"repo": "a", "file": "x.go", "line": 6, "rule": "server", "label": "fine", "why": "test-or-example-code", "reason": "r7"}
{"repo": "b", "file": "x.go", "line": 1, "rule": "server", "label": "missing", "severity": "high", "reason": "of a module that was not run"}
`

func read(t *testing.T, text string) ([]*site, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "corpus.jsonl")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return readCorpus(file)
}

func at(line int) place { return place{"a", "x.go", line} }

func measured(t *testing.T) ([]*verdict, []found, map[string]*report) {
	t.Helper()
	sites, err := read(t, corpus)
	if err != nil {
		t.Fatal(err)
	}
	reports := map[string]*report{"a": {
		Files: []string{"x.go"}, Lines: 2000, AuditCPU: 30e6,
		Findings: []found{
			{Rule: "TA102", Level: rule.Error, At: at(1)},                                       // right
			{Rule: "TA102", Level: rule.Note, At: at(90), Uses: []place{at(3), at(3)}},          // right, by a use, as a note
			{Rule: "TA401", Level: rule.Warning, At: at(2)},                                     // wrong
			{Rule: "TA401", Level: rule.Note, At: at(6)},                                        // wrong, as a note
			{Rule: "TA401", Level: rule.Off, At: at(4)},                                         // not counted
			{Rule: "TA401", Level: rule.Error, At: at(91)},                                      // without a label
			{Rule: "TA401", Level: rule.Error, At: place{"a", "z.go", 1}, Uses: []place{at(1)}}, // right once more
		},
	}}
	verdicts, rest := judge(sites, reports)
	return verdicts, rest, reports
}

func TestScores(t *testing.T) {
	verdicts, rest, _ := measured(t)
	high := func(v *verdict) bool { return v.Judged && v.Severity == "high" }
	for name, test := range map[string]struct{ got, want string }{
		"precision":               {precisionOf(scoreOf(verdicts, rule.Note, judged)), "0.500 (2/4)"},
		"precision from warnings": {precisionOf(scoreOf(verdicts, rule.Warning, judged)), "0.500 (1/2)"},
		"recall":                  {recallOf(scoreOf(verdicts, rule.Note, judged)), "0.667 (2/3)"},
		"recall from warnings":    {recallOf(scoreOf(verdicts, rule.Warning, judged)), "0.333 (1/3)"},
		"recall of all files":     {recallOf(scoreOf(verdicts, rule.Note, func(*verdict) bool { return true })), "0.500 (2/4)"},
		"recall, high":            {recallOf(scoreOf(verdicts, rule.Note, high)), "0.500 (1/2)"},
		"of nothing":              {recallOf(scoreOf(nil, rule.Note, judged)), "–"},
	} {
		if test.got != test.want {
			t.Errorf("%s: got %s, want %s", name, test.got, test.want)
		}
	}
	if len(rest) != 1 || rest[0].At != at(91) {
		t.Errorf("without a label: got %v, want the one of line 91", rest)
	}
	want := []ruleRow{{"TA102", 2, 0, 0}, {"TA401", 1, 2, 1}}
	if diff := cmp.Diff(want, byRule(verdicts, rest), cmp.AllowUnexported(ruleRow{})); diff != "" {
		t.Errorf("by rule (-want +got):\n%s", diff)
	}
}

func precisionOf(s score) string { return s.precision().String() }

func recallOf(s score) string { return s.recall().String() }

func TestCorpusProblems(t *testing.T) {
	for text, want := range map[string]string{
		"{}\n":                      `corpus.jsonl:1: label is "", want missing or fine`,
		"\n{\"label\":\"fine\"}\nx": "corpus.jsonl:3: invalid character",
	} {
		if _, err := read(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

func TestUpdate(t *testing.T) {
	page := filepath.Join(t.TempDir(), "README.md")
	write := func(text string) {
		if err := os.WriteFile(page, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	verdicts, rest, reports := measured(t)
	write("before\n" + begin + "\nold\n" + end + "\nafter\n")
	for range 2 { // the second time changes nothing
		if err := update(page, tables(verdicts, rest, reports)); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			"before\n" + begin + "\n\nAccuracy\n\n|  | measured |\n|---|--:|\n| labelled sites | 3 missing, 2 fine |\n", "| precision, all levels | 0.500 (2/4) |\n",
			"| client | 2 | 2 | 1 | 1 | 1 | 0.667 (2/3) | 1.000 (2/2) |\n", "| a | 2.0 | 0.0 | 0.03 | 15.0 | 0.0 | 0 | 7 | 0 |\n", "|\n\n" + end + "\nafter\n",
		} {
			if !strings.Contains(string(text), want) {
				t.Errorf("got\n%s\nwant %q in it", text, want)
			}
		}
		if strings.Contains(string(text), "old") {
			t.Error("the old tables are still there")
		}
	}
	write("before\n")
	if err := update(page, nil); err == nil || !strings.Contains(err.Error(), "README.md has no lines "+begin+" and "+end) {
		t.Errorf("no lines: got %v", err)
	}
}
