package ctxflow

import (
	"go/token"
	"go/types"

	"golang.org/x/tools/go/ssa"
)

// timed reports whether a timer ends the context that a call of context.WithCancel makes:
// time.AfterFunc calls its cancel function, or a goroutine does when it has waited for
// some time. Such contexts end where nothing moves, though no deadline says when.
func timed(made *ssa.Call) bool {
	for _, user := range *made.Referrers() {
		if cancel, ok := user.(*ssa.Extract); ok && cancel.Index == 1 && onTimer(cancel, made.Parent(), make(map[ssa.Value]bool)) {
			return true
		}
	}
	return false
}

// onTimer reports whether a timer calls cancel, which maker made.
func onTimer(cancel ssa.Value, maker *ssa.Function, seen map[ssa.Value]bool) bool {
	if seen[cancel] || cancel.Referrers() == nil {
		return false
	}
	seen[cancel] = true
	for _, user := range *cancel.Referrers() {
		if call, ok := user.(ssa.CallInstruction); ok && callsOnTimer(call, cancel, maker) {
			return true
		}
		for _, same := range copiesOf(user, cancel) {
			if onTimer(same, maker, seen) {
				return true
			}
		}
	}
	return false
}

// callsOnTimer reports whether call, a user of cancel, is a timer's: it gives cancel to
// time.AfterFunc, or calls it in what a timer runs.
func callsOnTimer(call ssa.CallInstruction, cancel ssa.Value, maker *ssa.Function) bool {
	if isAfterFunc(call, cancel) {
		return true
	}
	in := call.Parent()
	return call.Common().Value == cancel && (inAfterFunc(in) || in != maker && hasWaited(call))
}

// copiesOf returns the values that user makes of cancel and that are the same function.
func copiesOf(user ssa.Instruction, cancel ssa.Value) []ssa.Value {
	switch user := user.(type) {
	case *ssa.ChangeType:
		return []ssa.Value{user}
	case *ssa.Store:
		if user.Val == cancel {
			return loadsOf(user.Addr, make(map[ssa.Value]bool))
		}
	}
	return nil
}

// loadsOf returns what reads a local variable, in whatever function.
func loadsOf(addr ssa.Value, seen map[ssa.Value]bool) []ssa.Value {
	if seen[addr] || addr.Referrers() == nil {
		return nil
	}
	seen[addr] = true
	var loads []ssa.Value
	for _, user := range *addr.Referrers() {
		switch user := user.(type) {
		case *ssa.UnOp:
			if user.Op == token.MUL {
				loads = append(loads, user)
			}
		case *ssa.MakeClosure:
			fn, ok := user.Fn.(*ssa.Function)
			if !ok {
				continue
			}
			for i, binding := range user.Bindings {
				if binding == addr {
					loads = append(loads, loadsOf(fn.FreeVars[i], seen)...)
				}
			}
		}
	}
	return loads
}

// inAfterFunc reports whether a timer calls the closure fn.
func inAfterFunc(fn *ssa.Function) bool {
	for _, closure := range closuresOf(fn) {
		for _, user := range *closure.Referrers() {
			if call, ok := user.(ssa.CallInstruction); ok && isAfterFunc(call, closure) {
				return true
			}
		}
	}
	return false
}

// isAfterFunc reports whether call has a timer call fn.
func isAfterFunc(call ssa.CallInstruction, fn ssa.Value) bool {
	args := call.Common().Args
	return isTime(call, "AfterFunc") && len(args) == 2 && args[1] == fn
}

func isTime(call ssa.CallInstruction, name string) bool {
	fn := Callee(call.Common())
	return fn != nil && fn.Pkg() != nil && fn.Pkg().Path() == "time" && fn.Name() == name
}

// hasWaited reports whether call comes right after a timer: where more is asked before, it
// may be anything that ends the context.
func hasWaited(call ssa.CallInstruction) bool {
	for _, instr := range call.Block().Instrs {
		switch instr := instr.(type) {
		case ssa.CallInstruction:
			if instr == call {
				return isTicked(call.Block())
			}
			if isTime(instr, "Sleep") {
				return true
			}
		case *ssa.UnOp:
			if instr.Op == token.ARROW && isTick(instr.X) {
				return true
			}
		case *ssa.Select:
			if instr.Blocking && len(instr.States) == 1 && isTick(instr.States[0].Chan) {
				return true
			}
		}
	}
	return false
}

// isTicked reports whether block is what a select does when its timer has fired.
func isTicked(block *ssa.BasicBlock) bool {
	if len(block.Preds) != 1 {
		return false
	}
	from := block.Preds[0]
	branch, ok := from.Instrs[len(from.Instrs)-1].(*ssa.If)
	if !ok || from.Succs[0] != block {
		return false
	}
	compared, ok := branch.Cond.(*ssa.BinOp)
	if !ok || compared.Op != token.EQL {
		return false
	}
	index, isIndex := compared.X.(*ssa.Extract)
	state, isConst := compared.Y.(*ssa.Const)
	if !isIndex || !isConst || index.Index != 0 {
		return false
	}
	chosen, ok := index.Tuple.(*ssa.Select)
	return ok && isTick(chosen.States[state.Int64()].Chan)
}

// isTick reports whether c is the channel of a timer, as far as its type tells.
func isTick(c ssa.Value) bool {
	channel, ok := c.Type().Underlying().(*types.Chan)
	return ok && isNamed(channel.Elem(), "time", "Time")
}
