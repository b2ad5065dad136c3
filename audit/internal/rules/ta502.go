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
		options := make(map[string]bool)
		collectOptions(pass.Program, common.Args[len(common.Args)-1], options, make(map[ssa.Value]bool))
		if !options["WithBlock"] && !options["WithReturnConnectionError"] || options["WithTimeout"] {
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

// collectOptions notes the names of the functions of gRPC whose results are in v, a slice of
// options.
func collectOptions(p *program.Program, v ssa.Value, names map[string]bool, seen map[ssa.Value]bool) {
	if v == nil || seen[v] {
		return
	}
	seen[v] = true
	next := func(v ssa.Value) { collectOptions(p, v, names, seen) }
	stored := func(addr ssa.Value) {
		for _, user := range *addr.Referrers() {
			switch user := user.(type) {
			case *ssa.Store:
				if user.Addr == addr {
					next(user.Val)
				}
			case *ssa.IndexAddr:
				next(user)
			case *ssa.Slice:
				for _, use := range *user.Referrers() {
					if store, ok := use.(*ssa.Store); ok && store.Addr == user {
						next(store.Val)
					}
				}
			}
		}
	}
	switch v := v.(type) {
	case *ssa.Slice:
		next(v.X)
	case *ssa.Alloc:
		stored(v)
	case *ssa.IndexAddr:
		stored(v)
	case *ssa.Phi:
		for _, edge := range v.Edges {
			next(edge)
		}
	case *ssa.UnOp:
		next(v.X)
	case *ssa.Global:
		for _, store := range storesTo(p, v) {
			next(store)
		}
	case *ssa.ChangeType:
		next(v.X)
	case *ssa.MakeInterface:
		next(v.X)
	case *ssa.Extract:
		next(v.Tuple)
	case *ssa.Call:
		collectCall(p, v, names, next)
	}
}

func collectCall(p *program.Program, call *ssa.Call, names map[string]bool, next func(ssa.Value)) {
	common := call.Common()
	if builtin, ok := common.Value.(*ssa.Builtin); ok && builtin.Name() == "append" {
		for _, arg := range common.Args {
			next(arg)
		}
		return
	}
	if fn := ctxflow.Callee(common); fn != nil && fn.Pkg() != nil && fn.Pkg().Path() == grpcPath {
		names[fn.Name()] = true
		return
	}
	callee := common.StaticCallee()
	if callee == nil || p.PackageOf(callee) == nil {
		return
	}
	for _, block := range callee.Blocks {
		if back, ok := block.Instrs[len(block.Instrs)-1].(*ssa.Return); ok {
			for _, result := range back.Results {
				next(result)
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
