package rules

import (
	"fmt"

	"github.com/firebreak-go/firebreak/audit/internal/object"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// unboundedStack is TA911.
var unboundedStack = &rule.Rule{
	ID:    "TA911",
	Name:  "stack-unbounded",
	Title: "a stack says by timeout.Unbounded that its calls have no limit: the reason is listed",
	Level: rule.Note,
	Run:   runUnboundedStack,
}

func runUnboundedStack(pass *rule.Pass) {
	for instr, call := range calls(pass) {
		if firebreakFunc(object.Callee(call.Common())) != "timeout.Unbounded" {
			continue
		}
		reason := "computed at run time"
		if text, ok := constantString(call.Common().Args[0]); ok {
			reason = fmt.Sprintf("%q", text)
		}
		pass.Report(rule.Finding{
			Pos: start(pass, call), End: end(pass, call), Func: enclosing(instr), Severity: rule.Low, Operation: "timeout.Unbounded",
			Message: "the calls of this stack have no limit; the reason given is " + reason,
		})
	}
}
