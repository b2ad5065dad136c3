package sink

import (
	"go/ast"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/catalog"
	"github.com/firebreak-go/firebreak/audit/internal/ctxflow"
	"github.com/firebreak-go/firebreak/audit/internal/program"
)

type param struct {
	fn    *ssa.Function
	index int
}

// A Reach is a way from a parameter of a function to a call that waits with it.
type Reach struct {
	Call  *Call
	Instr ssa.CallInstruction   // the call that waits, or nil if it is in a package that is not judged
	Via   []ssa.CallInstruction // the calls in between, the outermost first
}

const maxReach = 3 // calls in between

// Reaches returns the first way on which the context parameter index of fn, receiver
// included, reaches a call that waits with it as it is, or nil.
func (f *Finder) Reaches(flow *ctxflow.Flow, fn *ssa.Function, index int) *Reach {
	return f.wayOf(flow, fn, index, 0)
}

func (f *Finder) wayOf(flow *ctxflow.Flow, fn *ssa.Function, index, depth int) *Reach {
	if len(fn.Blocks) == 0 {
		return f.imported(fn, index)
	}
	if depth >= maxReach || index >= len(fn.Params) {
		return nil
	}
	if decl, ok := fn.Syntax().(*ast.FuncDecl); ok && program.Unbounded(decl) {
		return nil // it says that it waits, and that this is meant
	}
	key := param{fn, index}
	if known, ok := f.reaches[key]; ok {
		return known
	}
	f.reaches[key] = nil
	for _, block := range fn.Blocks {
		for _, instr := range block.Instrs {
			call, ok := instr.(ssa.CallInstruction)
			if !ok {
				continue
			}
			if way := f.wayThrough(flow, call, fn.Params[index], depth); way != nil {
				f.reaches[key] = way
				return way
			}
		}
	}
	return nil
}

// wayThrough returns the first way on which p reaches a call that waits by way of call.
func (f *Finder) wayThrough(flow *ctxflow.Flow, call ssa.CallInstruction, p *ssa.Parameter, depth int) *Reach {
	if waits := f.Of(call); waits != nil {
		if flow.ComesFrom(waits.Context, p) {
			return &Reach{Call: waits, Instr: call}
		}
		return nil
	}
	callee := call.Common().StaticCallee()
	if callee == nil {
		return nil
	}
	for i, arg := range call.Common().Args {
		if !ctxflow.IsContext(arg.Type()) || !flow.ComesFrom(arg, p) {
			continue
		}
		if way := f.wayOf(flow, callee, i, depth+1); way != nil {
			longer := *way
			longer.Via = append([]ssa.CallInstruction{call}, way.Via...)
			return &longer
		}
	}
	return nil
}

// imported returns what the facts of fn say.
func (f *Finder) imported(fn *ssa.Function, index int) *Reach {
	fact := ctxflow.FactFor(f.program, fn)
	if fact == nil {
		return nil
	}
	for _, w := range fact.Waits {
		if w.Param == index {
			return &Reach{Call: &Call{Kind: Kind(w.Kind), Name: w.Name, Entry: catalog.Entry{Is: catalog.Blocks, Severity: w.Severity}}}
		}
	}
	return nil
}

// FactOf returns what is worth telling of fn to other packages, or nil.
func (f *Finder) FactOf(flow *ctxflow.Flow, fn *ssa.Function) *ctxflow.Fact {
	fact := flow.FactOf(fn)
	for i, param := range fn.Params {
		if !ctxflow.IsContext(param.Type()) {
			continue
		}
		way := f.Reaches(flow, fn, i)
		if way == nil {
			continue
		}
		if fact == nil {
			fact = new(ctxflow.Fact)
		}
		fact.Waits = append(fact.Waits, ctxflow.WaitFact{
			Param: i, Kind: int(way.Call.Kind), Name: way.Call.Name, Severity: way.Call.Entry.Severity,
		})
	}
	return fact
}
