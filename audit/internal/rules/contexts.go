package rules

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/catalog"
	"github.com/firebreak-go/firebreak/audit/internal/ctxflow"
	"github.com/firebreak-go/firebreak/audit/internal/program"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
	"github.com/firebreak-go/firebreak/audit/internal/scope"
	"github.com/firebreak-go/firebreak/audit/internal/sink"
)

// eachCall calls visit for the calls of all functions that are judged.
func eachCall(pass *rule.Pass, visit func(pkg *program.Package, call ssa.CallInstruction)) {
	for _, pkg := range pass.Program.Packages {
		if pass.Scope.Package(pkg) != scope.Judged {
			continue
		}
		for _, fn := range pkg.Funcs {
			for _, block := range fn.Blocks {
				for _, instr := range block.Instrs {
					if call, ok := instr.(ssa.CallInstruction); ok {
						visit(pkg, call)
					}
				}
			}
		}
	}
}

// span returns where the expression of a call begins and ends.
func span(pkg *program.Package, call ssa.CallInstruction) (pos, end token.Pos) {
	if expr := pkg.CallExpr(call); expr != nil {
		return expr.Pos(), expr.End()
	}
	return call.Pos(), call.Pos()
}

// severityNamed returns the severity of that name, or medium if it is none.
func severityNamed(name string) rule.Severity {
	for _, s := range []rule.Severity{rule.Low, rule.Medium, rule.High} {
		if s.String() == name {
			return s
		}
	}
	return rule.Medium
}

// provenance returns the steps of an origin as places.
func provenance(o ctxflow.Origin) []rule.Place {
	var places []rule.Place
	for _, step := range o.Steps {
		if step.Pos.IsValid() {
			places = append(places, rule.Place{Pos: step.Pos, Message: step.Text})
		}
	}
	return places
}

// source says in a few words where a context without a deadline began.
func source(o ctxflow.Origin) string {
	if len(o.Steps) == 0 {
		return "a context without a deadline"
	}
	return o.Steps[0].Text
}

// unbounded reports whether the context of a call begins as one without a deadline in the
// code that makes the call, and nobody who calls that code decides.
func unbounded(pass *rule.Pass, waits *sink.Call, call ssa.CallInstruction) (ctxflow.Origin, bool) {
	o := pass.Contexts.Context(waits.Context, call)
	return o, o.State == ctxflow.Root
}

// reportRoot reports a call that waits with a context without a deadline.
func reportRoot(pass *rule.Pass, pkg *program.Package, call ssa.CallInstruction, waits *sink.Call, o ctxflow.Origin, fixes *timeoutFixes) {
	pos, end := span(pkg, call)
	why := waits.Entry.Note
	if why == "" {
		why = "nothing else ends it"
	}
	fix := waits.Entry.Fix
	if fix == "" {
		fix = "pass a context with a deadline (context.WithTimeout)"
	}
	f := rule.Finding{
		Pos: pos, End: end, Func: call.Parent(),
		Severity:   inKind(pass, pkg, severityNamed(waits.Entry.Severity)),
		Operation:  waits.Name,
		Message:    fmt.Sprintf("%s waits on a context without a deadline (%s): %s; %s", waits.Name, source(o), why, fix),
		Provenance: provenance(o),
	}
	if here, ok := atHand(pkg, call, waits); ok {
		f.Message += fmt.Sprintf(" (%s is at hand)", here)
	}
	if waits.Kind == sink.Likely {
		f.Level = rule.Note
		f.Message = fmt.Sprintf("%s is likely to wait for a peer, on a context without a deadline (%s): %s", waits.Name, source(o), fix)
	}
	if waits.Entry.Fix == "" {
		f.Fixes = fixes.fix(pkg, call)
	}
	pass.Report(f)
}

// atHand returns the context that code has a name for and passes over, in favour of a fresh
// one.
func atHand(pkg *program.Package, call ssa.CallInstruction, waits *sink.Call) (expr string, ok bool) {
	fresh, isCall := waits.Context.(*ssa.Call)
	if !isCall {
		return "", false
	}
	switch ctxflow.CalleeName(fresh.Common()) {
	case "context.Background", "context.TODO":
		here, found := contextInScope(pkg, fresh.Pos())
		return here.expr, found && fresh.Parent() == call.Parent()
	default:
		return "", false
	}
}

// isMigration reports whether code changes the schema of a database, as a part of an
// upgrade or an installation: that takes as long as it must.
func isMigration(pass *rule.Pass, pkg *program.Package, call ssa.CallInstruction) bool {
	fn := call.Parent()
	for fn.Parent() != nil {
		fn = fn.Parent()
	}
	name := strings.ToLower(fn.Name())
	if strings.HasSuffix(name, "schema") || strings.HasPrefix(name, "createtable") {
		return true
	}
	path := pass.Program.Fset.Position(call.Pos()).Filename
	file := strings.ToLower(path[strings.LastIndexByte(path, '/')+1:])
	if strings.HasPrefix(file, "schema") {
		return true
	}
	names := []string{name, file, strings.ToLower(scope.Dir(pkg))}
	if object, ok := fn.Object().(*types.Func); ok {
		names = append(names, strings.ToLower(catalog.Name(object))) // with its receiver
	}
	for _, name := range names {
		if strings.Contains(name, "migrat") || strings.Contains(name, "install") {
			return true
		}
	}
	return slices.ContainsFunc(call.Common().Args, changesSchema)
}

// changesSchema reports whether v is the text of a statement that defines data.
func changesSchema(v ssa.Value) bool {
	text, ok := constantString(v)
	if !ok {
		return false
	}
	word, _, _ := strings.Cut(strings.TrimLeft(text, " \t\r\n("), " ")
	switch strings.ToUpper(strings.TrimSpace(word)) {
	case "CREATE", "ALTER", "DROP", "VACUUM", "REINDEX", "PRAGMA":
		return true
	default:
		return false
	}
}

// fileOf returns the file of pkg that pos is in, or nil.
func fileOf(pkg *program.Package, pos token.Pos) *ast.File {
	for _, file := range pkg.Files {
		if file.FileStart <= pos && pos < file.FileEnd {
			return file
		}
	}
	return nil
}
