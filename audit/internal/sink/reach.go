package sink

import (
	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/catalog"
	"github.com/firebreak-go/firebreak/audit/internal/ctxflow"
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
	ways := f.waysOf(flow, fn, index, 0)
	if len(ways) == 0 {
		return nil
	}
	return ways[0]
}

func (f *Finder) waysOf(flow *ctxflow.Flow, fn *ssa.Function, index, depth int) []*Reach {
	if len(fn.Blocks) == 0 {
		return f.imported(fn, index)
	}
	if depth >= maxReach || index >= len(fn.Params) {
		return nil
	}
	key := param{fn, index}
	if known, ok := f.reaches[key]; ok {
		return known
	}
	f.reaches[key] = nil
	var found []*Reach
	for _, block := range fn.Blocks {
		for _, instr := range block.Instrs {
			call, ok := instr.(ssa.CallInstruction)
			if !ok {
				continue
			}
			if waits := f.Of(call); waits != nil {
				if flow.ComesFrom(waits.Context, fn.Params[index]) {
					found = append(found, &Reach{Call: waits, Instr: call})
				}
				continue
			}
			callee := call.Common().StaticCallee()
			if callee == nil {
				continue
			}
			for i, arg := range call.Common().Args {
				if !ctxflow.IsContext(arg.Type()) || !flow.ComesFrom(arg, fn.Params[index]) {
					continue
				}
				for _, way := range f.waysOf(flow, callee, i, depth+1) {
					longer := *way
					longer.Via = append([]ssa.CallInstruction{call}, way.Via...)
					found = append(found, &longer)
				}
			}
		}
	}
	if len(found) > 1 {
		found = found[:1]
	}
	f.reaches[key] = found
	return found
}

// imported returns what the facts of fn say.
func (f *Finder) imported(fn *ssa.Function, index int) []*Reach {
	fact := ctxflow.FactFor(f.program, fn)
	if fact == nil {
		return nil
	}
	for _, w := range fact.Waits {
		if w.Param == index {
			return []*Reach{{Call: &Call{Kind: Kind(w.Kind), Name: w.Name, Entry: catalog.Entry{Is: catalog.Blocks, Severity: w.Severity}}}}
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
