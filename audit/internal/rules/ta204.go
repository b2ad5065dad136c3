package rules

import (
	"fmt"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/program"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
	"github.com/firebreak-go/firebreak/audit/internal/sink"
)

// shutdown is TA204.
var shutdown = &rule.Rule{
	ID:    "TA204",
	Name:  "shutdown-unbounded",
	Title: "a server is shut down with a context without a deadline",
	Level: rule.Note,
	Run:   runShutdown,
}

func runShutdown(pass *rule.Pass) {
	fixes := newTimeoutFixes("shutdownCtx", "cancelShutdown", pass.Settings.CallTimeout)
	eachCall(pass, func(pkg *program.Package, call ssa.CallInstruction) {
		waits := pass.Sinks.Of(call)
		if waits == nil || waits.Kind != sink.Shutdown {
			return
		}
		o, ok := unbounded(pass, waits, call)
		if !ok {
			return
		}
		pos, end := span(pkg, call)
		pass.Report(rule.Finding{
			Pos: pos, End: end, Func: call.Parent(), Severity: rule.Low,
			Operation: waits.Name,
			Message: fmt.Sprintf("%s has a context without a deadline (%s): one request that does not end keeps the process from ending; give it context.WithTimeout",
				waits.Name, source(o)),
			Provenance: provenance(o),
			Fixes:      fixes.fix(pkg, call),
		})
	})
}
