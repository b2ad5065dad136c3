package rules

import (
	"strings"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/object"
	"github.com/firebreak-go/firebreak/audit/internal/program"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// connIO is TA306.
var connIO = &rule.Rule{
	ID:    "TA306",
	Name:  "conn-io-no-deadline",
	Title: "a connection is read or written in a package that never sets a deadline",
	Level: rule.Off, // tunnels and protocols with heartbeats wait by design
	Run:   runConnIO,
}

func runConnIO(pass *rule.Pass) {
	limited := make(map[*program.Package]bool)
	reported := make(map[ssa.Value]bool)
	for instr, call := range calls(pass) {
		common := call.Common()
		if !common.IsInvoke() || common.Method.Name() != "Read" && common.Method.Name() != "Write" || !isConn(common.Value) {
			continue
		}
		if setsReadDeadline(pass.Program.PackageOf(instr.Parent()), limited) {
			continue
		}
		from := opened(pass, common.Value)
		if from == nil || reported[from] {
			continue
		}
		reported[from] = true
		pass.Report(rule.Finding{
			Pos: start(pass, call), End: end(pass, call), Func: enclosing(instr), Severity: inFunc(pass, instr.Parent(), rule.Medium), Operation: "net.Conn." + common.Method.Name(),
			Message: "this connection has no deadline, nor does the package set one anywhere: a peer that vanishes holds it for ever; call SetDeadline before each exchange",
			Uses:    []rule.Place{{Pos: from.Pos(), Message: "the connection is opened here"}},
		})
	}
}

// opened returns the call that dialled or accepted a connection, or nil.
func opened(pass *rule.Pass, conn ssa.Value) ssa.Value {
	for _, source := range pass.Objects.Sources(conn) {
		call, ok := source.Value.(*ssa.Call)
		if !ok || source.Kind != object.Library {
			continue
		}
		fn := object.Callee(call.Common())
		if fn != nil && fn.Pkg() != nil && fn.Pkg().Path() == "net" && (strings.HasPrefix(fn.Name(), "Dial") || strings.HasPrefix(fn.Name(), "Accept")) {
			return call
		}
	}
	return nil
}
