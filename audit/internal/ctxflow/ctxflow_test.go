package ctxflow_test

import (
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/catalog"
	"github.com/firebreak-go/firebreak/audit/internal/ctxflow"
	"github.com/firebreak-go/firebreak/audit/internal/program"
	"github.com/firebreak-go/firebreak/audit/internal/ruletest"
)

// TestStates compares what the Flow says of the arguments of wait and send with the
// comments behind them.
func TestStates(t *testing.T) {
	for _, name := range []string{"flow", "plugins"} {
		t.Run(name, func(t *testing.T) { compareStates(t, ruletest.Load(t, "testdata", name)) })
	}
}

func compareStates(t *testing.T, loaded *program.Program) {
	t.Helper()
	wants := comments(loaded)
	flow := ctxflow.New(loaded, catalog.Default())
	seen := 0
	for _, fn := range loaded.Packages[0].Funcs {
		for _, call := range callsIn(fn) {
			at := loaded.Fset.Position(call.Pos())
			want, ok := wants[at.Line]
			if !ok {
				continue
			}
			var o ctxflow.Origin
			switch call.Common().StaticCallee().Name() {
			case "wait":
				o = flow.Context(call.Common().Args[0], call)
			case "send":
				o = flow.Request(call.Common().Args[0], call)
			default:
				continue
			}
			seen++
			if got := describe(o); got != want {
				t.Errorf("%s:%d: got %s, want %s (%v)", filepath.Base(at.Filename), at.Line, got, want, o.Steps)
			}
			if o.State == ctxflow.Root && !o.Start().IsValid() {
				t.Errorf("%s:%d: got no start of a root context, want its place", filepath.Base(at.Filename), at.Line)
			}
		}
	}
	if seen != len(wants) {
		t.Errorf("got %d calls with a comment, want %d", seen, len(wants))
	}
}

func describe(o ctxflow.Origin) string {
	text := o.State.String()
	if o.Callers != nil {
		text += ", " + o.Callers.State.String()
	}
	if o.Open {
		text += ", open"
	}
	return text
}

func comments(loaded *program.Program) map[int]string {
	found := make(map[int]string)
	for _, file := range loaded.Packages[0].Files {
		for _, group := range file.Comments {
			for _, comment := range group.List {
				if want, ok := strings.CutPrefix(comment.Text, "// is "); ok {
					found[loaded.Fset.Position(comment.Pos()).Line] = want
				}
			}
		}
	}
	return found
}

func callsIn(fn *ssa.Function) []ssa.CallInstruction {
	var calls []ssa.CallInstruction
	for _, block := range fn.Blocks {
		for _, instr := range block.Instrs {
			if call, ok := instr.(ssa.CallInstruction); ok && call.Common().StaticCallee() != nil {
				calls = append(calls, call)
			}
		}
	}
	return calls
}
