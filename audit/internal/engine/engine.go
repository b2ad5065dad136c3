// Package engine runs the rules over a Program.
package engine

import (
	"cmp"
	"slices"

	"github.com/firebreak-go/firebreak/audit/internal/catalog"
	"github.com/firebreak-go/firebreak/audit/internal/ctxflow"
	"github.com/firebreak-go/firebreak/audit/internal/object"
	"github.com/firebreak-go/firebreak/audit/internal/program"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
	"github.com/firebreak-go/firebreak/audit/internal/scope"
)

// Run returns what the rules find in p, in the order of the source. What stands in tests,
// examples and generated code is left out.
func Run(p *program.Program, known *catalog.Catalog, rules []*rule.Rule) []rule.Finding {
	var findings []rule.Finding
	contexts, objects, places := ctxflow.New(p), object.New(p), scope.New(p)
	for _, r := range rules {
		r.Run(&rule.Pass{
			Rule: r, Program: p, Contexts: contexts, Objects: objects, Scope: places, Catalog: known,
			Report: func(f rule.Finding) {
				if places.At(f.Pos) != scope.Judged {
					return
				}
				f.Rule = r
				findings = append(findings, f)
			},
		})
	}
	slices.SortStableFunc(findings, func(a, b rule.Finding) int {
		at, bt := p.Fset.Position(a.Pos), p.Fset.Position(b.Pos)
		return cmp.Or(cmp.Compare(at.Filename, bt.Filename), cmp.Compare(at.Offset, bt.Offset), cmp.Compare(a.Rule.ID, b.Rule.ID))
	})
	return findings
}
