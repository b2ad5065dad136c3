package rules

import (
	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/object"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// sshUnbounded is TA304.
var sshUnbounded = &rule.Rule{
	ID:    "TA304",
	Name:  "ssh-unbounded",
	Title: "an SSH connection is dialled without a limit",
	Level: rule.Warning,
	Run:   runSSH,
}

func runSSH(pass *rule.Pass) {
	for _, o := range pass.Objects.Objects("golang.org/x/crypto/ssh", "ClientConfig") {
		if o.Given("Timeout") == object.Something {
			continue
		}
		var uses []rule.Place
		for _, use := range o.Uses {
			if use.Product || pass.Scope.At(use.Pos()) != "" {
				continue
			}
			switch {
			case use.Name() == "golang.org/x/crypto/ssh.Dial":
				args := object.Arguments(use.Call())
				if !isLoopback(pass, args[1]) {
					uses = append(uses, rule.Place{Pos: use.Pos(), Message: "ssh.Dial waits for the connection, and then for the handshake, for ever"})
				}
			case use.Name() == "golang.org/x/crypto/ssh.NewClientConn":
				if args := object.Arguments(use.Call()); !hasDeadline(pass, args[0], use.Instr) && dialled(pass, args[0]) {
					uses = append(uses, rule.Place{Pos: use.Pos(), Message: "the handshake has no deadline"})
				}
			case use.Kind == object.Passed && !isHarmless(use):
				uses = append(uses, rule.Place{Pos: use.Pos(), Message: "handed to " + receiverText(use)})
			}
		}
		if len(uses) == 0 {
			continue
		}
		pass.Report(rule.Finding{
			Pos: o.Pos, End: o.End, Func: o.Func, Severity: inKind(pass, o.Package, rule.Medium), Operation: "ssh.ClientConfig{}",
			Message: "this ssh.ClientConfig has no Timeout: connecting has no limit; set Timeout, which does not bound the handshake: for that, dial yourself and call SetDeadline before ssh.NewClientConn",
			Uses:    uses,
			Fixes:   setField(pass, o, "Timeout", pass.Settings.DialTimeout),
		})
	}
}

// dialled reports whether a connection comes from a dial without a limit in the program.
func dialled(pass *rule.Pass, conn ssa.Value) bool {
	for _, source := range pass.Objects.Sources(conn) {
		call, ok := source.Value.(*ssa.Call)
		if !ok || source.Kind != object.Library {
			continue
		}
		switch object.FuncName(object.Callee(call.Common())) {
		case "net.Dial", "net.DialTimeout", "net.DialTCP", "net.Dialer.Dial", "net.Dialer.DialContext":
			return true
		}
	}
	return false
}
