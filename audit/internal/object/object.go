// Package object follows the values whose fields decide about a bound: clients,
// transports, dialers, servers. It says where each was made, what it was given, and
// where it is used.
//
// Objects are followed forwards from where they are made: through variables, fields of
// structs, containers, closures, interfaces and calls, in all packages of the Program at
// once. A field of a struct is one place for all structs of its type. What a library does
// with an object that it is given is not known; what it returns is followed as a product
// of the object.
package object

import (
	"cmp"
	"go/ast"
	"go/token"
	"go/types"
	"slices"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/program"
)

// A Table knows the objects of a Program. It is not safe for concurrent use.
type Table struct {
	program  *program.Program
	index    *index
	literals map[*program.Package]*literals
	objects  map[string][]*Object
	mentions map[string][]*Object
	results  map[*ssa.Call]*Object
	called   map[*ssa.Function][]ssa.CallInstruction // what callers found
	reached  map[*types.Func][]*ssa.Function         // what implementations found
}

// New returns the Table of p.
func New(p *program.Program) *Table {
	return &Table{
		program:  p,
		literals: make(map[*program.Package]*literals),
		objects:  make(map[string][]*Object),
		mentions: make(map[string][]*Object),
		results:  make(map[*ssa.Call]*Object),
		called:   make(map[*ssa.Function][]ssa.CallInstruction),
		reached:  make(map[*types.Func][]*ssa.Function),
	}
}

// A Kind says how an object came to be.
type Kind int

// The kinds.
const (
	// Made is an object that the program makes: a composite literal, new, or a variable
	// or field without one.
	Made Kind = iota

	// Shared is a variable of a library, such as http.DefaultClient, at one place that
	// mentions it.
	Shared

	// Returned is what a function of a library returns.
	Returned
)

// An Object is a value of the type asked for.
type Object struct {
	Kind     Kind
	Pos, End token.Pos
	Func     *ssa.Function    // that it is made in, or nil at package level
	Package  *program.Package // that it is made in
	Literal  *ast.CompositeLit
	Value    ssa.Value // its address: *ssa.Alloc, *ssa.Global, *ssa.FieldAddr, *ssa.UnOp, *ssa.Call or *ssa.Extract
	Uses     []Use

	table  *Table
	sets   map[string][]Set
	copied []ssa.Value // structs that were copied over it as a whole
	seen   map[Use]bool
}

// A Set is one assignment to a field of an object.
type Set struct {
	Value ssa.Value // nil if the address of the field was given away
	Instr ssa.Instruction
}

// Objects returns the objects of the type with that name which the program makes, in the
// order of the source: t.Objects("net/http", "Client").
func (t *Table) Objects(path, name string) []*Object {
	key := path + "." + name
	if known, ok := t.objects[key]; ok {
		return known
	}
	var found []*Object
	for _, value := range t.indexed().made[key] {
		if o := t.made(value); o != nil {
			found = append(found, o)
		}
	}
	slices.SortStableFunc(found, func(a, b *Object) int { return cmp.Compare(a.Pos, b.Pos) })
	t.objects[key] = found
	return found
}

// Mentions returns the places that mention a variable of a library, as objects:
// t.Mentions("net/http", "DefaultClient").
func (t *Table) Mentions(path, name string) []*Object {
	key := path + "." + name
	if known, ok := t.mentions[key]; ok {
		return known
	}
	var found []*Object
	for _, load := range t.indexed().mentions[key] {
		o := t.object(Shared, load, load.Parent(), load.X.Pos())
		o.Pos, o.End = load.Pos(), load.Pos()
		t.follow(o, load)
		found = append(found, o)
	}
	t.mentions[key] = found
	return found
}

// Replaced returns what the program assigns to a variable of a library.
func (t *Table) Replaced(path, name string) []*ssa.Store {
	return t.indexed().replaced[path+"."+name]
}

// Result returns the object that a call of a function of a library returns.
func (t *Table) Result(call *ssa.Call, index int) *Object {
	if known, ok := t.results[call]; ok {
		return known
	}
	o := t.object(Returned, call, call.Parent(), call.Pos())
	t.results[call] = o
	for _, value := range resultValues(call, index) {
		o.Value = value
		t.follow(o, value)
	}
	return o
}

func (t *Table) object(kind Kind, value ssa.Value, fn *ssa.Function, pos token.Pos) *Object {
	o := &Object{
		Kind: kind, Value: value, Func: fn, Pos: pos, End: pos,
		table: t, sets: make(map[string][]Set), seen: make(map[Use]bool),
	}
	if fn != nil {
		o.Package = t.program.PackageOf(fn)
		if fn.Name() == "init" && fn.Synthetic != "" {
			o.Func = nil
		}
	}
	return o
}

// made returns the object at an address, or nil if it is only a copy of another.
func (t *Table) made(value ssa.Value) *Object {
	var o *Object
	switch value := value.(type) {
	case *ssa.Alloc:
		o = t.object(Made, value, value.Parent(), value.Pos())
		t.follow(o, value)
	case *ssa.Global:
		o = t.object(Made, value, nil, value.Pos())
		o.Package = t.program.PackageFor(value.Pkg.Pkg)
		t.follow(o, value)
	case *ssa.FieldAddr:
		field := fieldOf(value.X.Type(), value.Field)
		o = t.object(Made, value, value.Parent(), field.Pos())
		all := make([]ssa.Value, 0, len(t.indexed().fields[field]))
		all = append(all, t.indexed().fields[field]...)
		t.follow(o, all...)
	default:
		return nil
	}
	if !o.isLiteral() && slices.ContainsFunc(o.copied, t.isOwn) {
		return nil
	}
	t.place(o)
	return o
}

// isOwn reports whether a struct that is copied may be one that the program makes.
func (t *Table) isOwn(copied ssa.Value) bool {
	return slices.ContainsFunc(t.Sources(copied), func(source Source) bool { return source.Kind != Variable })
}

// isLiteral reports whether the object is that of a composite literal or of new.
func (o *Object) isLiteral() bool {
	alloc, ok := o.Value.(*ssa.Alloc)
	return ok && (alloc.Comment == "complit" || alloc.Comment == "new")
}

// Sets returns the assignments to a field of the object.
func (o *Object) Sets(field string) []Set { return o.sets[field] }

// Table returns the table of the object.
func (o *Object) Table() *Table { return o.table }
