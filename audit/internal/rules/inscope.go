package rules

import (
	"go/ast"
	"go/token"
	"go/types"
	"regexp"

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
// none, or if the code runs after its function: in a goroutine, or later.
func contextInScope(pkg *program.Package, pos token.Pos) (found scoped, ok bool) {
	file := fileOf(pkg, pos)
	if file == nil {
		return scoped{}, false
	}
	outer := pkg.Info.Scopes[file]
	if outer == nil {
		return scoped{}, false
	}
	end := enclosingBody(pkg.Info, file, pos)
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
// goroutine, what is deferred and what is kept for later begin anew.
func enclosingBody(info *types.Info, file *ast.File, pos token.Pos) token.Pos {
	path, _ := astutil.PathEnclosingInterval(file, pos, pos)
	for i, node := range path {
		if literal, ok := node.(*ast.FuncLit); ok && !runsWithin(info, literal, path[i+1:]) {
			return literal.Pos()
		}
	}
	return token.NoPos
}

// runsWithin reports whether a function literal runs before the function that it stands in
// returns: where it is called, or by what it is given to. outer is what encloses it,
// innermost first.
func runsWithin(info *types.Info, literal *ast.FuncLit, outer []ast.Node) bool {
	switch parent := outer[0].(type) {
	case *ast.CallExpr:
		switch outer[1].(type) {
		case *ast.GoStmt, *ast.DeferStmt:
			return false
		}
		return ast.Unparen(parent.Fun) == literal || !keeps(info, parent, outer)
	case *ast.AssignStmt:
		for i, value := range parent.Rhs {
			if name, ok := parent.Lhs[i].(*ast.Ident); ok && value == literal {
				return isOnlyCalled(info, info.ObjectOf(name), outer)
			}
		}
	}
	return false
}

// runLater names the methods and functions that call what they are given later, as far as
// their names tell.
var runLater = regexp.MustCompile(`^(After|AfterFunc|Submit|Schedule|Enqueue|Spawn|Defer|Add.*|Set.*|On[A-Z].*|Register.*|Handle.*|Subscribe.*|Cleanup)$`)

// keeps reports whether a call keeps the functions that it is given for later. Go of a
// group does not where the group is waited for.
func keeps(info *types.Info, call *ast.CallExpr, outer []ast.Node) bool {
	var called *ast.Ident
	var of ast.Expr
	switch fun := ast.Unparen(call.Fun).(type) {
	case *ast.Ident:
		called = fun
	case *ast.SelectorExpr:
		called, of = fun.Sel, fun.X
	default:
		return false
	}
	if called.Name != "Go" && called.Name != "TryGo" {
		return runLater.MatchString(called.Name)
	}
	group, ok := of.(*ast.Ident)
	return !ok || !isWaitedFor(info, info.ObjectOf(group), outer)
}

// isWaitedFor reports whether the function at hand calls Wait of group.
func isWaitedFor(info *types.Info, group types.Object, outer []ast.Node) (waited bool) {
	ast.Inspect(innermostFunction(outer), func(node ast.Node) bool {
		if wait, ok := node.(*ast.SelectorExpr); ok && wait.Sel.Name == "Wait" {
			name, isName := wait.X.(*ast.Ident)
			waited = waited || isName && group != nil && info.ObjectOf(name) == group
		}
		return !waited
	})
	return waited
}

// isOnlyCalled reports whether the function in variable v is called and nothing else: not
// by a go statement, and not given to anybody.
func isOnlyCalled(info *types.Info, v types.Object, outer []ast.Node) bool {
	only := v != nil
	called := make(map[*ast.Ident]bool)
	ast.Inspect(innermostFunction(outer), func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.GoStmt:
			only = only && !names(info, node.Call.Fun, v)
		case *ast.DeferStmt:
			only = only && !names(info, node.Call.Fun, v)
		case *ast.CallExpr:
			if name, ok := node.Fun.(*ast.Ident); ok {
				called[name] = true
			}
		case *ast.Ident:
			only = only && (info.Uses[node] != v || called[node])
		}
		return only
	})
	return only
}

func names(info *types.Info, expr ast.Expr, v types.Object) bool {
	name, ok := ast.Unparen(expr).(*ast.Ident)
	return ok && info.ObjectOf(name) == v
}

// innermostFunction returns the innermost function of what encloses some code.
func innermostFunction(outer []ast.Node) ast.Node {
	for _, node := range outer {
		switch node.(type) {
		case *ast.FuncDecl, *ast.FuncLit:
			return node
		}
	}
	return outer[len(outer)-1]
}
