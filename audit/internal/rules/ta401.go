package rules

import (
	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/program"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
	"github.com/firebreak-go/firebreak/audit/internal/sink"
)

// rootContext is TA401.
var rootContext = &rule.Rule{
	ID:    "TA401",
	Name:  "root-ctx-to-blocking-call",
	Title: "a call that waits for a peer is given a context without a deadline",
	Level: rule.Warning,
	Run:   runRootContext,
}

func runRootContext(pass *rule.Pass) {
	fixes := newTimeoutFixes("callCtx", "cancelCall", pass.Settings.CallTimeout)
	eachCall(pass, func(pkg *program.Package, call ssa.CallInstruction) {
		waits := pass.Sinks.Of(call)
		if waits == nil || waits.Kind != sink.Library && waits.Kind != sink.Likely {
			return
		}
		if o, ok := unbounded(pass, waits, call); ok && !drops(pass, call, o) { // else TA404
			reportRoot(pass, pkg, call, waits, o, fixes)
		}
	})
}
