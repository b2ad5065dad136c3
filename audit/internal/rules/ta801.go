package rules

import (
	"fmt"
	"go/types"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/ctxflow"
	"github.com/firebreak-go/firebreak/audit/internal/program"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
	"github.com/firebreak-go/firebreak/audit/internal/scope"
)

// execNoContext is TA801.
var execNoContext = &rule.Rule{
	ID:    "TA801",
	Name:  "exec-ignores-ctx",
	Title: "a service waits for a command that nothing ends",
	Level: rule.Note,
	Run:   runExecNoContext,
}

func runExecNoContext(pass *rule.Pass) {
	eachCall(pass, func(pkg *program.Package, call ssa.CallInstruction) {
		plain, ok := call.(*ssa.Call)
		fn := ctxflow.Callee(call.Common())
		if !ok || fn == nil || fn.Pkg() == nil || fn.Pkg().Path() != "os/exec" || fn.Name() != "Command" || pass.Scope.Kind(pkg) == scope.Tool {
			return
		}
		if isUsers(plain.Call.Args[0], 0) || commandUse(pass.Program, plain) != waitsForCommand {
			return
		}
		pos, end := span(pkg, call)
		f := rule.Finding{
			Pos: pos, End: end, Func: call.Parent(), Severity: inKind(pass, pkg, rule.Medium),
			Operation: "exec.Command",
			Message:   "the command is waited for, and nothing ends it: use exec.CommandContext with a deadline, and set WaitDelay",
		}
		if here, found := contextInScope(pkg, pos); found {
			f.Message = fmt.Sprintf("exec.Command ignores %s: use exec.CommandContext(%s, …), and set WaitDelay", here.expr, here.expr)
			f.Fixes = commandFix(pkg, call, here)
		}
		pass.Report(f)
	})
}

// commandFix returns the fix that gives the command a context.
func commandFix(pkg *program.Package, call ssa.CallInstruction, here scoped) []analysis.SuggestedFix {
	expr := pkg.CallExpr(call)
	if expr == nil {
		return nil
	}
	return []analysis.SuggestedFix{{
		Message: "Use exec.CommandContext",
		TextEdits: []analysis.TextEdit{
			{Pos: expr.Fun.End(), End: expr.Lparen + 1, NewText: []byte("Context(" + here.expr + ", ")},
		},
	}}
}

// isUsers reports whether the name of a command is the first word of a text that somebody
// wrote: such a command takes as long as that person likes.
func isUsers(name ssa.Value, depth int) bool {
	if depth > 8 {
		return false
	}
	switch v := name.(type) {
	case *ssa.UnOp:
		return isUsers(v.X, depth+1)
	case *ssa.IndexAddr:
		return isUsers(v.X, depth+1)
	case *ssa.Slice:
		return isUsers(v.X, depth+1)
	case *ssa.Extract:
		return isUsers(v.Tuple, depth+1)
	case *ssa.Phi:
		return len(v.Edges) > 0 && isUsers(v.Edges[0], depth+1)
	case *ssa.Call:
		fn := ctxflow.Callee(v.Common())
		if fn == nil || fn.Pkg() == nil {
			return false
		}
		switch fn.Pkg().Path() {
		case "strings":
			return fn.Name() == "Fields" || strings.HasPrefix(fn.Name(), "Split")
		default:
			return strings.Contains(fn.Pkg().Path(), "shell") || strings.Contains(fn.Pkg().Path(), "shlex")
		}
	}
	return false
}

// A commandWait says what becomes of a command.
type commandWait int

const (
	waitsForCommand commandWait = iota
	supervised                  // it is started, and something else sees to its end
	interactive                 // a person or another program talks to it
)

// commandUse says what the program does with a command. One that is handed on to other code
// is taken to be waited for.
func commandUse(p *program.Program, command ssa.Value) commandWait {
	started, input := false, false
	f := follower{program: p, seen: make(map[ssa.Value]bool)}
	f.visit = func(use ssa.Instruction, v ssa.Value) {
		switch use := use.(type) {
		case ssa.CallInstruction:
			name := ctxflow.CalleeName(use.Common())
			short := name[strings.LastIndexByte(name, '.')+1:]
			switch {
			case short == "Start", strings.HasPrefix(short, "Start") && !strings.HasPrefix(name, "exec."):
				started = true
			case name == "exec.Cmd.StdinPipe":
				input = true
			}
		case *ssa.Store:
			addr, ok := use.Addr.(*ssa.FieldAddr)
			if ok && addr.X == v && fieldName(addr) == "Stdin" && isTerminal(use.Val) {
				input = true
			}
		}
	}
	f.follow(command)
	switch {
	case started:
		return supervised
	case input:
		return interactive
	default:
		return waitsForCommand
	}
}

// isTerminal reports whether v is os.Stdin.
func isTerminal(v ssa.Value) bool {
	if made, ok := v.(*ssa.MakeInterface); ok {
		v = made.X
	}
	load, ok := v.(*ssa.UnOp)
	if !ok {
		return false
	}
	global, ok := load.X.(*ssa.Global)
	return ok && global.Pkg != nil && global.Pkg.Pkg.Path() == "os" && global.Name() == "Stdin"
}

func fieldName(addr *ssa.FieldAddr) string {
	t := addr.X.Type().Underlying()
	if pointer, ok := t.(*types.Pointer); ok {
		t = pointer.Elem().Underlying()
	}
	if shape, ok := t.(*types.Struct); ok {
		return shape.Field(addr.Field).Name()
	}
	return ""
}

// A follower calls visit for what the program does with a value: in the function that makes
// it, in those that it is passed to, and in those that it is returned to.
type follower struct {
	program *program.Program
	seen    map[ssa.Value]bool
	visit   func(use ssa.Instruction, v ssa.Value)
}

func (f *follower) follow(v ssa.Value) {
	if f.seen[v] || v.Referrers() == nil {
		return
	}
	f.seen[v] = true
	for _, use := range *v.Referrers() {
		switch use := use.(type) {
		case *ssa.Phi:
			f.follow(use)
		case *ssa.FieldAddr:
			for _, inner := range *use.Referrers() {
				f.visit(inner, v)
			}
		case *ssa.Store:
			if use.Val == v {
				f.loads(use.Addr)
			}
		case *ssa.Return:
			f.results(use, v)
		case ssa.CallInstruction:
			f.visit(use, v)
			f.passed(use, v)
		}
	}
}

// loads follows what is read from the local variable or the field addr, in closures as well.
func (f *follower) loads(addr ssa.Value) {
	if f.seen[addr] || addr.Referrers() == nil {
		return
	}
	f.seen[addr] = true
	for _, use := range *addr.Referrers() {
		switch use := use.(type) {
		case *ssa.UnOp:
			f.follow(use)
		case *ssa.MakeClosure:
			fn, ok := use.Fn.(*ssa.Function)
			for i, binding := range use.Bindings {
				if ok && binding == addr {
					f.loads(fn.FreeVars[i])
				}
			}
		}
	}
}

// results follows v to those that call the function which returns it.
func (f *follower) results(back *ssa.Return, v ssa.Value) {
	for i, result := range back.Results {
		if result != v {
			continue
		}
		for _, call := range f.program.Callers(back.Parent()) {
			value, ok := call.(*ssa.Call)
			if !ok {
				continue
			}
			if len(back.Results) == 1 {
				f.follow(value)
				continue
			}
			for _, use := range *value.Referrers() {
				if extract, ok := use.(*ssa.Extract); ok && extract.Index == i {
					f.follow(extract)
				}
			}
		}
	}
}

// passed follows v into the function that it is passed to.
func (f *follower) passed(call ssa.CallInstruction, v ssa.Value) {
	callee := call.Common().StaticCallee()
	if callee == nil || f.program.PackageOf(callee) == nil {
		return
	}
	for i, arg := range call.Common().Args {
		if arg == v && i < len(callee.Params) {
			f.follow(callee.Params[i])
		}
	}
}
