package rules

import (
	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/catalog"
	"github.com/firebreak-go/firebreak/audit/internal/ctxflow"
	"github.com/firebreak-go/firebreak/audit/internal/program"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
	"github.com/firebreak-go/firebreak/audit/internal/sink"
)

// requestContext is TA403.
var requestContext = &rule.Rule{
	ID:    "TA403",
	Name:  "request-ctx-unbounded",
	Title: "a call that waits for a peer is given the context of a request, which has no deadline",
	Level: rule.Off,
	Run:   runRequestContext,
}

func runRequestContext(pass *rule.Pass) {
	if hasDeadlineMiddleware(pass) {
		return
	}
	eachCall(pass, func(pkg *program.Package, call ssa.CallInstruction) {
		waits := pass.Sinks.Of(call)
		if waits == nil || waits.Kind == sink.Likely || waits.Kind == sink.Shutdown {
			return
		}
		o := pass.Contexts.Context(waits.Context, call)
		if o.State != ctxflow.Request {
			return
		}
		pos, end := span(pkg, call)
		pass.Report(rule.Finding{
			Pos: pos, End: end, Func: call.Parent(),
			Severity:   inKind(pass, pkg, severityNamed(waits.Entry.Severity)),
			Operation:  waits.Name,
			Message:    waits.Name + " waits on the context of the request, which has no deadline unless http.TimeoutHandler or a middleware sets one",
			Provenance: provenance(o),
		})
	})
}

// hasDeadlineMiddleware reports whether the program uses a middleware that gives requests a
// deadline.
func hasDeadlineMiddleware(pass *rule.Pass) bool {
	found := false
	eachCall(pass, func(pkg *program.Package, call ssa.CallInstruction) {
		if found {
			return
		}
		entry := pass.Catalog.Find(ctxflow.Callee(call.Common()), pkg.Versions)
		found = entry != nil && entry.Is == catalog.Middleware
	})
	return found
}
