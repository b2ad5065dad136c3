package object

import (
	"go/token"
	"go/types"
	"slices"

	"golang.org/x/tools/go/ssa"
)

// A flow is one object on its way through the program.
type flow struct {
	table  *Table
	object *Object
	queue  []item
	seen   map[item]bool
	values map[ssa.Value]bool // of the items that were seen
}

// An item is a value that is the object, or leads to it.
type item struct {
	value     ssa.Value
	cell      bool // the address of a variable that holds it
	container bool // a slice, map or channel that holds it
	product   bool // what a library made of it
	frame     *frame
	is        types.Type // what it points to, where that is known: in generic code a value may be one of several types
}

// A frame is a call through which the object came into the function that it is in. nil
// stands for all callers.
type frame struct {
	call  ssa.CallInstruction
	outer *frame
	depth int
}

const (
	maxFrames = 4     // calls within calls that are told apart
	maxApart  = 2000  // places to which one object is followed with its calls told apart
	maxItems  = 20000 // places to which one object is followed
)

// follow finds the uses of o, which the values are the address of.
func (t *Table) follow(o *Object, values ...ssa.Value) {
	t.indexed()
	f := &flow{table: t, object: o, seen: make(map[item]bool), values: make(map[ssa.Value]bool)}
	frames := make(map[frame]*frame)
	for _, value := range values {
		if _, ok := value.(*ssa.Field); ok {
			continue
		}
		f.push(item{value: value})
	}
	for len(f.queue) > 0 && len(f.seen) < maxItems {
		next := f.queue[len(f.queue)-1]
		f.queue = f.queue[:len(f.queue)-1]
		f.visit(next, frames)
	}
}

func (f *flow) push(i item) {
	if !i.cell && !i.container {
		if named, ok := types.Unalias(deref(i.value.Type())).(*types.Named); ok && !types.IsInterface(named) {
			if i.is != nil && !types.Identical(i.is, named) {
				return
			}
			i.is = named
		}
	}
	if len(f.seen) > maxApart {
		i.frame = nil
	}
	if f.seen[i] {
		return
	}
	f.seen[i], f.values[i.value] = true, true
	f.queue = append(f.queue, i)
}

// visit follows i to all instructions that use it.
func (f *flow) visit(i item, frames map[frame]*frame) {
	if global, ok := i.value.(*ssa.Global); ok {
		for _, instr := range f.table.index.globals[global] {
			f.step(i, instr, frames)
		}
		return
	}
	referrers := i.value.Referrers()
	if referrers == nil {
		return
	}
	for _, instr := range *referrers {
		f.step(i, instr, frames)
	}
}

// step follows i through one instruction.
func (f *flow) step(i item, instr ssa.Instruction, frames map[frame]*frame) {
	next := i
	switch instr := instr.(type) {
	case *ssa.Store:
		f.store(i, instr)
	case *ssa.UnOp:
		if f.object.Kind == Shared && !i.product && !i.cell && isStruct(instr.Type()) {
			return // a copy is no longer shared
		}
		next.value, next.cell = instr, false
		if instr.Op == token.ARROW {
			next.container = false
			if instr.CommaOk {
				f.pushExtracts(next, 0)
				return
			}
		}
		f.push(next)
	case *ssa.Phi, *ssa.ChangeType, *ssa.Convert, *ssa.MakeInterface, *ssa.ChangeInterface, *ssa.Slice:
		next.value = instr.(ssa.Value) //nolint:forcetypeassert // all of the case are values
		f.push(next)
	case *ssa.TypeAssert:
		next.value = instr
		if !instr.CommaOk {
			f.push(next)
			return
		}
		f.pushExtracts(next, 0)
	case *ssa.FieldAddr:
		f.field(i, instr)
	case *ssa.Field:
		if i.product {
			f.push(item{value: instr, product: true, frame: i.frame})
		}
	case *ssa.MakeClosure:
		f.closure(i, instr)
	case *ssa.Return:
		f.back(i, instr)
	case ssa.CallInstruction:
		f.call(i, instr, frames)
	default:
		f.element(i, instr)
	}
}

// element follows i into and out of slices, maps and channels.
func (f *flow) element(i item, instr ssa.Instruction) {
	next := i
	switch instr := instr.(type) {
	case *ssa.IndexAddr:
		if instr.X == i.value && (i.container || i.product) {
			next.value, next.cell, next.container = instr, i.container, false
			f.push(next)
		}
	case *ssa.Index, *ssa.Range:
		next.value = instr.(ssa.Value) //nolint:forcetypeassert // both are values
		if _, ok := instr.(*ssa.Index); ok {
			next.container = false
		}
		f.push(next)
	case *ssa.Lookup:
		next.value, next.container = instr, false
		if !instr.CommaOk {
			f.push(next)
			return
		}
		f.pushExtracts(next, 0)
	case *ssa.Next:
		next.value, next.container = instr, false
		f.pushExtracts(next, 2)
	case *ssa.MapUpdate:
		if instr.Value == i.value {
			f.contain(i, instr.Map)
		}
	case *ssa.Send:
		if instr.X == i.value {
			f.contain(i, instr.Chan)
		}
	}
}

// pushExtracts follows the element of a tuple.
func (f *flow) pushExtracts(tuple item, index int) {
	referrers := tuple.value.Referrers()
	if referrers == nil {
		return
	}
	for _, user := range *referrers {
		if extract, ok := user.(*ssa.Extract); ok && extract.Index == index {
			next := tuple
			next.value = extract
			f.push(next)
		}
	}
}

// store follows i into the variable that it is stored in.
func (f *flow) store(i item, store *ssa.Store) {
	if store.Val == i.value {
		f.into(i, store.Addr, store)
		return
	}
	if i.cell || i.container || i.product {
		return
	}
	if constant, ok := store.Val.(*ssa.Const); ok && constant.Value == nil {
		return // the zero value, before the fields of a literal are set
	}
	if !f.values[store.Val] && types.Identical(deref(i.value.Type()), store.Val.Type()) {
		f.object.copied = append(f.object.copied, store.Val)
	}
}

// into follows i to all that reads the variable at addr.
func (f *flow) into(i item, addr ssa.Value, by ssa.Instruction) {
	next := i
	next.cell = !isStruct(i.value.Type()) || i.cell // a struct that is copied is at addr, not behind it
	switch addr := addr.(type) {
	case *ssa.Global:
		if !f.table.judgedGlobal(addr) {
			f.use(i, Use{Kind: Stored, Instr: by})
			return
		}
		next.value, next.frame = addr, nil
		f.push(next)
	case *ssa.FieldAddr:
		field := fieldOf(addr.X.Type(), addr.Field)
		if !f.table.judgedField(field) {
			f.use(i, Use{Kind: Stored, Instr: by, Field: field})
			f.holder(i, addr.X)
			return
		}
		next.frame = nil
		for _, access := range f.table.index.fields[field] {
			next.value = access
			if _, ok := access.(*ssa.Field); ok {
				direct := next
				direct.cell = false
				f.push(direct)
				continue
			}
			f.push(next)
		}
	case *ssa.IndexAddr:
		f.contain(i, addr.X)
	case *ssa.FreeVar:
		next.value = addr
		f.push(next)
		f.outward(next, addr)
	default:
		next.value = addr
		f.push(next)
	}
}

// outward follows what a closure stores in a variable that it captured to the variable.
func (f *flow) outward(i item, free *ssa.FreeVar) {
	index := -1
	for n, v := range free.Parent().FreeVars {
		if v == free {
			index = n
		}
	}
	for _, closure := range f.table.index.loads[free.Parent()] {
		if index < 0 || index >= len(closure.Bindings) {
			continue
		}
		next := i
		next.value, next.frame = closure.Bindings[index], nil
		f.push(next)
		if outer, ok := next.value.(*ssa.FreeVar); ok {
			f.outward(next, outer)
		}
	}
}

// holder follows a struct of a library in which i was stored.
func (f *flow) holder(i item, holder ssa.Value) {
	switch TypeName(holder.Type()) {
	case "net/http.Client", "net/http.Server":
		return // they decide by themselves
	}
	next := item{value: holder, product: true, frame: i.frame}
	f.push(next)
	switch holder := holder.(type) {
	case *ssa.UnOp:
		f.into(next, holder.X, holder)
	case *ssa.FieldAddr:
		if f.table.judgedField(fieldOf(holder.X.Type(), holder.Field)) {
			f.into(next, holder, nil)
			return
		}
		f.holder(i, holder.X)
	}
}

// contain follows i into a slice, map or channel.
func (f *flow) contain(i item, container ssa.Value) {
	next := i
	next.value, next.cell, next.container = container, false, true
	f.push(next)
	if load, ok := container.(*ssa.UnOp); ok {
		f.into(next, load.X, load)
	}
}

// field notes what is done with a field of the object.
func (f *flow) field(i item, addr *ssa.FieldAddr) {
	if i.product {
		f.push(item{value: addr, product: true, frame: i.frame})
		return
	}
	if i.cell || i.container || addr.Referrers() == nil {
		return
	}
	field := fieldOf(addr.X.Type(), addr.Field)
	for _, user := range *addr.Referrers() {
		switch user := user.(type) {
		case *ssa.Store:
			if user.Addr == addr {
				f.set(field.Name(), Set{Value: user.Val, Instr: user})
			}
		case ssa.CallInstruction, *ssa.MakeClosure:
			f.set(field.Name(), Set{Instr: user})
		}
	}
}

func (f *flow) set(name string, s Set) {
	if !slices.Contains(f.object.sets[name], s) {
		f.object.sets[name] = append(f.object.sets[name], s)
	}
}

// use notes a use of the object.
func (f *flow) use(i item, u Use) {
	u.Product = i.product
	if f.object.seen[u] {
		return
	}
	f.object.seen[u] = true
	f.object.Uses = append(f.object.Uses, u)
}

// closure follows what a function literal captures, and the receiver of a method value.
func (f *flow) closure(i item, made *ssa.MakeClosure) {
	fn, ok := made.Fn.(*ssa.Function)
	if !ok {
		return
	}
	if method, isMethod := fn.Object().(*types.Func); isMethod && fn.Synthetic != "" {
		f.use(i, Use{Kind: Bound, Instr: made, Func: method})
		return
	}
	for _, free := range captured(made, i.value) {
		next := i
		next.value = free
		f.push(next)
	}
}

func isStruct(t types.Type) bool {
	_, ok := t.Underlying().(*types.Struct)
	return ok
}
