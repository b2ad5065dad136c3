package fix_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/firebreak-go/firebreak/audit/internal/engine"
	"github.com/firebreak-go/firebreak/audit/internal/fix"
	"github.com/firebreak-go/firebreak/audit/internal/result"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
	"github.com/firebreak-go/firebreak/audit/internal/rules"
	"github.com/firebreak-go/firebreak/audit/internal/ruletest"
)

// Every fix of every rule, in the code that the rules are tested on: what it makes compiles,
// and the finding is gone. There may be a new one, of another rule: a server that has a
// limit for headers may still have none for its answers.
func TestFixesOfRules(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "rules", "testdata"))); err != nil {
		t.Fatal(err)
	}
	fixed := make(map[string]int)
	for round := 1; ; round++ {
		before := audit(t, dir)
		plan, err := fix.New(before)
		if err != nil {
			t.Fatal(err)
		}
		if len(plan.Applied) == 0 {
			for _, r := range plan.Left {
				t.Errorf("%s: the fix of %s is never applied", r.At, r.Rule.ID)
			}
			break
		}
		if round > 5 {
			t.Fatal("fixes are still applied after five rounds")
		}
		if err := plan.Write(); err != nil {
			t.Fatal(err)
		}
		want := count(before)
		for _, r := range plan.Applied {
			want[like(r)]--
			fixed[r.Rule.ID]++
		}
		after := count(audit(t, dir)) // it fails if something does not compile
		for _, r := range plan.Applied {
			if got := after[like(r)]; got > want[like(r)] {
				t.Errorf("round %d: after the fix of %s there are %d findings of %v, want %d", round, r.At, got, like(r), want[like(r)])
			}
		}
	}
	for _, id := range []string{"TA102", "TA201", "TA202", "TA204", "TA301", "TA401", "TA501", "TA801"} {
		if fixed[id] == 0 {
			t.Errorf("no fix of %s was tried", id)
		}
	}
	t.Logf("fixes: %v", fixed)
}

// audit returns what all rules find in dir/src.
func audit(t *testing.T, dir string) []*result.Result {
	t.Helper()
	loaded := ruletest.Load(t, dir, "./...")
	levels := make(map[string]rule.Level)
	for _, r := range rules.All() {
		levels[r.ID] = max(r.Level, rule.Note)
	}
	collector := result.NewCollector(loaded, dir)
	var all []*result.Result
	for _, f := range engine.Run(loaded, engine.Config{Rules: rules.All(), Levels: levels}) {
		if r := collector.Add(f); r.Suppressed == nil {
			all = append(all, r)
		}
	}
	return all
}

// A kind is what findings that are alike have in common.
type kind struct{ rule, pkg, function, operation string }

func like(r *result.Result) kind { return kind{r.Rule.ID, r.Package, r.Func, r.Operation} }

func count(results []*result.Result) map[kind]int {
	counts := make(map[kind]int)
	for _, r := range results {
		counts[like(r)]++
	}
	return counts
}
