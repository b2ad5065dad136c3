package suppress_test

import (
	"go/constant"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/engine"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
	"github.com/firebreak-go/firebreak/audit/internal/ruletest"
)

// rules has one that reports each call of wait, with what it is given as the message.
func rules() []*rule.Rule {
	return []*rule.Rule{
		{ID: "TA102", Name: "http-client-no-timeout", Level: rule.Error, Run: calls},
		{ID: "TA901", Name: "stale-suppression", Level: rule.Note},
		{ID: "TA998", Name: "is-off", Level: rule.Off, Run: func(*rule.Pass) {}},
		{ID: "TA999", Name: "finds-nothing", Level: rule.Error, Run: func(*rule.Pass) {}},
	}
}

func calls(pass *rule.Pass) {
	for _, pkg := range pass.Program.Packages {
		for _, fn := range append(pkg.Funcs, pkg.SSA.Func("init")) {
			for _, block := range fn.Blocks {
				for _, instr := range block.Instrs {
					call, ok := instr.(*ssa.Call)
					if !ok || call.Call.StaticCallee() == nil || call.Call.StaticCallee().Name() != "wait" {
						continue
					}
					text, _ := call.Call.Args[0].(*ssa.Const)
					pass.Report(rule.Finding{Pos: call.Pos(), Func: fn, Message: constant.StringVal(text.Value)})
				}
			}
		}
	}
}

func TestApply(t *testing.T) {
	loaded := ruletest.Load(t, "testdata", "answers")
	reasons := make(map[string]string)
	for _, f := range engine.Run(loaded, engine.Config{Rules: rules()}) {
		if f.Rule.ID == "TA901" {
			continue
		}
		kept := f.Suppressed == nil
		if want := strings.HasPrefix(f.Message, "kept"); kept != want {
			t.Errorf("%q: got kept %v, want %v", f.Message, kept, want)
		}
		if !kept {
			reasons[f.Message] = f.Suppressed.Reason
		}
	}
	want := map[string]string{
		"same line":         "on the line",
		"line above":        "above it",
		"in a group":        "by its name",
		"in a function":     "all of it",
		"in a literal":      "all of it",
		"in a statement":    "a long statement",
		"package level":     "of the package",
		"second of a group": "only this",
		"unbounded":         "",
	}
	if diff := cmp.Diff(want, reasons); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
}

func TestNosec(t *testing.T) {
	all := []*rule.Rule{
		{ID: "TA201", Level: rule.Error, Run: calls}, {ID: "TA202", Level: rule.Error, Run: calls},
		{ID: "TA901", Name: "stale-suppression", Level: rule.Note},
	}
	for _, nosec := range []bool{true, false} {
		got := make(map[string]string)
		for _, f := range engine.Run(ruletest.Load(t, "testdata", "gosec"), engine.Config{Rules: all, Nosec: nosec}) {
			if f.Suppressed != nil {
				got[f.Message+" "+f.Rule.ID] = f.Suppressed.Reason
			}
			if f.Rule.ID == "TA901" {
				t.Errorf("got %q, want nothing said of what is gosec's", f.Message)
			}
		}
		want := map[string]string{}
		if nosec {
			want = map[string]string{
				"same line TA201":  "only the load balancer connects",
				"both TA201":       "#nosec G112,G114",
				"both TA202":       "#nosec G112,G114",
				"line above TA202": "debugging",
				"other form TA201": "#nosec G112",
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("nosec %v: reasons (-want +got):\n%s", nosec, diff)
		}
	}
}

func TestStale(t *testing.T) {
	ofTA999 := "this suppression of TA999 suppresses nothing: delete it"
	malformed := []string{
		`this suppression is not applied: it gives no reason, want reason="why"`,
		`this suppression is not applied: it gives no reason, want reason="why"`,
		`this suppression is not applied: its reason is not quoted, want reason="why"`,
		"this suppression names no rule, want one such as TA102",
		"this suppression names TA777, which is no rule",
		"firebreak-audit:ingore is no directive, want ignore or unbounded",
	}
	whole := append([]string{ofTA999}, malformed...)
	whole = slices.Insert(whole, 5, ofTA999)
	whole = append(whole, "this suppression of TA102 suppresses nothing: delete it")
	for name, test := range map[string]struct {
		config engine.Config
		want   []string
	}{
		"whole program":   {engine.Config{}, whole},
		"one package":     {engine.Config{Partial: true}, malformed},
		"TA901 is off":    {engine.Config{Levels: map[string]rule.Level{"TA901": rule.Off}}, nil},
		"the rule is off": {engine.Config{Levels: map[string]rule.Level{"TA102": rule.Off, "TA999": rule.Off}}, malformed},
	} {
		t.Run(name, func(t *testing.T) {
			loaded := ruletest.Load(t, "testdata", "answers")
			test.config.Rules = rules()
			var got []string
			for _, f := range engine.Run(loaded, test.config) {
				if f.Rule.ID == "TA901" {
					got = append(got, f.Message)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("messages (-want +got):\n%s", diff)
			}
		})
	}
}
