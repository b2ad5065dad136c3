package rules

import (
	"fmt"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/ctxflow"
	"github.com/firebreak-go/firebreak/audit/internal/program"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
	"github.com/firebreak-go/firebreak/audit/internal/sink"
)

// deadlineDropped is TA404.
var deadlineDropped = &rule.Rule{
	ID:    "TA404",
	Name:  "deadline-dropped",
	Title: "a context with a deadline is at hand, and a call that waits is given one without",
	Level: rule.Note, // until its precision is measured
	Run:   runDeadlineDropped,
}

func runDeadlineDropped(pass *rule.Pass) {
	eachCall(pass, func(pkg *program.Package, call ssa.CallInstruction) {
		waits := pass.Sinks.Of(call)
		if waits == nil || waits.Kind == sink.Shutdown {
			return
		}
		o, ok := unbounded(pass, waits, call)
		if !ok || !drops(pass, call, o) {
			return
		}
		pos, end := span(pkg, call)
		f := rule.Finding{
			Pos: pos, End: end, Func: call.Parent(),
			Severity:  inKind(pass, pkg, severityNamed(waits.Entry.Severity)),
			Operation: waits.Name,
			Message: fmt.Sprintf("%s waits on a context without a deadline (%s), while one with a deadline is at hand: pass that",
				waits.Name, source(o)),
			Provenance: provenance(o),
		}
		if here, found := contextInScope(pkg, pos); found && ctxflow.IsContext(here.named.Type()) && isBoundedParameter(pass, call.Parent(), here) {
			f.Fixes = replaceContext(pkg, call, here)
		}
		pass.Report(f)
	})
}

// drops reports whether the function that makes call, or begins o, has a context with a
// deadline by then. One that has ended is none: after it is done, a fresh one cleans up.
func drops(pass *rule.Pass, call ssa.CallInstruction, o ctxflow.Origin) bool {
	if _, plain := call.(*ssa.Call); !plain {
		return false // deferred, or in the background
	}
	fn := call.Parent()
	if len(o.Steps) == 0 || fn.Pos() > o.Start() || fn.Syntax() != nil && o.Start() > fn.Syntax().End() {
		return false // it was made elsewhere, with a reason that is not seen here
	}
	bounded := false
	for _, param := range fn.Params {
		if ctxflow.IsContext(param.Type()) && pass.Contexts.Context(param, call).State == ctxflow.Bounded {
			bounded = true
		}
	}
	for _, block := range fn.Blocks {
		if !block.Dominates(call.Block()) {
			continue
		}
		for _, instr := range block.Instrs {
			if instr == call {
				return bounded
			}
			if made, ok := instr.(*ssa.Call); ok {
				switch ctxflow.CalleeName(made.Common()) {
				case "context.WithTimeout", "context.WithDeadline", "context.WithTimeoutCause", "context.WithDeadlineCause":
					bounded = true
				case "context.Context.Done", "context.Context.Err":
					return false
				}
			}
		}
	}
	return bounded
}

func isBoundedParameter(pass *rule.Pass, fn *ssa.Function, here scoped) bool {
	for _, param := range fn.Params {
		if param.Object() == here.named {
			return pass.Contexts.Context(param, nil).State == ctxflow.Bounded
		}
	}
	return false
}

// replaceContext returns the fix that passes the context at hand.
func replaceContext(pkg *program.Package, call ssa.CallInstruction, here scoped) []analysis.SuggestedFix {
	expr := pkg.CallExpr(call)
	if expr == nil {
		return nil
	}
	given := contextArgument(pkg, expr)
	if given == nil {
		return nil
	}
	return []analysis.SuggestedFix{{
		Message:   "Pass " + here.expr,
		TextEdits: []analysis.TextEdit{{Pos: given.Pos(), End: given.End(), NewText: []byte(here.expr)}},
	}}
}
