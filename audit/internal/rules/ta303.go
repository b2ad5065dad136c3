package rules

import (
	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/object"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// smtpUnbounded is TA303.
var smtpUnbounded = &rule.Rule{
	ID:    "TA303",
	Name:  "smtp-unbounded",
	Title: "a dialogue with a mail server has no deadline",
	Level: rule.Error,
	Run:   runSMTP,
}

func runSMTP(pass *rule.Pass) {
	report := func(instr ssa.Instruction, call ssa.CallInstruction, operation, message string) {
		pass.Report(rule.Finding{
			Pos: start(pass, call), End: end(pass, call), Func: enclosing(instr), Severity: inFunc(pass, instr.Parent(), rule.High),
			Operation: operation, Message: message,
		})
	}
	const fix = "dial with a limit, call SetDeadline on the connection, and use smtp.NewClient"
	for instr, call := range calls(pass) {
		args := call.Common().Args
		switch object.FuncName(object.Callee(call.Common())) {
		case "net/smtp.SendMail":
			if !isLoopback(pass, args[0]) {
				report(instr, call, "smtp.SendMail", "smtp.SendMail waits for the mail server for ever, at every step; "+fix)
			}
		case "net/smtp.Dial":
			if !isLoopback(pass, args[0]) {
				report(instr, call, "smtp.Dial", "smtp.Dial waits for the mail server for ever, and so does the dialogue; "+fix)
			}
		case "net/smtp.NewClient":
			if !hasDeadline(pass, args[0], instr) {
				report(instr, call, "smtp.NewClient", "the dialogue of this smtp.Client has no deadline: a mail server that says nothing holds it for ever; call SetDeadline on the connection before")
			}
		}
	}
}
