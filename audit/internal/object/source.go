package object

import (
	"go/token"
	"go/types"
	"slices"

	"golang.org/x/tools/go/ssa"
)

// A SourceKind says where a value comes from.
type SourceKind int

// The kinds of source.
const (
	// Elsewhere is a value of which nothing is known.
	Elsewhere SourceKind = iota

	// Constant is a constant, nil and the zero value of a struct among them.
	Constant

	// Struct is the address of a struct that the program makes: Value is it.
	Struct

	// Library is what a call of a function that is not of the program returns: Value is
	// the call.
	Library

	// Variable is a variable of a library: Value is the load.
	Variable

	// Function is a function or a function literal.
	Function

	// Argument is a parameter whose callers are not all known: Value is it. What those
	// that are known pass are sources of their own.
	Argument

	// Unset is a field or variable to which the program never assigns.
	Unset
)

// A Source is where a value comes from.
type Source struct {
	Kind  SourceKind
	Value ssa.Value
	Index int // of the result, if Kind is Library
}

// Sources says where v comes from, on all ways that are known. There is at least one.
func (t *Table) Sources(v ssa.Value) []Source {
	t.indexed()
	s := &search{table: t, seen: make(map[visit]bool)}
	s.from(v, nil)
	if len(s.found) == 0 {
		s.add(Source{Kind: Elsewhere, Value: v})
	}
	return s.found
}

type visit struct {
	value ssa.Value
	call  ssa.CallInstruction
}

type search struct {
	table *Table
	seen  map[visit]bool
	found []Source
}

const maxSources = 2000 // values that one search looks at

func (s *search) add(source Source) {
	if !slices.Contains(s.found, source) {
		s.found = append(s.found, source)
	}
}

// from searches backwards from v. calls are those through whose results the search came
// into the function that it is in.
func (s *search) from(v ssa.Value, calls []ssa.CallInstruction) {
	key := visit{value: v}
	if len(calls) > 0 {
		key.call = calls[len(calls)-1]
	}
	if s.seen[key] {
		return
	}
	if len(s.seen) > maxSources {
		s.add(Source{Kind: Elsewhere, Value: v})
		return
	}
	s.seen[key] = true
	switch v := v.(type) {
	case *ssa.Const:
		s.add(Source{Kind: Constant, Value: v})
	case *ssa.Alloc, *ssa.Global, *ssa.FieldAddr:
		s.add(Source{Kind: Struct, Value: v})
	case *ssa.Function:
		s.add(Source{Kind: Function, Value: v})
	case *ssa.MakeClosure:
		s.add(Source{Kind: Function, Value: v})
	case *ssa.Phi:
		for _, edge := range v.Edges {
			s.from(edge, calls)
		}
	case *ssa.ChangeType:
		s.from(v.X, calls)
	case *ssa.Convert:
		s.from(v.X, calls)
	case *ssa.MakeInterface:
		s.from(v.X, calls)
	case *ssa.ChangeInterface:
		s.from(v.X, calls)
	case *ssa.TypeAssert:
		s.from(v.X, calls)
	case *ssa.Extract:
		s.extract(v, calls)
	case *ssa.Call:
		s.call(v, 0, calls)
	case *ssa.UnOp:
		s.load(v, calls)
	case *ssa.Field:
		s.stores(s.table.fieldStores(fieldOf(v.X.Type(), v.Field)), v, calls)
	case *ssa.Parameter:
		s.parameter(v, calls)
	case *ssa.FreeVar:
		s.freeVar(v, calls)
	case *ssa.Lookup:
		s.elements(v.X, v)
	default:
		s.add(Source{Kind: Elsewhere, Value: v})
	}
}

func (s *search) extract(v *ssa.Extract, calls []ssa.CallInstruction) {
	switch tuple := v.Tuple.(type) {
	case *ssa.Call:
		s.call(tuple, v.Index, calls)
	case *ssa.TypeAssert:
		s.from(tuple.X, calls)
	case *ssa.Lookup:
		s.elements(tuple.X, v)
	default:
		s.add(Source{Kind: Elsewhere, Value: v})
	}
}

// elements searches what is put into a map.
func (s *search) elements(container, v ssa.Value) {
	known := false
	for _, alias := range s.table.aliases(container) {
		if alias.Referrers() == nil {
			continue
		}
		for _, user := range *alias.Referrers() {
			if update, ok := user.(*ssa.MapUpdate); ok && update.Map == alias {
				known = true
				s.from(update.Value, nil)
			}
		}
	}
	if !known {
		s.add(Source{Kind: Elsewhere, Value: v})
	}
}

// aliases returns the other loads of the variable that v is loaded from.
func (t *Table) aliases(v ssa.Value) []ssa.Value {
	load, ok := v.(*ssa.UnOp)
	if !ok {
		return []ssa.Value{v}
	}
	var found []ssa.Value
	collect := func(addr ssa.Value) {
		if addr.Referrers() == nil {
			return
		}
		for _, user := range *addr.Referrers() {
			if other, isLoad := user.(*ssa.UnOp); isLoad && other.Op == token.MUL {
				found = append(found, other)
			}
		}
	}
	switch addr := load.X.(type) {
	case *ssa.FieldAddr:
		for _, access := range t.indexed().fields[fieldOf(addr.X.Type(), addr.Field)] {
			collect(access)
		}
	case *ssa.Global:
		for _, instr := range t.indexed().globals[addr] {
			if other, isLoad := instr.(*ssa.UnOp); isLoad {
				found = append(found, other)
			}
		}
	default:
		collect(addr)
	}
	return found
}

// call searches what a call returns.
func (s *search) call(call *ssa.Call, index int, calls []ssa.CallInstruction) {
	common := call.Common()
	callees := s.table.callees(common)
	if len(callees) == 0 || common.IsInvoke() && s.table.program.PackageFor(common.Method.Pkg()) == nil {
		s.add(Source{Kind: Library, Value: call, Index: index})
	}
	for _, callee := range callees {
		inner := slices.Concat(calls, []ssa.CallInstruction{call})
		for _, block := range callee.Blocks {
			if ret, ok := block.Instrs[len(block.Instrs)-1].(*ssa.Return); ok && index < len(ret.Results) {
				s.from(ret.Results[index], inner)
			}
		}
	}
}

// callees returns the functions of the program that a call may reach.
func (t *Table) callees(common *ssa.CallCommon) []*ssa.Function {
	if common.IsInvoke() {
		return t.implementations(common.Method)
	}
	if callee := common.StaticCallee(); callee != nil {
		if origin := callee.Origin(); origin != nil {
			callee = origin
		}
		if t.judged(callee) {
			return []*ssa.Function{callee}
		}
		return nil
	}
	if _, builtin := common.Value.(*ssa.Builtin); builtin {
		return nil
	}
	return t.indexed().bySig[signatureKey(common.Signature())]
}

// load searches what is read from memory.
func (s *search) load(v *ssa.UnOp, calls []ssa.CallInstruction) {
	if v.Op != token.MUL {
		s.add(Source{Kind: Elsewhere, Value: v})
		return
	}
	switch addr := v.X.(type) {
	case *ssa.Global:
		if !s.table.judgedGlobal(addr) {
			s.add(Source{Kind: Variable, Value: v})
			return
		}
		var stores []*ssa.Store
		for _, instr := range s.table.index.globals[addr] {
			if store, ok := instr.(*ssa.Store); ok && store.Addr == addr {
				stores = append(stores, store)
			}
		}
		s.stores(stores, v, calls)
	case *ssa.FieldAddr:
		s.stores(s.table.fieldStores(fieldOf(addr.X.Type(), addr.Field)), v, calls)
	case *ssa.Alloc, *ssa.FreeVar:
		if isStruct(v.Type()) {
			s.from(addr, calls)
			return
		}
		s.stores(variableStores(s.table, addr), v, calls)
	case *ssa.IndexAddr:
		s.add(Source{Kind: Elsewhere, Value: v})
	default:
		if isStruct(v.Type()) {
			s.from(addr, calls)
			return
		}
		s.add(Source{Kind: Elsewhere, Value: v})
	}
}

func (s *search) stores(stores []*ssa.Store, v ssa.Value, calls []ssa.CallInstruction) {
	if len(stores) == 0 {
		s.add(Source{Kind: Unset, Value: v})
		return
	}
	for _, store := range stores {
		inner := calls
		if store.Parent() != v.Parent() {
			inner = nil
		}
		s.from(store.Val, inner)
	}
}

// fieldStores returns the assignments to a field.
func (t *Table) fieldStores(field *types.Var) []*ssa.Store {
	var stores []*ssa.Store
	for _, access := range t.indexed().fields[field] {
		if access.Referrers() == nil {
			continue
		}
		for _, user := range *access.Referrers() {
			if store, ok := user.(*ssa.Store); ok && store.Addr == access {
				stores = append(stores, store)
			}
		}
	}
	return stores
}

// variableStores returns the assignments to a local variable, those of closures among them.
func variableStores(t *Table, addr ssa.Value) []*ssa.Store {
	var stores []*ssa.Store
	seen := make(map[ssa.Value]bool)
	queue := []ssa.Value{addr}
	for len(queue) > 0 {
		addr := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if seen[addr] {
			continue
		}
		seen[addr] = true
		if free, ok := addr.(*ssa.FreeVar); ok {
			queue = append(queue, t.bindings(free)...)
		}
		if addr.Referrers() == nil {
			continue
		}
		for _, user := range *addr.Referrers() {
			switch user := user.(type) {
			case *ssa.Store:
				if user.Addr == addr {
					stores = append(stores, user)
				}
			case *ssa.MakeClosure:
				queue = append(queue, captured(user, addr)...)
			}
		}
	}
	return stores
}

// captured returns the variables under which a closure knows what it captures as value.
func captured(closure *ssa.MakeClosure, value ssa.Value) []ssa.Value {
	fn, ok := closure.Fn.(*ssa.Function)
	if !ok {
		return nil
	}
	var found []ssa.Value
	for i, binding := range closure.Bindings {
		if binding == value && i < len(fn.FreeVars) {
			found = append(found, fn.FreeVars[i])
		}
	}
	return found
}

// bindings returns what the closures of the function of free bind to it.
func (t *Table) bindings(free *ssa.FreeVar) []ssa.Value {
	var found []ssa.Value
	for i, v := range free.Parent().FreeVars {
		if v != free {
			continue
		}
		for _, closure := range t.indexed().loads[free.Parent()] {
			if i < len(closure.Bindings) {
				found = append(found, closure.Bindings[i])
			}
		}
	}
	return found
}

func (s *search) freeVar(v *ssa.FreeVar, calls []ssa.CallInstruction) {
	bindings := s.table.bindings(v)
	if len(bindings) == 0 {
		s.add(Source{Kind: Elsewhere, Value: v})
		return
	}
	for _, binding := range bindings {
		s.from(binding, calls)
	}
}

// parameter searches what the callers pass.
func (s *search) parameter(v *ssa.Parameter, calls []ssa.CallInstruction) {
	fn := v.Parent()
	index := -1
	for i, p := range fn.Params {
		if p == v {
			index = i
		}
	}
	if len(calls) > 0 {
		last := calls[len(calls)-1]
		if args := Arguments(last.Common()); index >= 0 && index < len(args) {
			s.from(args[index], calls[:len(calls)-1])
			return
		}
	}
	callers := s.table.callers(fn)
	for _, call := range callers {
		if args := Arguments(call.Common()); index >= 0 && index < len(args) {
			s.from(args[index], nil)
		}
	}
	if len(callers) == 0 || s.table.open(fn) {
		s.add(Source{Kind: Argument, Value: v})
	}
}

// open reports whether fn may have callers that are not known.
func (t *Table) open(fn *ssa.Function) bool {
	if len(t.indexed().values[fn]) > 0 {
		return true
	}
	pkg := t.program.PackageOf(fn)
	if pkg == nil || pkg.Main {
		return pkg == nil
	}
	object := fn.Object()
	return object != nil && object.Exported()
}

func splitName(name string) (path, typeName string) {
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '.' {
			return name[:i], name[i+1:]
		}
	}
	return "", name
}

// FieldsOf returns the assignments to the fields of the struct at addr where addr is used
// directly, and to the same fields elsewhere.
func (t *Table) FieldsOf(addr ssa.Value) []*ssa.Store {
	if addr.Referrers() == nil {
		return nil
	}
	shape, ok := deref(addr.Type()).Underlying().(*types.Struct)
	if !ok {
		return nil
	}
	var stores []*ssa.Store
	for i := range shape.NumFields() {
		field := shape.Field(i).Origin()
		if t.judgedField(field) {
			stores = append(stores, t.fieldStores(field)...)
			continue
		}
		for _, user := range *addr.Referrers() {
			access, isField := user.(*ssa.FieldAddr)
			if !isField || access.Field != i || access.Referrers() == nil {
				continue
			}
			for _, inner := range *access.Referrers() {
				if store, isStore := inner.(*ssa.Store); isStore && store.Addr == access {
					stores = append(stores, store)
				}
			}
		}
	}
	return stores
}

// ValueUses returns the instructions that use fn as a value.
func (t *Table) ValueUses(fn *ssa.Function) []ssa.Instruction {
	var found []ssa.Instruction
	for _, instr := range t.indexed().values[fn] {
		if closure, ok := instr.(*ssa.MakeClosure); ok {
			found = append(found, *closure.Referrers()...)
			continue
		}
		found = append(found, instr)
	}
	return found
}

// Assigned returns the assignments to a field of a type of a library.
func (t *Table) Assigned(path, typeName, field string) []*ssa.Store {
	var stores []*ssa.Store
	for _, store := range t.indexed().stores[field] {
		if addr, ok := store.Addr.(*ssa.FieldAddr); ok && TypeName(addr.X.Type()) == path+"."+typeName {
			stores = append(stores, store)
		}
	}
	return stores
}
