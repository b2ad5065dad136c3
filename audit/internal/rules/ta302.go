package rules

import (
	"slices"
	"strings"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/object"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// tlsHandshake is TA302.
var tlsHandshake = &rule.Rule{
	ID:    "TA302",
	Name:  "tls-handshake-unbounded",
	Title: "a TLS handshake has no deadline",
	Level: rule.Error,
	Run:   runTLSHandshake,
}

func runTLSHandshake(pass *rule.Pass) {
	report := func(instr ssa.Instruction, call ssa.CallInstruction, operation, message string) {
		pass.Report(rule.Finding{
			Pos: start(pass, call), End: end(pass, call), Func: enclosing(instr), Severity: inFunc(pass, instr.Parent(), rule.High),
			Operation: operation, Message: message,
		})
	}
	for instr, call := range calls(pass) {
		args := call.Common().Args
		switch object.FuncName(object.Callee(call.Common())) {
		case "crypto/tls.Dial":
			if waits(pass, args[0]) && !isLoopback(pass, args[1]) && !isDialHook(pass, instr.Parent()) {
				report(instr, call, "tls.Dial", "tls.Dial waits for the peer's handshake for ever; use tls.Dialer with a NetDialer that has a Timeout, or DialContext with a deadline")
			}
		case "crypto/tls.DialWithDialer":
			if zeroDialer(pass, args[0]) && waits(pass, args[1]) && !isLoopback(pass, args[2]) {
				report(instr, call, "tls.DialWithDialer", "tls.DialWithDialer with a net.Dialer that has no Timeout waits for the peer's handshake for ever; set Timeout")
			}
		case "crypto/tls.Conn.Handshake":
			if !hasDeadline(pass, args[0], instr) {
				report(instr, call, "tls.Conn.Handshake", "this TLS handshake has no deadline: a peer that says nothing holds it for ever; use HandshakeContext with a deadline, or SetDeadline on the connection before")
			}
		}
	}
	for _, o := range pass.Objects.Objects("crypto/tls", "Dialer") {
		given := false
		for _, set := range o.Sets("NetDialer") {
			given = given || set.Value == nil || !zeroDialer(pass, set.Value)
		}
		if !given {
			judgeDialer(pass, o, "tls.Dialer")
		}
	}
}

// zeroDialer reports whether a *net.Dialer is known to have no limit.
func zeroDialer(pass *rule.Pass, v ssa.Value) bool {
	for _, source := range pass.Objects.Sources(v) {
		switch source.Kind {
		case object.Constant:
		case object.Struct:
			for _, o := range pass.Objects.Objects("net", "Dialer") {
				if o.Value == source.Value && (o.Given("Timeout") == object.Something || o.Given("Deadline") == object.Something) {
					return false
				}
			}
		default:
			return false
		}
	}
	return true
}

// hasDeadline reports whether a deadline is set on the connection v, or on what it wraps or
// what wraps it: in the function of at, in those around it, or by a function that it is
// passed to.
func hasDeadline(pass *rule.Pass, v ssa.Value, at ssa.Instruction) bool {
	fn := at.Parent()
	for fn.Parent() != nil {
		fn = fn.Parent()
	}
	if setsDeadline(fn) {
		return true
	}
	return slices.ContainsFunc(pass.Objects.Sources(v), func(source object.Source) bool {
		return sourceHasDeadline(pass, source, 3)
	})
}

// setsDeadline reports whether a function or a literal in it sets a deadline of a connection.
func setsDeadline(fn *ssa.Function) bool {
	for _, block := range fn.Blocks {
		for _, instr := range block.Instrs {
			call, ok := instr.(ssa.CallInstruction)
			if !ok {
				continue
			}
			if callee := object.Callee(call.Common()); callee != nil && isSetDeadline(callee.Name()) {
				return true
			}
		}
	}
	return slices.ContainsFunc(fn.AnonFuncs, setsDeadline)
}

func isSetDeadline(name string) bool {
	return name == "SetDeadline" || name == "SetReadDeadline" || name == "SetWriteDeadline"
}

// sourceHasDeadline reports whether a connection has a deadline where it comes from.
func sourceHasDeadline(pass *rule.Pass, source object.Source, depth int) bool {
	if depth == 0 {
		return false
	}
	switch source.Kind {
	case object.Library:
		call, ok := source.Value.(*ssa.Call)
		if !ok {
			return false
		}
		if setsDeadline(call.Parent()) {
			return true
		}
		for _, arg := range object.Arguments(call.Common()) {
			if !isConn(arg) {
				continue
			}
			for _, inner := range pass.Objects.Sources(arg) {
				if sourceHasDeadline(pass, inner, depth-1) {
					return true
				}
			}
		}
		return false
	case object.Struct:
		// a connection of the program's own: it may set deadlines on every read
		for _, name := range []string{"Read", "Write"} {
			if fn := methodOf(pass, source.Value.Type(), name); fn != nil && setsDeadline(fn) {
				return true
			}
		}
		return false
	default:
		return false
	}
}

func isConn(v ssa.Value) bool {
	name := object.TypeName(v.Type())
	return strings.HasPrefix(name, "net.") && strings.HasSuffix(name, "Conn") || name == "crypto/tls.Conn"
}
