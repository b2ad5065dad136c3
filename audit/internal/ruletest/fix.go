package ruletest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/firebreak-go/firebreak/audit/internal/engine"
	"github.com/firebreak-go/firebreak/audit/internal/fix"
	"github.com/firebreak-go/firebreak/audit/internal/program"
	"github.com/firebreak-go/firebreak/audit/internal/result"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// Fix applies the fixes of rules to a copy of packages of dir/src until none is left. What
// comes of it must type-check, and each fix must remove its own finding and bring no other.
// It returns how many were applied of each rule.
func Fix(t *testing.T, dir string, rules []*rule.Rule, patterns ...string) map[string]int {
	t.Helper()
	made := t.TempDir()
	if err := os.CopyFS(filepath.Join(made, "src"), os.DirFS(filepath.Join(dir, "src"))); err != nil {
		t.Fatal(err)
	}
	applied := make(map[string]int)
	results := found(Load(t, made, patterns...), made, rules)
	for range 100 {
		plan, err := fix.New(results)
		if err != nil {
			t.Fatal(err)
		}
		if len(plan.Applied) == 0 {
			for _, r := range plan.Left {
				t.Errorf("%v: the fix of %s cannot be applied", r.At, r.Rule.ID)
			}
			return applied
		}
		if err := plan.Write(); err != nil {
			t.Fatal(err)
		}
		fixed := make(map[string]int)
		for _, r := range plan.Applied {
			applied[r.Rule.ID]++
			fixed[r.Rule.ID]++
		}
		loaded := Load(t, made, patterns...)
		if t.Failed() {
			for _, file := range plan.Files() {
				text, _ := os.ReadFile(file)
				t.Logf("%s:\n%s", file, text)
			}
			return applied
		}
		after := found(loaded, made, rules)
		before := count(results)
		for id, n := range count(after) {
			if want := before[id] - fixed[id]; n != want {
				t.Errorf("after %d fixes of %s: got %d findings, want %d", fixed[id], id, n, want)
			}
		}
		results = after
	}
	t.Error("fixes come without end")
	return applied
}

func found(loaded *program.Program, dir string, rules []*rule.Rule) []*result.Result {
	collector := result.NewCollector(loaded, filepath.Join(dir, "src"))
	var results []*result.Result
	for _, f := range engine.Run(loaded, engine.Config{Rules: loud(rules)}) {
		if f.Suppressed == nil {
			results = append(results, collector.Add(f))
		}
	}
	return results
}

func count(results []*result.Result) map[string]int {
	n := make(map[string]int)
	for _, r := range results {
		n[r.Rule.ID]++
	}
	return n
}
