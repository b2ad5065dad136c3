package ctxflow

import (
	"go/token"
	"go/types"

	"golang.org/x/tools/go/ssa"
)

// evaluate says what v is, which is a context or holds one.
func (f *Flow) evaluate(v ssa.Value) Origin {
	switch v := v.(type) {
	case *ssa.Const:
		return Origin{State: nothing} // nil
	case *ssa.Phi:
		return f.phi(v)
	case *ssa.Call:
		return f.call(v, 0)
	case *ssa.Extract:
		return f.extract(v)
	case *ssa.Parameter:
		return f.parameter(v)
	case *ssa.FreeVar:
		return f.freeVar(v)
	case *ssa.UnOp:
		if v.Op == token.MUL {
			return f.load(v)
		}
	case *ssa.Field:
		return f.field(fieldOf(v.X.Type(), v.Field), v.Pos())
	case *ssa.Alloc:
		return f.object(v)
	case *ssa.MakeInterface:
		return f.value(v.X)
	case *ssa.ChangeInterface:
		return f.value(v.X)
	case *ssa.ChangeType:
		return f.value(v.X)
	case *ssa.Convert:
		return f.value(v.X)
	case *ssa.TypeAssert:
		return f.value(v.X)
	}
	return f.holder(v.Type())
}

// phi joins the values of the branches that can be taken.
func (f *Flow) phi(v *ssa.Phi) Origin {
	joined := Origin{State: nothing}
	for i, edge := range v.Edges {
		if neverTaken(v.Block().Preds[i], v.Block()) {
			continue
		}
		joined = join(joined, f.value(edge))
	}
	return joined
}

// neverTaken reports whether from does not go to to, or is not reached, since the
// condition is a constant.
func neverTaken(from, to *ssa.BasicBlock) bool {
	decides := func(block, next *ssa.BasicBlock) bool {
		branch, ok := block.Instrs[len(block.Instrs)-1].(*ssa.If)
		if !ok || block.Succs[0] == block.Succs[1] {
			return false
		}
		condition, ok := branch.Cond.(*ssa.Const)
		if !ok || condition.Value == nil {
			return false
		}
		taken := block.Succs[1]
		if condition.Value.String() == "true" {
			taken = block.Succs[0]
		}
		return taken != next
	}
	if decides(from, to) {
		return true
	}
	return len(from.Preds) == 1 && decides(from.Preds[0], from)
}

func (f *Flow) extract(v *ssa.Extract) Origin {
	switch tuple := v.Tuple.(type) {
	case *ssa.Call:
		return f.call(tuple, v.Index)
	case *ssa.TypeAssert:
		if v.Index == 0 {
			return f.value(tuple.X)
		}
	}
	return f.holder(v.Type())
}

// freeVar says what a variable is that is captured by value: receivers of method values.
func (f *Flow) freeVar(v *ssa.FreeVar) Origin {
	joined := Origin{State: nothing}
	for _, binding := range bindings(v) {
		joined = join(joined, f.value(binding))
	}
	if joined.State == nothing {
		return f.holder(v.Type())
	}
	return joined
}

// bindings returns what the function that makes the closure of v binds to v.
func bindings(v *ssa.FreeVar) []ssa.Value {
	fn := v.Parent()
	index := -1
	for i, free := range fn.FreeVars {
		if free == v {
			index = i
		}
	}
	var found []ssa.Value
	for _, closure := range closuresOf(fn) {
		if index >= 0 && index < len(closure.Bindings) {
			found = append(found, closure.Bindings[index])
		}
	}
	return found
}

// closuresOf returns where the closure of fn is made.
func closuresOf(fn *ssa.Function) []*ssa.MakeClosure {
	users := fn.Referrers()
	if users == nil {
		return nil
	}
	var found []*ssa.MakeClosure
	for _, user := range *users {
		if closure, ok := user.(*ssa.MakeClosure); ok && closure.Fn == fn {
			found = append(found, closure)
		}
	}
	return found
}

// object says what a struct is that is made here: a request, or a context of one's own.
func (f *Flow) object(v *ssa.Alloc) Origin {
	copied := Origin{State: nothing}
	for _, user := range *v.Referrers() {
		if store, ok := user.(*ssa.Store); ok && store.Addr == v {
			if load, isLoad := store.Val.(*ssa.UnOp); isLoad && load.Op == token.MUL {
				copied = join(copied, f.value(load.X)) // *r2 = *r
			}
		}
	}
	if copied.State != nothing {
		return copied
	}
	if isNamed(v.Type(), "net/http", "Request") {
		return Origin{State: Root, Steps: []Step{{Pos: v.Pos(), Text: "http.Request{} has context.Background()"}}}
	}
	return f.holder(v.Type())
}

// holder says what the context is in a value of type t of which no more is known.
func (f *Flow) holder(t types.Type) Origin {
	if isServed(t) {
		return Origin{State: Request, Steps: []Step{{Text: "the request that is served"}}}
	}
	if embedded := embeddedContext(t); embedded != nil {
		return f.field(embedded, token.NoPos)
	}
	return Origin{}
}

// embeddedContext returns the field of the struct t that makes it a context, or nil if
// there is none or if it has a deadline of its own.
func embeddedContext(t types.Type) *types.Var {
	named, ok := types.Unalias(deref(t)).(*types.Named)
	if !ok {
		return nil
	}
	for method := range named.Methods() {
		if method.Name() == "Deadline" || method.Name() == "Done" {
			return nil
		}
	}
	shape, ok := named.Underlying().(*types.Struct)
	if !ok {
		return nil
	}
	for field := range shape.Fields() {
		if field.Embedded() && IsContext(field.Type()) {
			return field.Origin()
		}
	}
	return nil
}
