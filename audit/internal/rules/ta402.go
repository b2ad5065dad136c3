package rules

import (
	"fmt"
	"strings"
	"sync"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/ctxflow"
	"github.com/firebreak-go/firebreak/audit/internal/program"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
	"github.com/firebreak-go/firebreak/audit/internal/sink"
)

// rootToWrapper is TA402.
var rootToWrapper = &rule.Rule{
	ID:    "TA402",
	Name:  "root-ctx-to-wrapper",
	Title: "a context without a deadline is passed to a function that waits for a peer with it",
	Level: rule.Note,
	Run:   runRootToWrapper,
}

func runRootToWrapper(pass *rule.Pass) {
	bounded := sync.OnceValue(func() bool { return databaseBounded(pass) })
	eachCall(pass, func(pkg *program.Package, call ssa.CallInstruction) {
		callee := call.Common().StaticCallee()
		if callee == nil || runsOn(callee) {
			return
		}
		for i, arg := range call.Common().Args {
			if !ctxflow.IsContext(arg.Type()) {
				continue
			}
			o := pass.Contexts.Context(arg, call)
			if o.State != ctxflow.Root {
				continue
			}
			way := pass.Sinks.Reaches(pass.Contexts, callee, i)
			if way == nil || way.Call.Kind == sink.Likely || way.Call.Kind == sink.Shutdown || way.Call.Kind == sink.Database && (bounded() || way.Instr != nil && isMigration(pass, pkg, way.Instr)) {
				continue
			}
			reportWrapper(pass, pkg, call, callee, o, way)
			return
		}
	})
}

func reportWrapper(pass *rule.Pass, pkg *program.Package, call ssa.CallInstruction, callee *ssa.Function, o ctxflow.Origin, way *sink.Reach) {
	pos, end := span(pkg, call)
	f := rule.Finding{
		Pos: pos, End: end, Func: call.Parent(),
		Severity:  inKind(pass, pkg, severityNamed(way.Call.Entry.Severity)),
		Operation: ctxflow.CalleeName(call.Common()),
		Message: fmt.Sprintf("%s gets a context without a deadline (%s), and waits in %s with it: pass one with a deadline, or set one in %s",
			callee.Name(), source(o), way.Call.Name, callee.Name()),
		Provenance: provenance(o),
	}
	f.Provenance = append(f.Provenance, rule.Place{Pos: pos, Message: "passed to " + callee.Name()})
	for _, via := range way.Via {
		f.Provenance = append(f.Provenance, rule.Place{Pos: via.Pos(), Message: "passed on to " + ctxflow.CalleeName(via.Common())})
	}
	if way.Instr != nil {
		f.Uses = []rule.Place{{Pos: way.Instr.Pos(), Message: way.Call.Name + " waits here"}}
	}
	pass.Report(f)
}

// runsOn reports whether a function is one that works until it is told to stop, by its name:
// a deadline would end it.
func runsOn(fn *ssa.Function) bool {
	name := strings.ToLower(fn.Name())
	for _, word := range []string{"run", "start", "serve", "listen", "watch", "loop", "main", "work", "consume", "subscribe", "poll", "monitor", "daemon", "schedule", "init", "setup", "new", "handle", "process", "sync"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}
