package rules

import (
	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/object"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// serverWrite is TA203.
var serverWrite = &rule.Rule{
	ID:    "TA203",
	Name:  "server-no-write-bound",
	Title: "an http.Server has no WriteTimeout, and its handler is not in http.TimeoutHandler",
	Level: rule.Off, // a server that streams must not have one, and few say whether they stream
	Run:   runServerWrite,
}

func runServerWrite(pass *rule.Pass) {
	for _, o := range pass.Objects.Objects("net/http", "Server") {
		if o.Given("WriteTimeout") == object.Something || inTimeoutHandler(pass, o) {
			continue
		}
		uses, decided := servingUses(pass, o)
		if decided || len(uses) == 0 {
			continue
		}
		pass.Report(rule.Finding{
			Pos: o.Pos, End: o.End, Func: o.Func, Severity: inKind(pass, o.Package, rule.Low), Operation: "http.Server{}",
			Message: "this http.Server has no WriteTimeout, and no http.TimeoutHandler: a handler, or a client that reads slowly, holds a connection for ever; set WriteTimeout unless it streams",
			Uses:    uses,
		})
	}
}

// inTimeoutHandler reports whether the handler of a server is that of http.TimeoutHandler.
func inTimeoutHandler(pass *rule.Pass, o *object.Object) bool {
	for _, set := range o.Sets("Handler") {
		if set.Value == nil {
			continue
		}
		for _, source := range pass.Objects.Sources(set.Value) {
			if call, ok := source.Value.(*ssa.Call); ok && object.FuncName(object.Callee(call.Common())) == "net/http.TimeoutHandler" {
				return true
			}
		}
	}
	return false
}
