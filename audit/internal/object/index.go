package object

import (
	"go/types"
	"maps"
	"slices"
	"strings"

	"golang.org/x/tools/go/ssa"
)

// An index is what is found in one pass over all instructions of the program.
type index struct {
	made     map[string][]ssa.Value  // by class: addresses of structs that the program makes
	mentions map[string][]*ssa.UnOp  // loads of variables of libraries
	replaced map[string][]*ssa.Store // stores to them

	fields  map[*types.Var][]ssa.Value          // FieldAddr and Field
	stores  map[string][]*ssa.Store             // to fields of libraries' types, by the name of the field
	globals map[*ssa.Global][]ssa.Instruction   // that use a variable of the program
	invokes map[string][]ssa.CallInstruction    // calls through an interface, by method
	dynamic map[string][]ssa.CallInstruction    // calls of function values, by signature
	values  map[*ssa.Function][]ssa.Instruction // where a function is used as a value
	bySig   map[string][]*ssa.Function          // functions that are used as values
	methods map[string][]*ssa.Function          // by name
	loads   map[*ssa.Function][]*ssa.MakeClosure
}

func (t *Table) indexed() *index {
	if t.index != nil {
		return t.index
	}
	x := &index{
		made: make(map[string][]ssa.Value), mentions: make(map[string][]*ssa.UnOp), replaced: make(map[string][]*ssa.Store),
		fields: make(map[*types.Var][]ssa.Value), stores: make(map[string][]*ssa.Store), globals: make(map[*ssa.Global][]ssa.Instruction),
		invokes: make(map[string][]ssa.CallInstruction), dynamic: make(map[string][]ssa.CallInstruction),
		values: make(map[*ssa.Function][]ssa.Instruction), bySig: make(map[string][]*ssa.Function),
		methods: make(map[string][]*ssa.Function), loads: make(map[*ssa.Function][]*ssa.MakeClosure),
	}
	t.index = x
	for _, pkg := range t.program.Packages {
		for _, name := range slices.Sorted(maps.Keys(pkg.SSA.Members)) {
			if global, ok := pkg.SSA.Members[name].(*ssa.Global); ok {
				if class := className(deref(global.Type())); class != "" {
					x.made[class] = append(x.made[class], global)
				}
			}
		}
		for _, fn := range pkg.Funcs {
			if fn.Signature.Recv() != nil {
				x.methods[fn.Name()] = append(x.methods[fn.Name()], fn)
			}
			for _, block := range fn.Blocks {
				for _, instr := range block.Instrs {
					t.note(x, instr)
				}
			}
		}
	}
	return x
}

func (t *Table) note(x *index, instr ssa.Instruction) {
	switch instr := instr.(type) {
	case *ssa.Alloc:
		if class := className(deref(instr.Type())); class != "" {
			x.made[class] = append(x.made[class], instr)
		}
	case *ssa.FieldAddr:
		field := fieldOf(instr.X.Type(), instr.Field)
		if len(x.fields[field]) == 0 && t.judgedField(field) {
			if class := className(field.Type()); class != "" {
				x.made[class] = append(x.made[class], instr)
			}
		}
		x.fields[field] = append(x.fields[field], instr)
	case *ssa.Field:
		field := fieldOf(instr.X.Type(), instr.Field)
		x.fields[field] = append(x.fields[field], instr)
	case *ssa.UnOp:
		if global, ok := instr.X.(*ssa.Global); ok && !t.judgedGlobal(global) {
			key := vendorless(global.Pkg.Pkg.Path()) + "." + global.Name()
			x.mentions[key] = append(x.mentions[key], instr)
		}
	case *ssa.Store:
		if addr, ok := instr.Addr.(*ssa.FieldAddr); ok {
			if field := fieldOf(addr.X.Type(), addr.Field); !t.judgedField(field) {
				x.stores[field.Name()] = append(x.stores[field.Name()], instr)
			}
		}
		if global, ok := instr.Addr.(*ssa.Global); ok && !t.judgedGlobal(global) {
			key := vendorless(global.Pkg.Pkg.Path()) + "." + global.Name()
			x.replaced[key] = append(x.replaced[key], instr)
		}
	case *ssa.MakeClosure:
		if fn, ok := instr.Fn.(*ssa.Function); ok {
			x.loads[fn] = append(x.loads[fn], instr)
			x.asValue(fn, instr)
		}
	case ssa.CallInstruction:
		x.noteCall(instr)
	}
	x.noteOperands(instr)
}

func (x *index) noteCall(call ssa.CallInstruction) {
	common := call.Common()
	switch {
	case common.IsInvoke():
		x.invokes[common.Method.Name()] = append(x.invokes[common.Method.Name()], call)
	case common.StaticCallee() == nil:
		if _, builtin := common.Value.(*ssa.Builtin); !builtin {
			key := signatureKey(common.Signature())
			x.dynamic[key] = append(x.dynamic[key], call)
		}
	}
}

// noteOperands notes the variables and functions that instr uses as values.
func (x *index) noteOperands(instr ssa.Instruction) {
	var callee ssa.Value
	if call, ok := instr.(ssa.CallInstruction); ok && !call.Common().IsInvoke() {
		callee = call.Common().Value
	}
	for _, operand := range instr.Operands(nil) {
		switch value := (*operand).(type) {
		case *ssa.Global:
			x.globals[value] = append(x.globals[value], instr)
		case *ssa.Function:
			if _, made := instr.(*ssa.MakeClosure); !made && value != callee {
				x.asValue(value, instr)
			}
		}
	}
}

func (x *index) asValue(fn *ssa.Function, instr ssa.Instruction) {
	if len(x.values[fn]) == 0 && len(fn.Blocks) > 0 {
		key := signatureKey(fn.Signature)
		x.bySig[key] = append(x.bySig[key], fn)
	}
	x.values[fn] = append(x.values[fn], instr)
}

// signatureKey tells signatures apart, whatever their parameters are called.
func signatureKey(s *types.Signature) string {
	var key strings.Builder
	for _, tuple := range []*types.Tuple{s.Params(), s.Results()} {
		for v := range tuple.Variables() {
			key.WriteString(types.TypeString(v.Type(), nil))
			key.WriteByte(',')
		}
		key.WriteByte(';')
	}
	return key.String()
}

func (t *Table) judgedField(field *types.Var) bool {
	return field.Pkg() != nil && t.program.PackageFor(field.Pkg()) != nil
}

func (t *Table) judgedGlobal(global *ssa.Global) bool {
	return global.Pkg != nil && t.program.PackageFor(global.Pkg.Pkg) != nil
}

// judged reports whether the body of fn is part of the program.
func (t *Table) judged(fn *ssa.Function) bool {
	return fn != nil && len(fn.Blocks) > 0 && t.program.PackageOf(fn) != nil
}
