package sink_test

import (
	"testing"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/catalog"
	"github.com/firebreak-go/firebreak/audit/internal/ctxflow"
	"github.com/firebreak-go/firebreak/audit/internal/program"
	"github.com/firebreak-go/firebreak/audit/internal/ruletest"
	"github.com/firebreak-go/firebreak/audit/internal/sink"
)

func finder(t *testing.T) (*program.Program, *sink.Finder, *ctxflow.Flow) {
	t.Helper()
	loaded := ruletest.Load(t, "testdata", "calls")
	return loaded, sink.New(loaded, catalog.Default()), ctxflow.New(loaded, catalog.Default())
}

func function(t *testing.T, loaded *program.Program, name string) *ssa.Function {
	t.Helper()
	fn := loaded.Packages[0].SSA.Func(name)
	if fn == nil {
		t.Fatalf("no function %s", name)
	}
	return fn
}

func TestOf(t *testing.T) {
	loaded, finder, _ := finder(t)
	for _, test := range []struct {
		fn, name string
		kind     sink.Kind
	}{
		{"query", "sql.DB.QueryContext", sink.Database},
		{"shutdown", "http.Server.Shutdown", sink.Shutdown},
		{"exchange", "oauth2.Config.Exchange", sink.Library},
		{"unary", "calls.Client.Greet", sink.RPC},
		{"viaConnect", "calls.Greeter.Greet", sink.RPC},
		{"likely", "parcels.Client.GetParcel", sink.Likely},
	} {
		var found *sink.Call
		for _, call := range callsIn(function(t, loaded, test.fn)) {
			if waits := finder.Of(call); waits != nil {
				found = waits
			}
		}
		switch {
		case found == nil:
			t.Errorf("%s: got no call that waits, want %s", test.fn, test.name)
		case found.Name != test.name || found.Kind != test.kind || found.Context != function(t, loaded, test.fn).Params[0]:
			t.Errorf("%s: got %s of kind %d with %v, want %s of kind %d with ctx", test.fn, found.Name, found.Kind, found.Context, test.name, test.kind)
		}
	}
	for _, name := range []string{"stream", "kept", "own", "local"} {
		for _, call := range callsIn(function(t, loaded, name)) {
			if waits := finder.Of(call); waits != nil {
				t.Errorf("%s: got %s, want no call that waits", name, waits.Name)
			}
		}
	}
}

func TestReaches(t *testing.T) {
	loaded, finder, flow := finder(t)
	for _, test := range []struct {
		fn, name string
		via      int
	}{
		{"exchange", "oauth2.Config.Exchange", 0},
		{"own", "oauth2.Config.Exchange", 1},
		{"limited", "", 0},
		{"kept", "", 0},
		{"recursive", "", 0},
	} {
		way := finder.Reaches(flow, function(t, loaded, test.fn), 0)
		switch {
		case way == nil && test.name != "":
			t.Errorf("%s: got no way, want one to %s", test.fn, test.name)
		case way != nil && (way.Call.Name != test.name || len(way.Via) != test.via):
			t.Errorf("%s: got a way to %s over %d calls, want %q over %d", test.fn, way.Call.Name, len(way.Via), test.name, test.via)
		}
	}
}

func TestFactOf(t *testing.T) {
	loaded, finder, flow := finder(t)
	for _, test := range []struct{ fn, want string }{
		{"own", "contexts() waits(0, oauth2.Config.Exchange)"},
		{"withLimit", "contexts(bounded, unknown)"},
		{"annotated", "contexts(param)"},
	} {
		fact := finder.FactOf(flow, function(t, loaded, test.fn))
		if fact == nil || fact.String() != test.want {
			t.Errorf("%s: got %v, want %s", test.fn, fact, test.want)
		}
	}
	if fact := finder.FactOf(flow, function(t, loaded, "local")); fact != nil {
		t.Errorf("local: got %v, want none", fact)
	}
}

func callsIn(fn *ssa.Function) []ssa.CallInstruction {
	var calls []ssa.CallInstruction
	for _, block := range fn.Blocks {
		for _, instr := range block.Instrs {
			if call, ok := instr.(ssa.CallInstruction); ok {
				calls = append(calls, call)
			}
		}
	}
	return calls
}
