package rules

import (
	"sync"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/program"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
	"github.com/firebreak-go/firebreak/audit/internal/sink"
)

// sqlRoot is TA602.
var sqlRoot = &rule.Rule{
	ID:    "TA602",
	Name:  "sql-root-ctx",
	Title: "a database query is made with a context without a deadline",
	Level: rule.Note,
	Run:   runSQLRoot,
}

func runSQLRoot(pass *rule.Pass) {
	bounded := sync.OnceValue(func() bool { return databaseBounded(pass) })
	fixes := newTimeoutFixes("queryCtx", "cancelQuery", pass.Settings.CallTimeout)
	eachCall(pass, func(pkg *program.Package, call ssa.CallInstruction) {
		waits := pass.Sinks.Of(call)
		if waits == nil || waits.Kind != sink.Database || bounded() || isMigration(pass, pkg, call) {
			return
		}
		if o, ok := unbounded(pass, waits, call); ok && !drops(pass, call, o) { // else TA404
			reportRoot(pass, pkg, call, waits, o, fixes)
		}
	})
}
