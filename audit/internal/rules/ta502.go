package rules

import (
	"fmt"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/ctxflow"
	"github.com/firebreak-go/firebreak/audit/internal/program"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// grpcDial is TA502.
var grpcDial = &rule.Rule{
	ID:    "TA502",
	Name:  "grpc-blocking-dial",
	Title: "a gRPC connection is waited for without a limit",
	Level: rule.Error,
	Run:   runGRPCDial,
}

const grpcPath = "google.golang.org/grpc"

func runGRPCDial(pass *rule.Pass) {
	eachCall(pass, func(pkg *program.Package, call ssa.CallInstruction) {
		common := call.Common()
		fn := ctxflow.Callee(common)
		if fn == nil || fn.Pkg() == nil || fn.Pkg().Path() != grpcPath || fn.Name() != "Dial" && fn.Name() != "DialContext" {
			return
		}
		options := optionReader{program: pass.Program, names: make(map[string]bool), seen: make(map[ssa.Value]bool)}
		options.read(common.Args[len(common.Args)-1])
		if !options.names["WithBlock"] && !options.names["WithReturnConnectionError"] || options.names["WithTimeout"] {
			return
		}
		var o ctxflow.Origin
		why := "grpc.Dial has no context"
		if fn.Name() == "DialContext" {
			o = pass.Contexts.Context(common.Args[0], call)
			if o.State != ctxflow.Root && o.State != ctxflow.Request {
				return
			}
			why = "its context has no deadline (" + source(o) + ")"
		}
		pos, end := span(pkg, call)
		pass.Report(rule.Finding{
			Pos: pos, End: end, Func: call.Parent(), Severity: inKind(pass, pkg, rule.High),
			Operation:  "grpc." + fn.Name(),
			Message:    fmt.Sprintf("grpc.%s waits for the connection (WithBlock), and %s: use grpc.NewClient, which does not wait, or DialContext with a deadline", fn.Name(), why),
			Provenance: provenance(o),
		})
	})
}

// An optionReader notes the names of the functions of gRPC whose results are in a slice of
// options.
type optionReader struct {
	program *program.Program
	names   map[string]bool
	seen    map[ssa.Value]bool
}

func (r *optionReader) read(v ssa.Value) {
	if v == nil || r.seen[v] {
		return
	}
	r.seen[v] = true
	switch v := v.(type) {
	case *ssa.Slice:
		r.read(v.X)
	case *ssa.Alloc:
		r.stored(v)
	case *ssa.IndexAddr:
		r.stored(v)
	case *ssa.Phi:
		for _, edge := range v.Edges {
			r.read(edge)
		}
	case *ssa.UnOp:
		r.read(v.X)
	case *ssa.Global:
		for _, value := range storesTo(r.program, v) {
			r.read(value)
		}
	case *ssa.ChangeType:
		r.read(v.X)
	case *ssa.MakeInterface:
		r.read(v.X)
	case *ssa.Extract:
		r.read(v.Tuple)
	case *ssa.Call:
		r.call(v)
	}
}

// stored reads what is stored in a local variable or in the elements of an array.
func (r *optionReader) stored(addr ssa.Value) {
	for _, user := range *addr.Referrers() {
		switch user := user.(type) {
		case *ssa.Store:
			if user.Addr == addr {
				r.read(user.Val)
			}
		case *ssa.IndexAddr:
			r.read(user)
		}
	}
}

func (r *optionReader) call(call *ssa.Call) {
	common := call.Common()
	if builtin, ok := common.Value.(*ssa.Builtin); ok && builtin.Name() == "append" {
		for _, arg := range common.Args {
			r.read(arg)
		}
		return
	}
	if fn := ctxflow.Callee(common); fn != nil && fn.Pkg() != nil && fn.Pkg().Path() == grpcPath {
		r.names[fn.Name()] = true
		return
	}
	callee := common.StaticCallee()
	if callee == nil || r.program.PackageOf(callee) == nil {
		return
	}
	for _, block := range callee.Blocks {
		if back, ok := block.Instrs[len(block.Instrs)-1].(*ssa.Return); ok {
			for _, result := range back.Results {
				r.read(result)
			}
		}
	}
}

// storesTo returns what the program stores in a variable of a package.
func storesTo(p *program.Program, global *ssa.Global) []ssa.Value {
	var values []ssa.Value
	for _, pkg := range p.Packages {
		if pkg.SSA != global.Pkg {
			continue
		}
		for _, fn := range pkg.Funcs {
			for _, block := range fn.Blocks {
				for _, instr := range block.Instrs {
					if store, ok := instr.(*ssa.Store); ok && store.Addr == global {
						values = append(values, store.Val)
					}
				}
			}
		}
	}
	return values
}
