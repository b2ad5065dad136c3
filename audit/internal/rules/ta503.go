package rules

import (
	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/ctxflow"
	"github.com/firebreak-go/firebreak/audit/internal/program"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// rpcCall is TA503.
var rpcCall = &rule.Rule{
	ID:    "TA503",
	Name:  "rpc-call",
	Title: "a call of net/rpc waits for its answer without a limit",
	Level: rule.Note, // until its precision is measured
	Run:   runRPCCall,
}

func runRPCCall(pass *rule.Pass) {
	eachCall(pass, func(pkg *program.Package, call ssa.CallInstruction) {
		fn := ctxflow.Callee(call.Common())
		if fn == nil || fn.Pkg() == nil || fn.Pkg().Path() != "net/rpc" || ctxflow.CalleeName(call.Common()) != "rpc.Client.Call" {
			return
		}
		pos, end := span(pkg, call)
		pass.Report(rule.Finding{
			Pos: pos, End: end, Func: call.Parent(), Severity: inKind(pass, pkg, rule.High),
			Operation: "rpc.Client.Call",
			Message:   "rpc.Client.Call waits for its answer for ever: use Client.Go, and select on the call's Done and a timer",
		})
	})
}
