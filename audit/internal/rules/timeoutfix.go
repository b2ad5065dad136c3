package rules

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"time"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ast/astutil"
	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/ctxflow"
	"github.com/firebreak-go/firebreak/audit/internal/edit"
	"github.com/firebreak-go/firebreak/audit/internal/program"
)

// timeoutFixes make the fixes of one rule that put a deadline around a call. There is at
// most one in a function, so that the names they declare do not meet.
type timeoutFixes struct {
	context, cancel string // names
	limit           time.Duration
	fixed           map[ast.Node]bool
}

func newTimeoutFixes(ctx, cancel string, limit time.Duration) *timeoutFixes {
	return &timeoutFixes{context: ctx, cancel: cancel, limit: limit, fixed: make(map[ast.Node]bool)}
}

// fix returns the fix that gives call a context with a deadline, or none where that may
// change what the code means: in a loop, or where what the call returns outlives the
// function.
func (t *timeoutFixes) fix(pkg *program.Package, call ssa.CallInstruction) []analysis.SuggestedFix {
	plain, ok := call.(*ssa.Call)
	expr := pkg.CallExpr(call)
	if !ok || expr == nil || outlives(plain.Type()) {
		return nil
	}
	file := fileOf(pkg, expr.Pos())
	given := contextArgument(pkg, expr)
	if file == nil || given == nil {
		return nil
	}
	path, _ := astutil.PathEnclosingInterval(file, expr.Pos(), expr.End())
	statement, function := placeFor(path)
	if statement == nil || t.fixed[function] || declares(pkg, file, statement.Pos(), t.context) || declares(pkg, file, statement.Pos(), t.cancel) {
		return nil
	}
	contextName, contextImport, contextOK := edit.Import(file, pkg.Info, statement.Pos(), "context", "context")
	timeName, timeImport, timeOK := edit.Import(file, pkg.Info, statement.Pos(), "time", "time")
	if !contextOK || !timeOK {
		return nil
	}
	t.fixed[function] = true
	made := fmt.Sprintf("%s, %s := %s.WithTimeout(%s, %s)\ndefer %s()\n",
		t.context, t.cancel, contextName, types.ExprString(given), edit.Duration(t.limit, timeName), t.cancel)
	edits := append(contextImport, timeImport...) //nolint:gocritic // neither is used again
	edits = append(edits,
		analysis.TextEdit{Pos: statement.Pos(), End: statement.Pos(), NewText: []byte(made)},
		analysis.TextEdit{Pos: given.Pos(), End: given.End(), NewText: []byte(t.context)})
	return []analysis.SuggestedFix{{Message: fmt.Sprintf("Limit the call to %v", t.limit), TextEdits: edits}}
}

// placeFor returns the statement before which a statement can stand that runs once for the
// expression that path leads to, and the function that both are in. It returns nil where
// there is none, as in a loop.
func placeFor(path []ast.Node) (statement ast.Stmt, function ast.Node) {
	for i, node := range path {
		switch node := node.(type) {
		case *ast.ForStmt, *ast.RangeStmt, *ast.DeferStmt, *ast.GoStmt, *ast.SelectStmt, *ast.CommClause, *ast.LabeledStmt:
			return nil, nil
		case *ast.FuncDecl, *ast.FuncLit:
			if statement == nil {
				return nil, nil
			}
			return statement, node
		case ast.Stmt:
			if statement != nil || i+1 >= len(path) {
				continue
			}
			if isList(path[i+1]) {
				statement = node
			}
		}
	}
	return nil, nil
}

func isList(node ast.Node) bool {
	switch node.(type) {
	case *ast.BlockStmt, *ast.CaseClause:
		return true
	default:
		return false
	}
}

// outlives reports whether what a call returns works with the context after it: rows, a
// stream, a reader.
func outlives(t types.Type) bool {
	if tuple, ok := t.(*types.Tuple); ok {
		for part := range tuple.Variables() {
			if outlives(part.Type()) {
				return true
			}
		}
		return false
	}
	methods := types.NewMethodSet(t)
	for _, name := range []string{"Close", "Next", "Read", "Write", "Recv", "RecvMsg", "Scan", "Wait", "Commit"} {
		if methods.Lookup(nil, name) != nil {
			return true
		}
	}
	_, function := t.Underlying().(*types.Signature)
	_, channel := t.Underlying().(*types.Chan)
	return function || channel
}

// contextArgument returns the first argument that is a context, or nil.
func contextArgument(pkg *program.Package, call *ast.CallExpr) ast.Expr {
	for _, arg := range call.Args {
		if t := pkg.Info.TypeOf(arg); t != nil && ctxflow.IsContext(t) {
			return arg
		}
	}
	return nil
}

// declares reports whether name means something at pos, or later in its function.
func declares(pkg *program.Package, file *ast.File, pos token.Pos, name string) bool {
	scope := pkg.Info.Scopes[file]
	if scope == nil {
		return true
	}
	for inner := scope.Innermost(pos); inner != nil; inner = inner.Parent() {
		if inner.Lookup(name) != nil {
			return true
		}
	}
	return false
}
