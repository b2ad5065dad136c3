package rules

import (
	"fmt"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/catalog"
	"github.com/firebreak-go/firebreak/audit/internal/ctxflow"
	"github.com/firebreak-go/firebreak/audit/internal/program"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// contextIgnored is TA405.
var contextIgnored = &rule.Rule{
	ID:    "TA405",
	Name:  "ctx-not-honoured",
	Title: "a context with a deadline is given to a call that does not look at it",
	Level: rule.Note,
	Run:   runContextIgnored,
}

func runContextIgnored(pass *rule.Pass) {
	eachCall(pass, func(pkg *program.Package, call ssa.CallInstruction) {
		common := call.Common()
		entry := pass.Catalog.Find(ctxflow.Callee(common), pkg.Versions)
		if entry == nil || entry.Is != catalog.Ignores {
			return
		}
		for _, arg := range common.Args {
			if !ctxflow.IsContext(arg.Type()) {
				continue
			}
			o := pass.Contexts.Context(arg, call)
			if o.State != ctxflow.Bounded {
				return
			}
			pos, end := span(pkg, call)
			name := ctxflow.CalleeName(common)
			pass.Report(rule.Finding{
				Pos: pos, End: end, Func: call.Parent(), Severity: inKind(pass, pkg, severityNamed(entry.Severity)),
				Operation:  name,
				Message:    fmt.Sprintf("%s does not honour the deadline of its context: it %s; %s", name, entry.Note, entry.Fix),
				Provenance: provenance(o),
			})
			return
		}
	})
}
