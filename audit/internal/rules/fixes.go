package rules

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
	"time"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/edit"
	"github.com/firebreak-go/firebreak/audit/internal/object"
	"github.com/firebreak-go/firebreak/audit/internal/program"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// duration returns d as code that stands at pos, with the edits that import the package
// time if the file does not yet.
func duration(pkg *program.Package, pos token.Pos, d time.Duration) (code string, edits []analysis.TextEdit, ok bool) {
	if pkg == nil {
		return "", nil, false
	}
	file := fileOf(pkg, pos)
	if file == nil {
		return "", nil, false
	}
	name, edits, ok := edit.Import(file, pkg.Info, pos, "time", "time")
	return edit.Duration(d, name), edits, ok
}

// setField returns the fix that gives a field of an object a duration where the object is
// made, or nil if it is made in a form that has no place for it.
func setField(pass *rule.Pass, o *object.Object, field string, d time.Duration) []analysis.SuggestedFix {
	code, edits, ok := duration(o.Package, o.Pos, d)
	if !ok {
		return nil
	}
	insert := field + ": " + code
	switch lit, made := o.Literal, o.New(); {
	case lit != nil:
		change, possible := inLiteral(pass.Program.Fset, lit, field, insert)
		if !possible {
			return nil
		}
		edits = append(edits, change)
	case made != nil && len(made.Args) == 1:
		text := "&" + types.ExprString(made.Args[0]) + "{" + insert + "}"
		edits = append(edits, analysis.TextEdit{Pos: made.Pos(), End: made.End(), NewText: []byte(text)})
	default:
		return nil
	}
	return []analysis.SuggestedFix{{Message: "set " + insert, TextEdits: edits}}
}

// inLiteral returns the edit that makes a composite literal set a field, as the last one.
func inLiteral(files *token.FileSet, lit *ast.CompositeLit, field, insert string) (change analysis.TextEdit, ok bool) {
	for _, element := range lit.Elts {
		pair, keyed := element.(*ast.KeyValueExpr)
		if !keyed {
			return change, false
		}
		if key, isIdent := pair.Key.(*ast.Ident); isIdent && key.Name == field {
			return analysis.TextEdit{Pos: pair.Pos(), End: pair.End(), NewText: []byte(insert)}, true
		}
	}
	at, text := lit.Lbrace+1, insert
	if n := len(lit.Elts); n > 0 {
		at, text = lit.Elts[n-1].End(), ", "+insert
		if end := files.Position(lit.Rbrace); files.Position(at).Line < end.Line { // a line of its own
			at, text = lit.Rbrace, "\t"+insert+",\n"+strings.Repeat("\t", end.Column-1)
		}
	}
	return analysis.TextEdit{Pos: at, End: at, NewText: []byte(text)}, true
}

// qualified returns the selector of a call of a function of another package: http.Get.
func qualified(pass *rule.Pass, call ssa.CallInstruction) (expr *ast.CallExpr, selector *ast.SelectorExpr, ok bool) {
	expr = pass.Objects.CallExpr(call)
	if expr == nil {
		return nil, nil, false
	}
	selector, ok = expr.Fun.(*ast.SelectorExpr)
	if !ok || expr.Ellipsis.IsValid() {
		return nil, nil, false
	}
	_, ok = selector.X.(*ast.Ident)
	return expr, selector, ok
}

// withLimit returns the fix that calls another function of the same package, with a
// duration as the last argument: net.Dial as net.DialTimeout.
func withLimit(pass *rule.Pass, call ssa.CallInstruction, name string, d time.Duration) []analysis.SuggestedFix {
	expr, selector, ok := qualified(pass, call)
	if !ok || len(expr.Args) == 0 {
		return nil
	}
	code, edits, ok := duration(pass.Program.PackageOf(call.Parent()), expr.Pos(), d)
	if !ok {
		return nil
	}
	last := expr.Args[len(expr.Args)-1].End()
	edits = append(edits,
		analysis.TextEdit{Pos: selector.Sel.Pos(), End: selector.Sel.End(), NewText: []byte(name)},
		analysis.TextEdit{Pos: last, End: last, NewText: []byte(", " + code)})
	return []analysis.SuggestedFix{{Message: fmt.Sprintf("use %s with %s", name, code), TextEdits: edits}}
}

// ownServerFix returns the fix that serves by an http.Server with a limit where a function
// of net/http serves without one.
func ownServerFix(pass *rule.Pass, call ssa.CallInstruction) []analysis.SuggestedFix {
	expr, selector, ok := qualified(pass, call)
	if !ok {
		return nil
	}
	code, edits, ok := duration(pass.Program.PackageOf(call.Parent()), expr.Pos(), pass.Settings.HeaderTimeout)
	if !ok {
		return nil
	}
	replace := func(from, to token.Pos, text string) {
		edits = append(edits, analysis.TextEdit{Pos: from, End: to, NewText: []byte(text)})
	}
	server := fmt.Sprintf("(&%s.Server{", types.ExprString(selector.X))
	limit := "ReadHeaderTimeout: " + code + "})."
	args := expr.Args
	switch name := selector.Sel.Name; {
	case name == "ListenAndServe" && len(args) == 2:
		replace(expr.Pos(), args[0].Pos(), server+"Addr: ")
		replace(args[0].End(), args[1].Pos(), ", Handler: ")
		replace(args[1].End(), expr.End(), ", "+limit+"ListenAndServe()")
	case name == "ListenAndServeTLS" && len(args) == 4 && isName(args[3]):
		replace(expr.Pos(), args[0].Pos(), server+"Addr: ")
		replace(args[0].End(), args[1].Pos(), ", Handler: "+types.ExprString(args[3])+", "+limit+"ListenAndServeTLS(")
		replace(args[2].End(), expr.End(), ")")
	case name == "Serve" && len(args) == 2 && isName(args[1]):
		replace(expr.Pos(), args[0].Pos(), server+"Handler: "+types.ExprString(args[1])+", "+limit+"Serve(")
		replace(args[0].End(), expr.End(), ")")
	default:
		return nil
	}
	return []analysis.SuggestedFix{{Message: "serve by an http.Server with ReadHeaderTimeout", TextEdits: edits}}
}

// isName reports whether an expression is a name, which can be read earlier or later.
func isName(e ast.Expr) bool {
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		return true
	case *ast.SelectorExpr:
		return isName(e.X)
	default:
		return false
	}
}

// streams reports whether the body of a response that a client gets may be read for long:
// it is handed on, or copied. Bodies that are read at once are bounded with their request.
func streams(o *object.Object) bool {
	for _, use := range o.Uses {
		switch {
		case use.Product, use.Kind == object.Passed && !isHarmless(use), use.Kind == object.Stored, use.Kind == object.Handed, use.Kind == object.Bound:
			return true
		case !isHTTPMethod(use):
			continue
		}
		call, ok := use.Instr.(*ssa.Call)
		if !ok {
			continue
		}
		for _, user := range *call.Referrers() {
			if extract, isExtract := user.(*ssa.Extract); isExtract && extract.Index == 0 && responseEscapes(extract, make(map[ssa.Value]bool)) {
				return true
			}
		}
	}
	return false
}

// responseEscapes reports whether more is done with a response, or its body, than to read
// it at once and to close it.
func responseEscapes(v ssa.Value, seen map[ssa.Value]bool) bool {
	if seen[v] || v.Referrers() == nil {
		return false
	}
	seen[v] = true
	return slices.ContainsFunc(*v.Referrers(), func(user ssa.Instruction) bool { return userEscapes(v, user, seen) })
}

// userEscapes is responseEscapes for one use of v.
func userEscapes(v ssa.Value, user ssa.Instruction, seen map[ssa.Value]bool) bool {
	switch user := user.(type) {
	case *ssa.FieldAddr:
		return isBody(user) && responseEscapes(user, seen)
	case *ssa.Phi, *ssa.UnOp, *ssa.ChangeInterface, *ssa.MakeInterface:
		value, ok := user.(ssa.Value)
		return ok && responseEscapes(value, seen)
	case *ssa.Store:
		local, ok := user.Addr.(*ssa.Alloc)
		return !ok || responseEscapes(local, seen)
	case *ssa.MakeClosure:
		fn, ok := user.Fn.(*ssa.Function)
		for i, binding := range user.Bindings {
			if ok && binding == v && responseEscapes(fn.FreeVars[i], seen) {
				return true
			}
		}
		return false
	case *ssa.BinOp, *ssa.If, *ssa.DebugRef:
		return false
	case ssa.CallInstruction:
		return !readsAtOnce(user.Common())
	default:
		return true
	}
}

func isBody(addr *ssa.FieldAddr) bool {
	shape, ok := typeBehind(addr.X.Type()).Underlying().(*types.Struct)
	return ok && shape.Field(addr.Field).Name() == "Body"
}

// readsAtOnce reports whether a call that is given a body reads it to its end or closes it.
func readsAtOnce(common *ssa.CallCommon) bool {
	switch object.FuncName(object.Callee(common)) {
	case "io.ReadAll", "io/ioutil.ReadAll", "encoding/json.NewDecoder", "encoding/xml.NewDecoder", "io.LimitReader", "io.Closer.Close", "io.ReadCloser.Close":
		return true
	case "io.Copy", "io.CopyN":
		load, ok := common.Args[0].(*ssa.UnOp)
		if !ok {
			return false
		}
		global, ok := load.X.(*ssa.Global)
		return ok && global.Name() == "Discard"
	}
	return common.IsInvoke() && common.Method.Name() == "Close"
}
