package rules

import (
	"fmt"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/object"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// policyPerCall is TA912.
var policyPerCall = &rule.Rule{
	ID:    "TA912",
	Name:  "policy-per-request",
	Title: "a policy or stack is made for each request: what it learns is thrown away",
	Level: rule.Warning,
	Run:   runPolicyPerCall,
}

// stateful are the functions of firebreak whose results remember earlier calls.
var stateful = map[string]string{
	"retry.New": "its retry budget", "breaker.New": "what it counts", "bulkhead.New": "how many calls are under way",
	"shed.New": "the limit that it found", "shed.Rate": "the rate", "firebreak.New": "the state of its policies",
	"firebreak.Keyed": "the policies of its keys", "firebreakhttp.NewClient": "the state of its policies, and its connections",
}

func runPolicyPerCall(pass *rule.Pass) {
	for instr, call := range calls(pass) {
		made, ok := call.(*ssa.Call)
		name := firebreakFunc(object.Callee(call.Common()))
		state, known := stateful[name]
		if !ok || !known {
			continue
		}
		if name != "firebreak.New" && isArgumentOf(made, "firebreak.New") {
			continue // the stack is what is reported
		}
		where := perRequest(pass, made, 3)
		if where == nil {
			continue
		}
		pass.Report(rule.Finding{
			Pos: start(pass, call), End: end(pass, call), Func: enclosing(instr), Severity: rule.Medium, Operation: name,
			Message: fmt.Sprintf("%s makes this anew for each request, in %s: %s is thrown away, and it protects nothing; make it once, where the program starts", name, where.Name(), state),
			Uses:    []rule.Place{{Pos: where.Pos(), Message: "runs for each request"}},
		})
	}
}

// perRequest returns the function in which v is made for each request, or nil if it is kept,
// or made by what is not known to run for each request.
func perRequest(pass *rule.Pass, v ssa.Value, depth int) *ssa.Function {
	fn := v.Parent()
	if fn == nil || depth == 0 || isKept(v, make(map[ssa.Value]bool)) {
		return nil
	}
	if isServing(fn) && !runsOnce(pass, fn) {
		return fn
	}
	returned := false
	for _, user := range *v.Referrers() {
		if _, ok := user.(*ssa.Return); ok {
			returned = true
		}
	}
	callers := pass.Program.Callers(fn)
	if fn.Parent() != nil || len(callers) == 0 {
		return nil
	}
	var found *ssa.Function
	for _, caller := range callers {
		call, ok := caller.(*ssa.Call)
		if !ok {
			return nil
		}
		where := caller.Parent()
		if returned {
			where = perRequest(pass, call, depth-1)
		} else if !isServing(where) || runsOnce(pass, where) {
			where = nil
		}
		if where == nil {
			return nil
		}
		found = where
	}
	return found
}

// isKept reports whether v is stored where it outlives the function that makes it.
func isKept(v ssa.Value, seen map[ssa.Value]bool) bool {
	if seen[v] || v.Referrers() == nil {
		return false
	}
	seen[v] = true
	for _, user := range *v.Referrers() {
		switch user := user.(type) {
		case *ssa.Store:
			if user.Val != v {
				continue
			}
			switch addr := user.Addr.(type) {
			case *ssa.Global, *ssa.FieldAddr, *ssa.FreeVar:
				return true
			case *ssa.Alloc:
				if isKept(addr, seen) {
					return true
				}
			}
		case *ssa.MapUpdate, *ssa.Send:
			return true
		case *ssa.MakeInterface, *ssa.Phi, *ssa.ChangeType, *ssa.ChangeInterface, *ssa.UnOp:
			if value, ok := user.(ssa.Value); ok && isKept(value, seen) {
				return true
			}
		case ssa.CallInstruction:
			if callee := object.Callee(user.Common()); callee != nil && keepers[object.FuncName(callee)] {
				return true
			}
		}
	}
	return false
}

// keepers keep what they are given.
var keepers = map[string]bool{
	"sync.Map.Store": true, "sync.Map.LoadOrStore": true, "sync.Map.Swap": true, "sync/atomic.Value.Store": true, "sync/atomic.Pointer.Store": true,
	"sync/atomic.Value.CompareAndSwap": true, "sync/atomic.Pointer.CompareAndSwap": true,
}

// runsOnce reports whether fn is a function literal that sync.Once and its like run.
func runsOnce(pass *rule.Pass, fn *ssa.Function) bool {
	for ; fn != nil && fn.Parent() != nil; fn = fn.Parent() {
		for _, use := range pass.Objects.ValueUses(fn) {
			call, ok := use.(ssa.CallInstruction)
			if !ok {
				continue
			}
			switch object.FuncName(object.Callee(call.Common())) {
			case "sync.Once.Do", "sync.OnceValue", "sync.OnceValues", "sync.OnceFunc", module + ".Keyed":
				return true
			}
		}
	}
	return false
}

// isArgumentOf reports whether v is an argument of a call of the function with that name,
// directly or in a variadic slice.
func isArgumentOf(v ssa.Value, name string) bool {
	if v.Referrers() == nil {
		return false
	}
	for _, user := range *v.Referrers() {
		switch user := user.(type) {
		case *ssa.MakeInterface:
			if isArgumentOf(user, name) {
				return true
			}
		case *ssa.Store:
			element, ok := user.Addr.(*ssa.IndexAddr)
			if !ok || element.X.Referrers() == nil {
				continue
			}
			for _, other := range *element.X.Referrers() {
				if slice, isSlice := other.(*ssa.Slice); isSlice && isArgumentOf(slice, name) {
					return true
				}
			}
		case ssa.CallInstruction:
			if firebreakFunc(object.Callee(user.Common())) == name {
				return true
			}
		}
	}
	return false
}
