package rules_test

import (
	"testing"

	"github.com/firebreak-go/firebreak/audit/internal/rule"
	"github.com/firebreak-go/firebreak/audit/internal/rules"
	"github.com/firebreak-go/firebreak/audit/internal/ruletest"
)

// only returns the rules of those IDs, and turns them on.
func only(ids ...string) []*rule.Rule {
	var chosen []*rule.Rule
	for _, id := range ids {
		r := *rules.Find(id)
		r.Level = max(r.Level, rule.Note)
		chosen = append(chosen, &r)
	}
	return chosen
}

// TestContextRules runs the rules about contexts on code that says what they find.
func TestContextRules(t *testing.T) {
	on := only("TA204", "TA401", "TA404", "TA405", "TA501", "TA502", "TA503", "TA601", "TA602", "TA701", "TA801")
	for _, test := range []struct {
		name     string
		rules    []*rule.Rule
		packages []string
	}{
		{"alone", on, []string{"ta204", "ta401", "ta404", "ta405", "ta501", "ta502", "ta503", "ta601", "ta602", "ta701", "ta801"}},
		{"queries limited by the address", on, []string{"ta602b"}},
		{"options of a library in use", on, []string{"ta701b"}},
		{"wrappers", append(only("TA402"), on...), []string{"ta402"}},
		{"requests", append(only("TA403"), on...), []string{"ta403"}},
	} {
		t.Run(test.name, func(t *testing.T) { ruletest.Run(t, "testdata", test.rules, test.packages...) })
	}
}

// TestContextFixes applies the fixes of the rules about contexts: what comes of them
// compiles, and the findings are gone.
func TestContextFixes(t *testing.T) {
	on := only("TA204", "TA401", "TA404", "TA501", "TA601", "TA602", "TA801")
	applied := ruletest.Fix(t, "testdata", on, "ta204", "ta401", "ta404", "ta501", "ta601", "ta602", "ta801")
	for _, r := range on {
		if applied[r.ID] == 0 {
			t.Errorf("%s: got no fix, want one that is applied", r.ID)
		}
	}
}
