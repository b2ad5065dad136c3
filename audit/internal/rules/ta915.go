package rules

import (
	"fmt"
	"time"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/object"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// attemptTimeout is TA915.
var attemptTimeout = &rule.Rule{
	ID:    "TA915",
	Name:  "attempt-timeout-not-shorter",
	Title: "each attempt of a stack may take as long as the whole call: there is no time for a retry",
	Level: rule.Warning,
	Run:   runAttemptTimeout,
}

func runAttemptTimeout(pass *rule.Pass) {
	for instr, call := range calls(pass) {
		args := call.Common().Args
		if firebreakFunc(object.Callee(call.Common())) != "firebreak.New" || len(args) < 2 {
			continue
		}
		total, attempt, both := stackTimeouts(orderedElements(args[len(args)-1]))
		if !both || attempt < total {
			continue
		}
		pass.Report(rule.Finding{
			Pos: start(pass, call), End: end(pass, call), Func: enclosing(instr), Severity: rule.Medium, Operation: "firebreak.New",
			Message: fmt.Sprintf("each attempt may take %v and the whole call %v: the first attempt that hangs leaves no time for a retry; give attempts less than half of the whole", attempt, total),
		})
	}
}

// stackTimeouts returns the constant timeout before the retry of a stack, or the default if
// there is none, and the one after it.
func stackTimeouts(policies []ssa.Value) (total, attempt time.Duration, both bool) {
	const defaultTimeout = 30 * time.Second
	total = defaultTimeout
	retries := false
	for _, policy := range policies {
		if made, ok := policy.(*ssa.MakeInterface); ok {
			policy = made.X
		}
		call, ok := policy.(*ssa.Call)
		if !ok {
			continue
		}
		switch firebreakFunc(object.Callee(call.Common())) {
		case "retry.New":
			retries = true
		case "timeout.Unbounded":
			if !retries {
				return 0, 0, false
			}
		case "timeout.New":
			d, constant := constantDuration(call.Common().Args[0])
			switch {
			case !constant && !retries:
				return 0, 0, false
			case !constant:
			case retries:
				return total, time.Duration(d), true
			default:
				total = time.Duration(d)
			}
		}
	}
	return 0, 0, false
}

// orderedElements returns what is put into the slice of a variadic call, in order.
func orderedElements(v ssa.Value) []ssa.Value {
	slice, ok := v.(*ssa.Slice)
	if !ok || slice.X.Referrers() == nil {
		return nil
	}
	byIndex := make(map[int64]ssa.Value)
	for _, user := range *slice.X.Referrers() {
		element, isElement := user.(*ssa.IndexAddr)
		if !isElement || element.Referrers() == nil {
			continue
		}
		index, isConst := element.Index.(*ssa.Const)
		if !isConst {
			continue
		}
		for _, inner := range *element.Referrers() {
			if store, isStore := inner.(*ssa.Store); isStore && store.Addr == element {
				byIndex[index.Int64()] = store.Val
			}
		}
	}
	ordered := make([]ssa.Value, 0, len(byIndex))
	for i := range int64(len(byIndex)) {
		if byIndex[i] != nil {
			ordered = append(ordered, byIndex[i])
		}
	}
	return ordered
}
