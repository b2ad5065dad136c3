package object

import (
	"go/types"
	"slices"

	"golang.org/x/tools/go/ssa"
)

// call follows i into a call.
func (f *flow) call(i item, instr ssa.CallInstruction, frames map[frame]*frame) {
	common := instr.Common()
	if builtin, ok := common.Value.(*ssa.Builtin); ok {
		if result, isValue := instr.(ssa.Value); isValue && builtin.Name() == "append" {
			next := i
			next.value = result
			f.push(next)
		}
		return
	}
	if !common.IsInvoke() && common.Value == i.value {
		f.use(i, Use{Kind: Called, Instr: instr, Arg: -1}) // a function that was made of the object
		f.results(i, instr, true)
		return
	}
	for n, arg := range Arguments(common) {
		if arg == i.value {
			f.argument(i, instr, n, frames)
		}
	}
}

// argument follows i as argument n of a call.
func (f *flow) argument(i item, instr ssa.CallInstruction, n int, frames map[frame]*frame) {
	common := instr.Common()
	var callees []*ssa.Function
	switch {
	case common.IsInvoke():
		if n == 0 && !i.product {
			f.use(i, Use{Kind: Called, Instr: instr, Func: common.Method})
			return
		}
		if n > 0 {
			callees = f.table.implementations(common.Method)
		}
	case common.StaticCallee() != nil:
		callee := common.StaticCallee()
		if origin := callee.Origin(); origin != nil {
			callee = origin
		}
		if f.table.judged(callee) {
			callees = []*ssa.Function{callee}
		}
	default:
		callees = f.table.index.bySig[signatureKey(common.Signature())]
	}
	for _, callee := range callees {
		if n < len(callee.Params) {
			next := i
			next.value = callee.Params[n]
			next.frame = enter(i.frame, instr, frames)
			f.push(next)
		}
	}
	if len(callees) > 0 {
		return
	}
	fn := Callee(common)
	receives := fn != nil && fn.Signature().Recv() != nil
	if n == 0 && receives {
		f.use(i, Use{Kind: Called, Instr: instr, Func: fn})
		if i.product {
			f.results(i, instr, true)
		}
		return
	}
	f.use(i, Use{Kind: Passed, Instr: instr, Func: fn, Arg: n})
	f.results(i, instr, false)
	if receives && !common.IsInvoke() {
		f.holder(i, common.Args[0])
	}
}

// results follows what a library returns that was given i.
func (f *flow) results(i item, instr ssa.CallInstruction, product bool) {
	call, ok := instr.(*ssa.Call)
	if !ok {
		return
	}
	results := call.Common().Signature().Results()
	for n := range results.Len() {
		t := results.At(n).Type()
		if !carries(t) {
			continue
		}
		next := item{product: true, frame: i.frame}
		if !product && !i.product && !i.container && types.Identical(t, i.value.Type()) && !types.IsInterface(t) {
			next.product = false // what takes and gives an *http.Server decorates it
		}
		for _, value := range resultValues(call, n) {
			next.value = value
			f.push(next)
		}
	}
}

// carries reports whether a value of type t can hold a client that its maker was given.
func carries(t types.Type) bool {
	switch under := t.Underlying().(type) {
	case *types.Basic:
		return false
	case *types.Slice:
		return carries(under.Elem())
	case *types.Map, *types.Chan:
		return false
	}
	switch TypeName(t) {
	case "error", "net/http.Response", "time.Time", "net/url.URL", "net/http.Header":
		return false
	}
	return true
}

// enter returns the frame of a function that is called from within outer.
func enter(outer *frame, call ssa.CallInstruction, frames map[frame]*frame) *frame {
	depth := 1
	for at := outer; at != nil; at = at.outer {
		if at.call == call {
			return at // recursion
		}
		depth++
	}
	if depth > maxFrames {
		return nil
	}
	key := frame{call: call, outer: outer, depth: depth}
	if known := frames[key]; known != nil {
		return known
	}
	made := &key
	frames[key] = made
	return made
}

// back follows i to the callers of the function that returns it.
func (f *flow) back(i item, ret *ssa.Return) {
	fn := ret.Parent()
	for n, result := range ret.Results {
		if result != i.value {
			continue
		}
		if i.frame != nil && callsOnly(i.frame.call, fn) {
			f.returned(i, i.frame.call, n, i.frame.outer)
			continue
		}
		callers := f.table.callers(fn)
		for _, call := range callers {
			f.returned(i, call, n, nil)
		}
		if len(callers) == 0 {
			f.use(i, Use{Kind: Handed, Instr: ret})
		}
	}
}

// callsOnly reports whether call calls fn and nothing else.
func callsOnly(call ssa.CallInstruction, fn *ssa.Function) bool {
	callee := call.Common().StaticCallee()
	if callee == nil {
		return false
	}
	return callee == fn || callee.Origin() == fn
}

func (f *flow) returned(i item, instr ssa.CallInstruction, n int, outer *frame) {
	call, ok := instr.(*ssa.Call)
	if !ok {
		return
	}
	for _, value := range resultValues(call, n) {
		next := i
		next.value, next.frame = value, outer
		f.push(next)
	}
}

// callers returns the calls of fn that are known: direct ones, those through an interface
// that its receiver satisfies, and those of function values of its type if it is used as one.
func (t *Table) callers(fn *ssa.Function) []ssa.CallInstruction {
	found := t.program.Callers(fn)
	x := t.indexed()
	if recv := fn.Signature.Recv(); recv != nil {
		for _, call := range x.invokes[fn.Name()] {
			if satisfies(recv.Type(), call.Common().Value.Type()) {
				found = append(slices.Clip(found), call)
			}
		}
	}
	if len(x.values[fn]) > 0 {
		found = append(slices.Clip(found), x.dynamic[signatureKey(fn.Signature)]...)
	}
	return found
}

// implementations returns the methods of the program that a call of the interface method
// may reach.
func (t *Table) implementations(method *types.Func) []*ssa.Function {
	recv := method.Signature().Recv()
	if recv == nil {
		return nil
	}
	var found []*ssa.Function
	for _, fn := range t.indexed().methods[method.Name()] {
		if satisfies(fn.Signature.Recv().Type(), recv.Type()) {
			found = append(found, fn)
		}
	}
	return found
}

func satisfies(t, iface types.Type) bool {
	shape, ok := iface.Underlying().(*types.Interface)
	if !ok || shape.NumMethods() == 0 {
		return false
	}
	if types.Implements(t, shape) {
		return true
	}
	_, pointer := types.Unalias(t).(*types.Pointer)
	return !pointer && types.Implements(types.NewPointer(t), shape)
}
