package baseline_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firebreak-go/firebreak/audit/internal/baseline"
	"github.com/firebreak-go/firebreak/audit/internal/result"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// finding reads "TA102 pkg Func operation line", where line stands for its text.
func finding(t *testing.T, text string) *result.Result {
	t.Helper()
	f := strings.Fields(text)
	if len(f) != 5 {
		t.Fatalf("finding %q has %d parts, want 5", text, len(f))
	}
	return &result.Result{Rule: &rule.Rule{ID: f[0]}, Package: f[1], Func: f[2], Operation: f[3], LineHash: f[4]}
}

func findings(t *testing.T, texts ...string) []*result.Result {
	t.Helper()
	var all []*result.Result
	for _, text := range texts {
		all = append(all, finding(t, text))
	}
	return all
}

func TestCompare(t *testing.T) {
	for name, test := range map[string]struct {
		before, after []string
		status        string // of each after: n new, u unchanged
		fixed         int
	}{
		"the same":                   {[]string{"TA102 a F op 1", "TA201 a G op 2"}, []string{"TA102 a F op 1", "TA201 a G op 2"}, "uu", 0},
		"the line was edited":        {[]string{"TA102 a F op 1"}, []string{"TA102 a F op 2"}, "u", 0},
		"another rule":               {[]string{"TA102 a F op 1"}, []string{"TA101 a F op 1"}, "n", 1},
		"another package":            {[]string{"TA102 a F op 1"}, []string{"TA102 b F op 1"}, "n", 1},
		"another function":           {[]string{"TA102 a F op 1"}, []string{"TA102 a G op 1"}, "n", 1},
		"another operation":          {[]string{"TA102 a F op 1"}, []string{"TA102 a F po 1"}, "n", 1},
		"one more before":            {[]string{"TA102 a F op 1"}, []string{"TA102 a F op 2", "TA102 a F op 1"}, "nu", 0},
		"one more, all lines differ": {[]string{"TA102 a F op 1"}, []string{"TA102 a F op 2", "TA102 a F op 3"}, "un", 0},
		"one more of the same line":  {[]string{"TA102 a F op 1"}, []string{"TA102 a F op 1", "TA102 a F op 1"}, "un", 0},
		"one less":                   {[]string{"TA102 a F op 1", "TA102 a F op 2"}, []string{"TA102 a F op 2"}, "u", 1},
		"one less, and edited":       {[]string{"TA102 a F op 1", "TA102 a F op 2"}, []string{"TA102 a F op 3"}, "u", 1},
		"all fixed":                  {[]string{"TA102 a F op 1", "TA102 a F op 1"}, nil, "", 2},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "b.json")
			if err := baseline.Of(findings(t, test.before...)).Write(file); err != nil {
				t.Fatal(err)
			}
			b, err := baseline.Read(file)
			if err != nil {
				t.Fatal(err)
			}
			after := findings(t, test.after...)
			fixed := b.Compare(after)
			status := ""
			for _, r := range after {
				status += string(r.Status[0])
			}
			if status != test.status || len(fixed) != test.fixed {
				t.Errorf("got %q and %d fixed, want %q and %d", status, len(fixed), test.status, test.fixed)
			}
		})
	}
}

func TestWrite(t *testing.T) {
	suppressed := finding(t, "TA102 z F op 1")
	suppressed.Suppressed = &result.Suppression{Reason: "because"}
	file := filepath.Join(t.TempDir(), "b.json")
	all := append(findings(t, "TA201 b F op 1", "TA102 a F op 1"), suppressed)
	if err := baseline.Of(all).Write(file); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := `{
  "version": 1,
  "findings": [
    {
      "rule": "TA102",
      "package": "a",
      "func": "F",
      "operation": "op",
      "line_hash": "1"
    },
    {
      "rule": "TA201",
      "package": "b",
      "func": "F",
      "operation": "op",
      "line_hash": "1"
    }
  ]
}
`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
	if entries, _ := os.ReadDir(filepath.Dir(file)); len(entries) != 1 {
		t.Errorf("got %d files beside it, want none", len(entries)-1)
	}
	if err := baseline.Of(nil).Write(filepath.Join(file, "x")); err == nil || !strings.HasPrefix(err.Error(), "baseline ") {
		t.Errorf("a directory that is a file: got %v", err)
	}
}

func TestReadProblems(t *testing.T) {
	for text, want := range map[string]string{
		`{"version": 2, "findings": {}}`: "has version 2, want 1: write it anew with -write-baseline",
		`{"findings": []}`:               "has no version: it is not a file that -write-baseline wrote",
		`{"version": 1, "findings": 3}`:  "cannot unmarshal number",
		`[]`:                             "cannot unmarshal array",
		``:                               "unexpected end of JSON input",
	} {
		file := filepath.Join(t.TempDir(), "b.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := baseline.Read(file)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: got %v, want the file and %q", text, err, want)
		}
		if got, want := errors.Is(err, baseline.ErrVersion), strings.Contains(text, "2"); got != want {
			t.Errorf("%s: got ErrVersion %v, want %v", text, got, want)
		}
	}
	if _, err := baseline.Read("none.json"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: got %v", err)
	}
}
