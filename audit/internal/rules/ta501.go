package rules

import (
	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/program"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
	"github.com/firebreak-go/firebreak/audit/internal/sink"
)

// grpcCall is TA501.
var grpcCall = &rule.Rule{
	ID:    "TA501",
	Name:  "grpc-call-no-deadline",
	Title: "a unary remote call is made with a context without a deadline",
	Level: rule.Warning,
	Run:   runGRPCCall,
}

func runGRPCCall(pass *rule.Pass) {
	fixes := newTimeoutFixes("rpcCtx", "cancelRPC", pass.Settings.CallTimeout)
	eachCall(pass, func(pkg *program.Package, call ssa.CallInstruction) {
		waits := pass.Sinks.Of(call)
		if waits == nil || waits.Kind != sink.RPC {
			return
		}
		if o, ok := unbounded(pass, waits, call); ok && !drops(pass, call, o) { // else TA404
			reportRoot(pass, pkg, call, waits, o, fixes)
		}
	})
}
