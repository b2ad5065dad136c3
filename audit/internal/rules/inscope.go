package rules

import (
	"go/ast"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/ast/astutil"

	"github.com/firebreak-go/firebreak/audit/internal/ctxflow"
	"github.com/firebreak-go/firebreak/audit/internal/program"
)

// A scoped is a context that code could use where it stands.
type scoped struct {
	expr  string // "ctx", "r.Context()"
	named *types.Var
}

// contextInScope returns the context that the code at pos could use, as an expression:
// one in a local variable or a parameter, or that of a request. ok is false if there is
// none, or if the code runs after its function: in a goroutine, or when it returns.
func contextInScope(pkg *program.Package, pos token.Pos) (found scoped, ok bool) {
	file := fileOf(pkg, pos)
	if file == nil {
		return scoped{}, false
	}
	outer := pkg.Info.Scopes[file]
	if outer == nil {
		return scoped{}, false
	}
	end := enclosingBody(file, pos)
	for scope := outer.Innermost(pos); scope != nil && scope != outer; scope = scope.Parent() {
		for _, name := range scope.Names() {
			v, isVar := scope.Lookup(name).(*types.Var)
			if !isVar || name == "_" || v.Pos() >= pos || v.Pos() < end || v.IsField() {
				continue
			}
			expr, fits := contextOf(v)
			if !fits || hidden(outer, pos, v) {
				continue
			}
			if found.expr == "" || ctxflow.IsContext(v.Type()) {
				found = scoped{expr, v}
			}
		}
		if found.expr != "" {
			return found, true
		}
	}
	return scoped{}, false
}

// hidden reports whether another variable of that name is meant at pos.
func hidden(outer *types.Scope, pos token.Pos, v *types.Var) bool {
	inner := outer.Innermost(pos)
	if inner == nil {
		return true
	}
	_, object := inner.LookupParent(v.Name(), pos)
	return object != v
}

// contextOf returns the expression for the context that is in v.
func contextOf(v *types.Var) (expr string, ok bool) {
	t := v.Type()
	switch {
	case ctxflow.IsContext(t):
		return v.Name(), true
	case ctxflow.IsRequest(t):
		return v.Name() + ".Context()", true
	case isType(t, "github.com/gin-gonic/gin", "Context"):
		return v.Name() + ".Request.Context()", true
	case isType(t, "github.com/labstack/echo/v4", "Context"), isType(t, "github.com/labstack/echo", "Context"):
		return v.Name() + ".Request().Context()", true
	case isType(t, "github.com/gofiber/fiber/v2", "Ctx"):
		return v.Name() + ".UserContext()", true
	default:
		return "", false
	}
}

func isType(t types.Type, path, name string) bool {
	t = types.Unalias(t)
	if pointer, ok := t.(*types.Pointer); ok {
		t = types.Unalias(pointer.Elem())
	}
	named, ok := t.(*types.Named)
	return ok && named.Obj().Name() == name && named.Obj().Pkg() != nil && named.Obj().Pkg().Path() == path
}

// enclosingBody returns where the code begins that runs before its function returns: a
// goroutine or what is deferred begins anew.
func enclosingBody(file *ast.File, pos token.Pos) token.Pos {
	path, _ := astutil.PathEnclosingInterval(file, pos, pos)
	for i, node := range path {
		literal, ok := node.(*ast.FuncLit)
		if !ok || i+1 >= len(path) {
			continue
		}
		if call, isCall := path[i+1].(*ast.CallExpr); isCall && call.Fun == literal && i+2 < len(path) {
			switch path[i+2].(type) {
			case *ast.GoStmt, *ast.DeferStmt:
				return literal.Pos()
			}
		}
	}
	return token.NoPos
}
