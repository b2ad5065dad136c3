package rules

import (
	"go/token"
	"go/types"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/object"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// gateDone is TA913.
var gateDone = &rule.Rule{
	ID:    "TA913",
	Name:  "gate-done-missing",
	Title: "the done function of a Gate is not called on every path",
	Level: rule.Warning,
	Run:   runGateDone,
}

func runGateDone(pass *rule.Pass) {
	for instr, call := range calls(pass) {
		made, ok := call.(*ssa.Call)
		if !ok || !isAllow(made.Common()) {
			continue
		}
		message := "done is dropped"
		var uses []rule.Place
		done, err := extracts(made)
		if done != nil && len(*done.Referrers()) > 0 {
			leak, leaks := leakOf(made, done, err)
			if !leaks {
				continue
			}
			message = "done is not called on the way to the return at " + short(pass, leak)
			uses = []rule.Place{{Pos: leak, Message: "done has not been called here"}}
		}
		pass.Report(rule.Finding{
			Pos: start(pass, call), End: end(pass, call), Func: enclosing(instr), Severity: rule.High, Operation: "Gate.Allow",
			Message: message + ": the gate counts this attempt as under way for ever, and admits one less; call done when the attempt has ended, by defer or on every path",
			Uses:    uses,
		})
	}
}

// isAllow reports whether a call is one of the method Allow of a firebreak.Gate.
func isAllow(common *ssa.CallCommon) bool {
	fn := object.Callee(common)
	if fn == nil || fn.Name() != "Allow" || fn.Signature().Recv() == nil {
		return false
	}
	results := fn.Signature().Results()
	if results.Len() != 2 {
		return false
	}
	done, ok := results.At(0).Type().Underlying().(*types.Signature)
	return ok && done.Params().Len() == 1 && object.TypeName(done.Params().At(0).Type()) == module+".Outcome"
}

// extracts returns the results of Allow.
func extracts(call *ssa.Call) (done, err *ssa.Extract) {
	for _, user := range *call.Referrers() {
		if extract, ok := user.(*ssa.Extract); ok {
			if extract.Index == 0 {
				done = extract
			} else {
				err = extract
			}
		}
	}
	return done, err
}

// leakOf returns a return that is reached from allow without a call of done, if there is
// one. Where done is handed on, whoever has it may call it.
func leakOf(allow *ssa.Call, done, err *ssa.Extract) (leak token.Pos, leaks bool) {
	calls := make(map[*ssa.BasicBlock]bool)
	for _, user := range *done.Referrers() {
		call, ok := user.(ssa.CallInstruction)
		if !ok || call.Common().Value != done {
			if !isNilCheck(user) {
				return token.NoPos, false
			}
			continue
		}
		calls[user.Block()] = true
	}
	seen := make(map[*ssa.BasicBlock]bool)
	var search func(block *ssa.BasicBlock) bool
	search = func(block *ssa.BasicBlock) bool {
		if seen[block] || calls[block] {
			return false
		}
		seen[block] = true
		last := block.Instrs[len(block.Instrs)-1]
		if ret, ok := last.(*ssa.Return); ok {
			leak = ret.Pos()
			return true
		}
		for i, next := range block.Succs {
			if branch, ok := last.(*ssa.If); ok && refused(branch.Cond, err, i == 0) {
				continue
			}
			if search(next) {
				return true
			}
		}
		return false
	}
	return leak, search(allow.Block())
}

func isNilCheck(instr ssa.Instruction) bool {
	_, ok := instr.(*ssa.BinOp)
	return ok
}

// refused reports whether a branch is taken only if err is not nil: the attempt was not
// admitted.
func refused(cond ssa.Value, err *ssa.Extract, taken bool) bool {
	compare, ok := cond.(*ssa.BinOp)
	if !ok || err == nil || compare.X != err && compare.Y != err {
		return false
	}
	return compare.Op == token.NEQ && taken || compare.Op == token.EQL && !taken
}
