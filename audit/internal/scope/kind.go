package scope

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"

	"github.com/firebreak-go/firebreak/audit/internal/program"
)

// A Kind says what becomes of a package.
type Kind int

// The kinds.
const (
	// Library is a package that no command of the Program imports: nobody knows who
	// waits for it.
	Library Kind = iota

	// Tool is a command-line tool, or a package that only such tools import.
	Tool

	// Service is a command that serves, or does its work again and again, or a package
	// that such a command imports.
	Service
)

// Declare says what the command in dir is, whatever it looks like. dir is a path with
// slashes from the root of its module, where "." is the root itself.
func (s *Scope) Declare(dir string, kind Kind) {
	if s.declared == nil {
		s.declared = make(map[string]Kind)
	}
	if dir == "." {
		dir = ""
	}
	s.declared[dir] = kind
	s.kinds = nil
}

// Kind says what pkg is part of. A command is a Service if it, or a package of the
// Program that it imports, listens, serves or repeats its work for ever.
func (s *Scope) Kind(pkg *program.Package) Kind {
	if s.kinds == nil {
		s.kinds = kindsOf(s.program, s.declared)
	}
	return s.kinds[pkg.Types]
}

func kindsOf(p *program.Program, declared map[string]Kind) map[*types.Package]Kind {
	judged := make(map[*types.Package]*program.Package, len(p.Packages))
	for _, pkg := range p.Packages {
		judged[pkg.Types] = pkg
	}
	kinds := make(map[*types.Package]Kind, len(p.Packages))
	serves := make(map[*types.Package]bool, len(p.Packages))
	for _, pkg := range p.Packages {
		serves[pkg.Types] = servesOrLoops(pkg)
	}
	for _, pkg := range p.Packages {
		if !pkg.Main {
			continue
		}
		needed := closure(pkg.Types, judged)
		kind := Tool
		for _, t := range needed {
			if serves[t] {
				kind = Service
			}
		}
		if known, ok := declared[Dir(pkg)]; ok {
			kind = known
		}
		for _, t := range needed {
			kinds[t] = max(kinds[t], kind)
		}
	}
	return kinds
}

// closure returns root and all judged packages that it needs.
func closure(root *types.Package, judged map[*types.Package]*program.Package) []*types.Package {
	var all []*types.Package
	seen := make(map[*types.Package]bool)
	var visit func(*types.Package)
	visit = func(t *types.Package) {
		if seen[t] || judged[t] == nil {
			return
		}
		seen[t] = true
		all = append(all, t)
		for _, imported := range t.Imports() {
			visit(imported)
		}
	}
	visit(root)
	return all
}

// servesOrLoops reports whether pkg has a call that listens or serves, a ticker, or a
// loop without an end that sleeps or selects.
func servesOrLoops(pkg *program.Package) bool {
	found := false
	for _, syntax := range pkg.Files {
		ast.Inspect(syntax, func(n ast.Node) bool {
			if found {
				return false
			}
			switch n := n.(type) {
			case *ast.CallExpr:
				found = isServing(calleeOf(pkg.Info, n))
			case *ast.ForStmt:
				found = n.Cond == nil && waits(pkg.Info, n.Body)
			}
			return !found
		})
	}
	return found
}

func calleeOf(info *types.Info, call *ast.CallExpr) *types.Func {
	var name *ast.Ident
	switch fun := ast.Unparen(call.Fun).(type) {
	case *ast.Ident:
		name = fun
	case *ast.SelectorExpr:
		name = fun.Sel
	default:
		return nil
	}
	fn, _ := info.Uses[name].(*types.Func)
	return fn
}

// isServing reports whether fn starts to listen, to serve or to tick.
func isServing(fn *types.Func) bool {
	if fn == nil || fn.Pkg() == nil {
		return false
	}
	name := fn.Name()
	switch fn.Pkg().Path() {
	case "net":
		return strings.HasPrefix(name, "Listen")
	case "net/http":
		return strings.HasPrefix(name, "ListenAndServe") || strings.HasPrefix(name, "Serve") && name != "ServeContent" && name != "ServeFile" && name != "ServeHTTP"
	case "time":
		return name == "NewTicker" || name == "Tick"
	case "crypto/tls":
		return name == "Listen"
	case "google.golang.org/grpc":
		return name == "NewServer"
	case "net/http/httptest":
		return false
	}
	return strings.HasPrefix(name, "ListenAndServe") || name == "StartHTTPServer"
}

// waits reports whether a loop's body waits for events, or sleeps and never leaves the loop:
// one that sleeps until something is there is a retry, which tools have as well.
func waits(info *types.Info, body *ast.BlockStmt) bool {
	selects, sleeps := false, false
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectStmt:
			selects = true
		case *ast.CallExpr:
			if fn := calleeOf(info, n); fn != nil && fn.Pkg() != nil && fn.Pkg().Path() == "time" && (fn.Name() == "Sleep" || fn.Name() == "After") {
				sleeps = true
			}
		case *ast.FuncLit:
			return false
		}
		return !selects
	})
	return selects || sleeps && !leaves(body)
}

// leaves reports whether a loop's body may end the loop.
func leaves(body *ast.BlockStmt) bool {
	found := false
	inner := 0 // loops and switches that a break without a label ends
	var visit func(n ast.Node) bool
	visit = func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ReturnStmt:
			found = true
		case *ast.BranchStmt:
			found = found || n.Tok == token.GOTO || n.Tok == token.BREAK && (inner == 0 || n.Label != nil)
		case *ast.FuncLit:
			return false
		case *ast.ForStmt:
			return enter(n.Body, &inner, visit)
		case *ast.RangeStmt:
			return enter(n.Body, &inner, visit)
		case *ast.SwitchStmt:
			return enter(n.Body, &inner, visit)
		case *ast.TypeSwitchStmt:
			return enter(n.Body, &inner, visit)
		}
		return true
	}
	ast.Inspect(body, visit)
	return found
}

// enter visits what is in the body of an inner loop or switch.
func enter(body *ast.BlockStmt, inner *int, visit func(ast.Node) bool) bool {
	*inner++
	ast.Inspect(body, visit)
	*inner--
	return false
}
