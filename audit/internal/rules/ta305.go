package rules

import (
	"strings"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/object"
	"github.com/firebreak-go/firebreak/audit/internal/program"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// websocketUnbounded is TA305.
var websocketUnbounded = &rule.Rule{
	ID:    "TA305",
	Name:  "websocket-unbounded",
	Title: "a websocket is dialled without a limit, or a server reads from one without a deadline",
	Level: rule.Warning,
	Run:   runWebsocket,
}

const gorilla = "github.com/gorilla/websocket"

func runWebsocket(pass *rule.Pass) {
	for _, o := range pass.Objects.Objects(gorilla, "Dialer") {
		judgeWebsocketDialer(pass, o)
	}
	limited := make(map[*program.Package]bool)
	reported := make(map[*ssa.Call]bool)
	for instr, call := range calls(pass) {
		fn := object.Callee(call.Common())
		name, ok := strings.CutPrefix(object.FuncName(fn), gorilla+".Conn.")
		if !ok {
			continue
		}
		switch name {
		case "ReadMessage", "NextReader", "ReadJSON":
		default:
			continue
		}
		upgrade := upgradeOf(pass, object.Arguments(call.Common())[0])
		if upgrade == nil || reported[upgrade] || instr.Parent().Name() == "Read" {
			continue
		}
		here, there := pass.Program.PackageOf(instr.Parent()), pass.Program.PackageOf(upgrade.Parent())
		if setsReadDeadline(here, limited) || setsReadDeadline(there, limited) {
			continue
		}
		reported[upgrade] = true
		pass.Report(rule.Finding{
			Pos: start(pass, call), End: end(pass, call), Func: enclosing(instr), Severity: inFunc(pass, instr.Parent(), rule.Low), Operation: "websocket.Conn." + name,
			Message: "the server reads from this websocket without a deadline: a client that vanishes holds its connection and goroutine; call SetReadDeadline, and move it forward in a pong handler",
		})
	}
}

func judgeWebsocketDialer(pass *rule.Pass, o *object.Object) {
	if o.Given("HandshakeTimeout") == object.Something {
		return
	}
	var uses, provenance []rule.Place
	for _, use := range o.Uses {
		if use.Product || use.Kind != object.Called || use.Func == nil || pass.Scope.At(use.Pos()) != "" {
			continue
		}
		args := object.Arguments(use.Call())
		switch use.Func.Name() {
		case "Dial":
			if !isLoopback(pass, args[1]) {
				uses = append(uses, rule.Place{Pos: use.Pos(), Message: "Dial without a deadline"})
			}
		case "DialContext":
			if origin := pass.Contexts.Context(args[1], use.Instr); isUnbounded(pass, origin) && !isLoopback(pass, args[2]) {
				uses = append(uses, rule.Place{Pos: use.Pos(), Message: describe(pass, use, origin)})
				for _, step := range origin.Steps {
					provenance = append(provenance, rule.Place{Pos: step.Pos, Message: step.Text})
				}
			}
		}
	}
	if len(uses) == 0 {
		return
	}
	pass.Report(rule.Finding{
		Pos: o.Pos, End: o.End, Func: o.Func, Severity: inKind(pass, o.Package, rule.Medium), Operation: "websocket.Dialer{}",
		Message: "this websocket.Dialer has no HandshakeTimeout: " + uses[0].Message + " at " + short(pass, uses[0].Pos) + "; set HandshakeTimeout",
		Uses:    uses, Provenance: provenance,
		Fixes: setField(pass, o, "HandshakeTimeout", pass.Settings.DialTimeout),
	})
}

// upgradeOf returns the call by which a server made a websocket of a request, or nil if the
// connection comes from elsewhere.
func upgradeOf(pass *rule.Pass, conn ssa.Value) *ssa.Call {
	for _, source := range pass.Objects.Sources(conn) {
		call, ok := source.Value.(*ssa.Call)
		if !ok || source.Kind != object.Library {
			continue
		}
		switch object.FuncName(object.Callee(call.Common())) {
		case gorilla + ".Upgrader.Upgrade", gorilla + ".Upgrade":
			return call
		}
	}
	return nil
}

// setsReadDeadline reports whether pkg sets the read deadline of some connection.
func setsReadDeadline(pkg *program.Package, known map[*program.Package]bool) bool {
	if pkg == nil {
		return false
	}
	if sets, ok := known[pkg]; ok {
		return sets
	}
	known[pkg] = false
	for _, fn := range pkg.Funcs {
		for _, block := range fn.Blocks {
			for _, instr := range block.Instrs {
				call, ok := instr.(ssa.CallInstruction)
				if !ok {
					continue
				}
				if callee := object.Callee(call.Common()); callee != nil && (callee.Name() == "SetReadDeadline" || callee.Name() == "SetDeadline") {
					known[pkg] = true
				}
			}
		}
	}
	return known[pkg]
}
