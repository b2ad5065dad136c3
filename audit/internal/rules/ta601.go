package rules

import (
	"fmt"
	"go/ast"
	"go/types"
	"strings"
	"sync"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/ctxflow"
	"github.com/firebreak-go/firebreak/audit/internal/program"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// sqlNoContext is TA601.
var sqlNoContext = &rule.Rule{
	ID:    "TA601",
	Name:  "sql-no-context",
	Title: "a database query takes no context, so nothing ends it",
	Level: rule.Note,
	Run:   runSQLNoContext,
}

func runSQLNoContext(pass *rule.Pass) {
	bounded := sync.OnceValue(func() bool { return databaseBounded(pass) })
	eachCall(pass, func(pkg *program.Package, call ssa.CallInstruction) {
		fn := ctxflow.Callee(call.Common())
		with, ok := contextVariant(fn)
		if !ok || bounded() || isMigration(pass, pkg, call) {
			return
		}
		pos, end := span(pkg, call)
		name := ctxflow.CalleeName(call.Common())
		f := rule.Finding{
			Pos: pos, End: end, Func: call.Parent(), Severity: inKind(pass, pkg, rule.Medium),
			Operation: name,
			Message:   fmt.Sprintf("%s takes no context: neither the query nor the wait for a connection ends; use %s with a deadline", name, with),
		}
		if here, found := contextInScope(pkg, pos); found {
			f.Level = max(pass.Rule.Level, rule.Warning)
			f.Message += fmt.Sprintf(" (%s is at hand)", here.expr)
			f.Fixes = contextFix(pkg, call, with, here)
		}
		pass.Report(f)
	})
}

// contextVariant returns the name of the method of database/sql, or of sqlx, that does with
// a context what fn does without one.
func contextVariant(fn *types.Func) (with string, ok bool) {
	if fn == nil || fn.Pkg() == nil {
		return "", false
	}
	name := fn.Name()
	switch fn.Pkg().Path() {
	case "database/sql":
		switch name {
		case "Query", "QueryRow", "Exec", "Prepare", "Ping":
			if fn.Signature().Recv() != nil {
				return name + "Context", true
			}
		case "Begin":
			return "BeginTx", true
		}
	case "github.com/jmoiron/sqlx":
		switch name {
		case "Get", "Select", "Queryx", "QueryRowx", "NamedExec", "NamedQuery", "MustExec", "Preparex", "PrepareNamed", "Connect":
			return name + "Context", true
		case "Beginx":
			return "BeginTxx", true
		case "MustBegin":
			return "MustBeginTx", true
		case "MustConnect":
			return "ConnectContext", true
		case "Query", "QueryRow", "Exec":
			recv := fn.Signature().Recv()
			return name + "Context", recv != nil && strings.Contains(recv.Type().String(), "Named")
		}
	}
	return "", false
}

// contextFix returns the fix that calls the method with a context in place of call.
func contextFix(pkg *program.Package, call ssa.CallInstruction, with string, here scoped) []analysis.SuggestedFix {
	expr := pkg.CallExpr(call)
	if expr == nil {
		return nil
	}
	selector, ok := ast.Unparen(expr.Fun).(*ast.SelectorExpr)
	if !ok || !hasMethod(pkg, selector, with) {
		return nil
	}
	insert := here.expr
	switch {
	case with == "BeginTx" || with == "BeginTxx" || with == "MustBeginTx":
		insert += ", nil"
	case len(expr.Args) > 0:
		insert += ", "
	}
	at := expr.Lparen + 1
	return []analysis.SuggestedFix{{
		Message: "Use " + with,
		TextEdits: []analysis.TextEdit{
			{Pos: selector.Sel.Pos(), End: selector.Sel.End(), NewText: []byte(with)},
			{Pos: at, End: at, NewText: []byte(insert)},
		},
	}}
}

// hasMethod reports whether the value or package before a selector has what the fix calls.
func hasMethod(pkg *program.Package, selector *ast.SelectorExpr, name string) bool {
	if ident, ok := selector.X.(*ast.Ident); ok {
		if imported, isPackage := pkg.Info.Uses[ident].(*types.PkgName); isPackage {
			return imported.Imported().Scope().Lookup(name) != nil
		}
	}
	t := pkg.Info.TypeOf(selector.X)
	if t == nil {
		return false
	}
	object, _, _ := types.LookupFieldOrMethod(t, true, pkg.Types, name)
	_, ok := object.(*types.Func)
	return ok
}
