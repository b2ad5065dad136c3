package rules

import (
	"fmt"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/object"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// httpDefaultClient is TA101.
var httpDefaultClient = &rule.Rule{
	ID:    "TA101",
	Name:  "http-default-client",
	Title: "http.Get and its like, and http.DefaultClient, never time out",
	Level: rule.Error,
	Run:   runHTTPDefaultClient,
}

func runHTTPDefaultClient(pass *rule.Pass) {
	if defaultClientBounded(pass) {
		return
	}
	for instr, call := range calls(pass) {
		fn := object.Callee(call.Common())
		switch name := object.FuncName(fn); name {
		case "net/http.Get", "net/http.Head", "net/http.Post", "net/http.PostForm":
			operation := "http." + fn.Name()
			pass.Report(rule.Finding{
				Pos: start(pass, call), End: end(pass, call), Func: enclosing(instr), Severity: inFunc(pass, instr.Parent(), rule.High), Operation: operation,
				Message: operation + " uses http.DefaultClient, which never times out; use a client with a Timeout, or http.NewRequestWithContext and a deadline",
			})
		}
	}
	for _, shared := range defaultClients {
		for _, o := range pass.Objects.Mentions(shared.path, "DefaultClient") {
			reportDefaultClient(pass, shared.name, o)
		}
	}
}

// defaultClients are variables of libraries that hold clients without a limit.
var defaultClients = []struct{ path, name string }{
	{"net/http", "http.DefaultClient"},
	{"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp", "otelhttp.DefaultClient"},
}

// defaultClientBounded reports whether the program itself gives http.DefaultClient, or its
// transport, a limit.
func defaultClientBounded(pass *rule.Pass) bool {
	for _, o := range pass.Objects.Mentions("net/http", "DefaultClient") {
		if o.Given("Timeout") == object.Something {
			return true
		}
	}
	for _, store := range pass.Objects.Replaced("net/http", "DefaultClient") {
		for _, source := range pass.Objects.Sources(store.Val) {
			for _, o := range pass.Objects.Objects("net/http", "Client") {
				if o.Value == source.Value && boundedClient(pass, o) {
					return true
				}
			}
		}
	}
	return defaultTransportBounded(pass)
}

// reportDefaultClient judges one mention. Where a request is sent at once, TA103 says so.
func reportDefaultClient(pass *rule.Pass, name string, o *object.Object) {
	v := judgeClient(pass, o)
	if len(v.bad) == 0 || isDirect(o, v) {
		return
	}
	severity := rule.High
	if v.escapes {
		severity = rule.Medium
	}
	pass.Report(rule.Finding{
		Pos: o.Pos, End: o.End, Func: o.Func, Severity: inKind(pass, o.Package, severity), Operation: name,
		Message: fmt.Sprintf("%s never times out: %s at %s; use a client with a Timeout", name, v.bad[0].text, short(pass, v.bad[0].use.Pos())),
		Uses:    v.places(), Provenance: v.provenance(),
	})
}

// isDirect reports whether a client is mentioned only to send a request by it.
func isDirect(o *object.Object, v clientVerdict) bool {
	if len(v.bad) != 1 || !isHTTPMethod(v.bad[0].use) {
		return false
	}
	args := object.Arguments(v.bad[0].use.Call())
	return len(args) > 0 && args[0] == o.Value
}

// calls yields the calls of the program.
func calls(pass *rule.Pass) func(yield func(ssa.Instruction, ssa.CallInstruction) bool) {
	return func(yield func(ssa.Instruction, ssa.CallInstruction) bool) {
		for _, pkg := range pass.Program.Packages {
			for _, fn := range pkg.Funcs {
				for _, block := range fn.Blocks {
					for _, instr := range block.Instrs {
						if call, ok := instr.(ssa.CallInstruction); ok && !yield(instr, call) {
							return
						}
					}
				}
			}
		}
	}
}
