package rules_test

import (
	"testing"

	"github.com/firebreak-go/firebreak/audit/internal/rule"
	"github.com/firebreak-go/firebreak/audit/internal/rules"
	"github.com/firebreak-go/firebreak/audit/internal/ruletest"
)

func TestObjectRules(t *testing.T) {
	for _, tt := range []struct {
		id       string
		patterns []string
	}{
		{"TA101", []string{"ta101"}},
		{"TA102", []string{"ta102/..."}},
		{"TA103", []string{"ta103"}},
		{"TA104", []string{"ta104"}},
		{"TA201", []string{"ta201"}},
		{"TA202", []string{"ta202"}},
		{"TA301", []string{"ta301"}},
		{"TA302", []string{"ta302"}},
		{"TA303", []string{"ta303"}},
		{"TA304", []string{"ta304"}},
		{"TA305", []string{"ta305"}},
	} {
		t.Run(tt.id, func(t *testing.T) {
			ruletest.Run(t, "testdata", []*rule.Rule{rules.Find(tt.id)}, tt.patterns...)
		})
	}
}
