package ctxflow

import (
	"fmt"
	"go/token"
	"go/types"
	"strings"

	"golang.org/x/tools/go/ssa"
)

// parameter says what a parameter is: what its callers pass, or Param.
func (f *Flow) parameter(p *ssa.Parameter) Origin {
	fn := p.Parent()
	if isServed(p.Type()) || isServerStream(p.Type()) {
		return Origin{State: Request, Steps: []Step{{Pos: p.Pos(), Text: "the request that is served"}}}
	}
	if IsRequest(p.Type()) && hasResponseWriter(fn) {
		return Origin{State: Request, Steps: []Step{{Pos: p.Pos(), Text: "the request that is served"}}}
	}
	if !IsContext(p.Type()) && !IsRequest(p.Type()) {
		return f.holder(p.Type())
	}
	o := Origin{State: Param, Param: p, Steps: []Step{{Pos: p.Pos(), Text: fmt.Sprintf("parameter %s of %s", p.Name(), fn.Name())}}}
	callers := f.callers(fn)
	o.Open = callers.open
	limited, other, all := Origin{State: nothing}, Origin{State: nothing}, true
	for _, call := range callers.calls {
		arg := call.argument(fn, p)
		if arg == nil {
			all = false
			continue
		}
		one := f.value(arg).then(call.Pos(), fmt.Sprintf("passed to %s as %s", fn.Name(), p.Name()))
		if one.State == nothing {
			continue
		}
		switch {
		case call.derives && (f.limits(call) || namesLimit(CalleeName(call.Common()))):
			one.State = Bounded
		case call.derives && one.State != Bounded:
			one = Origin{}
		}
		if one.State == Bounded {
			limited = join(limited, one)
			continue
		}
		all = false
		other = join(other, one)
	}
	switch {
	case all && limited.State == Bounded:
		return limited
	case other.State != nothing:
		o.Callers = &other
	}
	return o
}

func hasResponseWriter(fn *ssa.Function) bool {
	for _, p := range fn.Params {
		if isResponseWriter(p.Type()) {
			return true
		}
	}
	return false
}

// A caller is one call of a function, or one that makes another function call it.
type caller struct {
	ssa.CallInstruction

	// derives says that the call passes the function on, to be called with a context
	// which comes from one of the arguments.
	derives bool
}

// argument returns what the call gives for the parameter p of fn, or nil.
func (c caller) argument(fn *ssa.Function, p *ssa.Parameter) ssa.Value {
	if !c.derives {
		return argument(c.Common(), fn, p)
	}
	for _, arg := range arguments(c.Common()) {
		if IsContext(arg.Type()) {
			return arg
		}
	}
	return nil
}

// callers are the calls of a function that are known.
type callers struct {
	calls []caller
	open  bool // there may be others
}

func (f *Flow) callers(fn *ssa.Function) callers {
	if known, ok := f.called[fn]; ok {
		return known
	}
	var c callers
	for _, call := range f.program.Callers(fn) {
		c.calls = append(c.calls, caller{CallInstruction: call})
	}
	c.calls = append(c.calls, f.invocations(fn)...)
	c.open = f.isOpen(fn)
	for _, user := range f.stored().values[fn] {
		passed, known := f.passedOn(fn, user)
		c.calls = append(c.calls, passed...)
		c.open = c.open || !known
	}
	f.called[fn] = c
	return c
}

// isOpen reports whether code that is not seen may call fn by its name.
func (f *Flow) isOpen(fn *ssa.Function) bool {
	if fn.Parent() != nil {
		return false
	}
	pkg := f.program.PackageOf(fn)
	if pkg == nil {
		return true
	}
	private := pkg.Main || strings.Contains("/"+pkg.Path+"/", "/internal/")
	return token.IsExported(fn.Name()) && (!private || fn.Signature.Recv() != nil)
}

// invocations returns the calls through interfaces that fn satisfies.
func (f *Flow) invocations(fn *ssa.Function) []caller {
	recv := fn.Signature.Recv()
	if recv == nil {
		return nil
	}
	var calls []caller
	for _, call := range f.stored().invokes[fn.Name()] {
		face, ok := call.Common().Value.Type().Underlying().(*types.Interface)
		if ok && (types.Implements(recv.Type(), face) || types.Implements(types.NewPointer(recv.Type()), face)) {
			calls = append(calls, caller{CallInstruction: call})
		}
	}
	return calls
}

// passedOn returns the calls of fn where it is passed as an argument, and reports
// whether these are all that come of it.
func (f *Flow) passedOn(fn *ssa.Function, user ssa.Instruction) (calls []caller, known bool) {
	call, ok := user.(ssa.CallInstruction)
	if !ok {
		return nil, false
	}
	callee := call.Common().StaticCallee()
	if callee == nil || len(callee.Blocks) == 0 || f.program.PackageOf(callee) == nil {
		return []caller{{CallInstruction: call, derives: true}}, false
	}
	known = true
	for i, arg := range call.Common().Args {
		if !isFunction(arg, fn) || i >= len(callee.Params) {
			continue
		}
		for _, use := range *callee.Params[i].Referrers() {
			inner, isCall := use.(ssa.CallInstruction)
			if isCall && inner.Common().Value == callee.Params[i] {
				calls = append(calls, caller{CallInstruction: inner})
				continue
			}
			known = false
		}
	}
	return calls, known
}

func isFunction(v ssa.Value, fn *ssa.Function) bool {
	if closure, ok := v.(*ssa.MakeClosure); ok {
		v = closure.Fn
	}
	return v == fn
}
