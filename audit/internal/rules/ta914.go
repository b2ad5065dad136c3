package rules

import (
	"fmt"
	"strings"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/object"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// notIdempotent is TA914.
var notIdempotent = &rule.Rule{
	ID:    "TA914",
	Name:  "retry-not-idempotent",
	Title: "a call is marked Idempotent, so that it is retried, but does what counts twice if it is made twice",
	Level: rule.Warning,
	Run:   runNotIdempotent,
}

func runNotIdempotent(pass *rule.Pass) {
	for instr, call := range calls(pass) {
		callee := object.Callee(call.Common())
		if firebreakFunc(callee) != "firebreak.Do" {
			continue
		}
		args := call.Common().Args
		if len(args) < 5 || !marksIdempotent(args[4]) {
			continue
		}
		what := ""
		if op, ok := constantString(args[2]); ok {
			what = writes(op)
		}
		if fn, ok := functionOf(args[3]); ok && what == "" {
			what = sends(fn, 2)
		}
		if what == "" {
			continue
		}
		pass.Report(rule.Finding{
			Pos: start(pass, call), End: end(pass, call), Func: enclosing(instr), Severity: rule.High, Operation: "firebreak.Do",
			Message: fmt.Sprintf("this call is marked Idempotent but %s: a retry may do it twice; leave Idempotent out, or send an idempotency key that the other side heeds", what),
		})
	}
}

// marksIdempotent reports whether the options of Do contain firebreak.Idempotent.
func marksIdempotent(options ssa.Value) bool {
	for _, option := range sliceElements(options) {
		if change, ok := option.(*ssa.ChangeType); ok {
			option = change.X
		}
		if fn, ok := option.(*ssa.Function); ok && fn.Name() == "Idempotent" && fn.Pkg != nil && fn.Pkg.Pkg.Path() == module {
			return true
		}
	}
	return false
}

// writes says what an operation does whose name begins with a method of HTTP.
func writes(op string) string {
	for _, method := range []string{"POST", "PATCH"} {
		if op == method || strings.HasPrefix(op, method+" ") {
			return "is a " + method
		}
	}
	return ""
}

// sends says what fn sends that is not to be sent twice: a POST or PATCH without an
// idempotency key, or an INSERT.
func sends(fn *ssa.Function, depth int) string {
	if depth == 0 {
		return ""
	}
	what := ""
	for _, block := range fn.Blocks {
		for _, instr := range block.Instrs {
			call, ok := instr.(ssa.CallInstruction)
			if !ok {
				continue
			}
			if setsKey(call.Common()) {
				return ""
			}
			if one := sent(call.Common()); one != "" {
				what = one
			}
			if callee := call.Common().StaticCallee(); callee != nil && what == "" && len(callee.Blocks) > 0 {
				what = sends(callee, depth-1)
			}
		}
	}
	return what
}

func sent(common *ssa.CallCommon) string {
	args := common.Args
	switch object.FuncName(object.Callee(common)) {
	case "net/http.Post", "net/http.PostForm", "net/http.Client.Post", "net/http.Client.PostForm":
		return "sends a POST"
	case "net/http.NewRequest":
		return sentMethod(args[0])
	case "net/http.NewRequestWithContext":
		return sentMethod(args[1])
	case "database/sql.DB.ExecContext", "database/sql.Tx.ExecContext", "database/sql.Conn.ExecContext":
		if query, ok := constantString(args[2]); ok {
			upper := strings.ToUpper(strings.TrimSpace(query))
			if strings.HasPrefix(upper, "INSERT") && !strings.Contains(upper, "ON CONFLICT") && !strings.Contains(upper, "IGNORE") && !strings.Contains(upper, "ON DUPLICATE") {
				return "runs an INSERT"
			}
		}
	}
	return ""
}

func sentMethod(v ssa.Value) string {
	method, ok := constantString(v)
	if !ok || writes(method) == "" {
		return ""
	}
	return "sends a " + method
}

// setsKey reports whether a call sets the header of an idempotency key.
func setsKey(common *ssa.CallCommon) bool {
	switch object.FuncName(object.Callee(common)) {
	case "net/http.Header.Set", "net/http.Header.Add":
		name, ok := constantString(common.Args[1])
		return ok && strings.Contains(strings.ToLower(name), "idempoten")
	}
	return false
}
