package rules

import (
	"slices"
	"strings"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/object"
	"github.com/firebreak-go/firebreak/audit/internal/program"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// bypass is TA916.
var bypass = &rule.Rule{
	ID:    "TA916",
	Name:  "client-bypasses-firebreak",
	Title: "a package calls by firebreak's transport, and by a client without it",
	Level: rule.Warning,
	Run:   runBypass,
}

func runBypass(pass *rule.Pass) {
	guarded := make(map[*program.Package]ssa.Instruction)
	for instr, call := range calls(pass) {
		switch firebreakFunc(object.Callee(call.Common())) {
		case "firebreakhttp.NewClient", "firebreakhttp.Transport":
			if pkg := pass.Program.PackageOf(instr.Parent()); guarded[pkg] == nil && pass.Scope.At(instr.Pos()) == "" {
				guarded[pkg] = instr
			}
		}
	}
	if len(guarded) == 0 {
		return
	}
	report := func(o *object.Object, name string) {
		first := guarded[o.Package]
		if first == nil || !sendsItself(o) {
			return
		}
		pass.Report(rule.Finding{
			Pos: o.Pos, End: o.End, Func: o.Func, Severity: rule.Medium, Operation: name,
			Message: "this package calls by firebreak's transport at " + short(pass, first.Pos()) + ", but by this client without it: its calls have no breaker, no retry and no limit of a stack; give it a firebreakhttp.Transport",
			Uses:    []rule.Place{{Pos: first.Pos(), Message: "firebreak's transport is made here"}},
		})
	}
	for _, o := range pass.Objects.Objects("net/http", "Client") {
		if !usesFirebreak(pass, o) && !reportsClient(pass, o) {
			report(o, "http.Client{}")
		}
	}
	for _, o := range pass.Objects.Mentions("net/http", "DefaultClient") {
		if v := judgeClient(pass, o); len(v.bad) == 0 {
			report(o, "http.DefaultClient")
		}
	}
}

// sendsItself reports whether the program sends a request by a client.
func sendsItself(o *object.Object) bool {
	return slices.ContainsFunc(o.Uses, isHTTPMethod)
}

// reportsClient reports whether TA102 reports a client.
func reportsClient(pass *rule.Pass, o *object.Object) bool {
	return !boundedClient(pass, o) && len(judgeClient(pass, o).bad) > 0
}

// usesFirebreak reports whether the transport of a client is firebreak's on some way.
func usesFirebreak(pass *rule.Pass, o *object.Object) bool {
	for _, set := range o.Sets("Transport") {
		if set.Value == nil {
			return true
		}
		for _, source := range pass.Objects.Sources(set.Value) {
			if call, ok := source.Value.(*ssa.Call); ok && wrapsFirebreak(pass, call, 3) || source.Kind == object.Argument || source.Kind == object.Elsewhere {
				return true
			}
		}
	}
	return false
}

// wrapsFirebreak reports whether a call makes firebreak's transport, or is given it.
func wrapsFirebreak(pass *rule.Pass, call *ssa.Call, depth int) bool {
	if strings.HasPrefix(firebreakFunc(object.Callee(call.Common())), "firebreakhttp.") {
		return true
	}
	if depth == 0 {
		return false
	}
	for _, arg := range call.Common().Args {
		if !isRoundTripper(arg.Type()) {
			continue
		}
		for _, source := range pass.Objects.Sources(arg) {
			if inner, ok := source.Value.(*ssa.Call); ok && wrapsFirebreak(pass, inner, depth-1) {
				return true
			}
		}
	}
	return false
}
