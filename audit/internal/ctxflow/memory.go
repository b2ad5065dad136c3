package ctxflow

import (
	"go/token"
	"go/types"
	"slices"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/program"
)

// A memory is what the program writes and calls, in the order of its packages.
type memory struct {
	fields  map[*types.Var][]*ssa.Store
	globals map[*ssa.Global][]*ssa.Store
	invokes map[string][]ssa.CallInstruction    // calls through an interface, by the name of the method
	values  map[*ssa.Function][]ssa.Instruction // where a function is used other than being called
}

func remember(p *program.Program) *memory {
	m := &memory{
		fields:  make(map[*types.Var][]*ssa.Store),
		globals: make(map[*ssa.Global][]*ssa.Store),
		invokes: make(map[string][]ssa.CallInstruction),
		values:  make(map[*ssa.Function][]ssa.Instruction),
	}
	for _, pkg := range p.Packages {
		for _, fn := range pkg.Funcs {
			for _, block := range fn.Blocks {
				for _, instr := range block.Instrs {
					m.note(instr)
				}
			}
		}
	}
	return m
}

func (m *memory) note(instr ssa.Instruction) {
	switch instr := instr.(type) {
	case *ssa.Store:
		switch addr := instr.Addr.(type) {
		case *ssa.FieldAddr:
			if field := fieldOf(addr.X.Type(), addr.Field); field != nil {
				m.fields[field] = append(m.fields[field], instr)
			}
		case *ssa.Global:
			m.globals[addr] = append(m.globals[addr], instr)
		}
	case ssa.CallInstruction:
		if common := instr.Common(); common.IsInvoke() {
			m.invokes[common.Method.Name()] = append(m.invokes[common.Method.Name()], instr)
		}
	}
	var callee ssa.Value
	if call, ok := instr.(ssa.CallInstruction); ok && !call.Common().IsInvoke() {
		callee = call.Common().Value
	}
	for _, operand := range instr.Operands(nil) {
		switch value := (*operand).(type) {
		case *ssa.Function:
			if _, made := instr.(*ssa.MakeClosure); !made && (value != callee || usedAsArgument(instr, value)) {
				m.values[value] = append(m.values[value], instr)
			}
		case *ssa.MakeClosure:
			if fn, ok := value.Fn.(*ssa.Function); ok && (value != callee || usedAsArgument(instr, value)) {
				m.values[fn] = append(m.values[fn], instr)
			}
		}
	}
}

func usedAsArgument(instr ssa.Instruction, value ssa.Value) bool {
	call, ok := instr.(ssa.CallInstruction)
	if !ok {
		return false
	}
	return slices.Contains(call.Common().Args, value)
}

// stored returns the memory of the program, which it reads once.
func (f *Flow) stored() *memory {
	if f.memory == nil {
		f.memory = remember(f.program)
	}
	return f.memory
}

// field says what is in a field of a struct: all that is ever stored in it.
func (f *Flow) field(field *types.Var, at token.Pos) Origin {
	if field == nil {
		return Origin{}
	}
	if o, ok := framework(field, at); ok {
		return o
	}
	stores := f.stored().fields[field]
	if len(stores) == 0 {
		return f.holder(field.Type())
	}
	o, _ := f.once(field, func() Origin {
		joined := Origin{State: nothing}
		for _, store := range stores {
			joined = join(joined, f.value(store.Val).then(store.Pos(), "stored in field "+field.Name()))
		}
		return joined
	})
	return o
}

// framework says what is in fields of other modules.
func framework(field *types.Var, at token.Pos) (o Origin, ok bool) {
	if field.Pkg() == nil {
		return Origin{}, false
	}
	switch path, name := field.Pkg().Path(), field.Name(); {
	case path == "github.com/gin-gonic/gin" && name == "Request":
		return Origin{State: Request, Steps: []Step{{Pos: at, Text: "the request of the gin.Context"}}}, true
	case path == "net/http/httputil" && (name == "In" || name == "Out"):
		return Origin{State: Request, Steps: []Step{{Pos: at, Text: "the request that a proxy passes on"}}}, true
	case path == "github.com/emicklei/go-restful/v3" && name == "Request":
		return Origin{State: Request, Steps: []Step{{Pos: at, Text: "the request of the restful.Request"}}}, true
	default:
		return Origin{}, false
	}
}

// load says what is read from memory.
func (f *Flow) load(v *ssa.UnOp) Origin {
	switch addr := v.X.(type) {
	case *ssa.Alloc, *ssa.FreeVar:
		return f.cell(addr, v)
	case *ssa.FieldAddr:
		return f.field(fieldOf(addr.X.Type(), addr.Field), v.Pos())
	case *ssa.Global:
		joined := Origin{State: nothing}
		for _, store := range f.stored().globals[addr] {
			joined = join(joined, f.value(store.Val).then(store.Pos(), "stored in variable "+addr.Name()))
		}
		if joined.State == nothing {
			return Origin{}
		}
		return joined
	default:
		return f.holder(v.Type())
	}
}

// cell says what is read from a local variable which closures capture: what the stores
// left that come before the load, or where there are none, what any store leaves.
func (f *Flow) cell(addr ssa.Value, load *ssa.UnOp) Origin {
	joined := Origin{State: nothing}
	stores, all := before(addr, load)
	for _, store := range stores {
		joined = join(joined, f.value(store.Val))
	}
	if all {
		return joined
	}
	for _, store := range storesOf(addr, make(map[ssa.Value]bool)) {
		joined = join(joined, f.value(store.Val))
	}
	if joined.State == nothing {
		return f.holder(load.Type())
	}
	return joined
}

// before returns the stores to addr that load may see in its function, and reports
// whether load sees no others.
func before(addr ssa.Value, load ssa.Instruction) (stores []*ssa.Store, all bool) {
	all = true
	seen := make(map[*ssa.BasicBlock]bool)
	var search func(block *ssa.BasicBlock, from int)
	search = func(block *ssa.BasicBlock, from int) {
		for i := from; i >= 0; i-- {
			if store, ok := block.Instrs[i].(*ssa.Store); ok && store.Addr == addr {
				stores = append(stores, store)
				return
			}
			if alloc, ok := block.Instrs[i].(*ssa.Alloc); ok && alloc == addr {
				return // the variable begins here, empty
			}
		}
		if len(block.Preds) == 0 {
			all = false
		}
		for _, pred := range block.Preds {
			if !seen[pred] {
				seen[pred] = true
				search(pred, len(pred.Instrs)-1)
			}
		}
	}
	block := load.Block()
	for i, instr := range block.Instrs {
		if instr == load {
			search(block, i-1)
		}
	}
	return stores, all
}

// storesOf returns all stores to a captured variable, in whatever function.
func storesOf(addr ssa.Value, seen map[ssa.Value]bool) []*ssa.Store {
	if seen[addr] {
		return nil
	}
	seen[addr] = true
	var stores []*ssa.Store
	if free, ok := addr.(*ssa.FreeVar); ok {
		for _, binding := range bindings(free) {
			stores = append(stores, storesOf(binding, seen)...)
		}
	}
	referrers := addr.Referrers()
	if referrers == nil {
		return stores
	}
	for _, user := range *referrers {
		switch user := user.(type) {
		case *ssa.Store:
			if user.Addr == addr {
				stores = append(stores, user)
			}
		case *ssa.MakeClosure:
			fn, ok := user.Fn.(*ssa.Function)
			if !ok {
				continue
			}
			for i, binding := range user.Bindings {
				if binding == addr {
					stores = append(stores, storesOf(fn.FreeVars[i], seen)...)
				}
			}
		}
	}
	return stores
}
