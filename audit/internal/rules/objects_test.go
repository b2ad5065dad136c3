package rules_test

import (
	"bytes"
	"cmp"
	"go/format"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/analysis"

	"github.com/firebreak-go/firebreak/audit/internal/engine"
	"github.com/firebreak-go/firebreak/audit/internal/program"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
	"github.com/firebreak-go/firebreak/audit/internal/rules"
	"github.com/firebreak-go/firebreak/audit/internal/ruletest"
)

// objectRules are the rules about clients, servers and dialers, and objectPackages what
// they are tested on.
var (
	objectRules = ids("TA101", "TA102", "TA103", "TA104", "TA201", "TA202", "TA301", "TA302", "TA303", "TA304", "TA305", "TA911", "TA912", "TA913", "TA914", "TA915", "TA916")

	objectPackages = []string{
		"ta101", "ta102/...", "ta103", "ta103service", "ta104", "ta201", "ta202", "ta301", "ta302", "ta303", "ta304", "ta305",
		"ta911", "ta912", "ta913", "ta914", "ta915", "ta916",
	}
)

func ids(names ...string) []*rule.Rule {
	var found []*rule.Rule
	for _, name := range names {
		found = append(found, rules.Find(name))
	}
	return found
}

// TestObjectRules runs all rules on all packages: one finding is never reported twice.
func TestObjectRules(t *testing.T) {
	ruletest.Run(t, "testdata", objectRules, objectPackages...)
}

// TestRulesThatAreOff runs those that run only where somebody turns them on.
func TestRulesThatAreOff(t *testing.T) {
	for id, pkg := range map[string]string{"TA203": "ta203", "TA306": "ta306"} {
		r := *rules.Find(id)
		if r.Level != rule.Off {
			t.Errorf("%s: got level %v, want off", id, r.Level)
		}
		r.Level = rule.Warning
		ruletest.Run(t, "testdata", []*rule.Rule{&r}, pkg)
	}
}

// TestEchoLimited is apart: what limits the server of one Echo is taken as for all.
func TestEchoLimited(t *testing.T) {
	ruletest.Run(t, "testdata", ids("TA202"), "ta202echo")
}

// TestObjectFixes applies all fixes at once. What they changed must compile, and each must
// have removed its own finding and no other.
func TestObjectFixes(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata")); err != nil {
		t.Fatal(err)
	}
	before := ruletest.Load(t, dir, objectPackages...)
	edits := make(map[string][]analysis.TextEdit)
	left, fixed := make(map[string]int), make(map[string]int)
	for _, f := range engine.Run(before, engine.Config{Rules: objectRules}) {
		if len(f.Fixes) == 0 {
			left[f.Rule.ID]++
			continue
		}
		fixed[f.Rule.ID]++
		for _, e := range f.Fixes[0].TextEdits {
			name := before.Fset.File(e.Pos).Name()
			if !slices.ContainsFunc(edits[name], func(other analysis.TextEdit) bool {
				return other.Pos == e.Pos && bytes.Equal(other.NewText, e.NewText)
			}) {
				edits[name] = append(edits[name], e)
			}
		}
	}
	for _, id := range []string{"TA102", "TA201", "TA202", "TA301", "TA304", "TA305"} {
		if fixed[id] == 0 {
			t.Errorf("%s: no finding has a fix", id)
		}
	}
	for name, changes := range edits {
		apply(t, before, name, changes)
	}
	after := make(map[string]int)
	for _, f := range engine.Run(ruletest.Load(t, dir, objectPackages...), engine.Config{Rules: objectRules}) {
		after[f.Rule.ID]++
	}
	for _, r := range objectRules {
		if after[r.ID] != left[r.ID] {
			t.Errorf("%s: got %d findings after the fixes, want the %d that have none", r.ID, after[r.ID], left[r.ID])
		}
	}
}

// apply applies edits to a file, and the formatting that the command would.
func apply(t *testing.T, p *program.Program, name string, edits []analysis.TextEdit) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(edits, func(a, b analysis.TextEdit) int { return cmp.Compare(b.Pos, a.Pos) })
	for _, e := range edits {
		from, to := p.Fset.Position(e.Pos).Offset, p.Fset.Position(e.End).Offset
		text = slices.Concat(text[:from], e.NewText, text[to:])
	}
	formatted, err := format.Source(text)
	if err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(name), err, text)
	}
	if err := os.WriteFile(name, formatted, 0o600); err != nil { //nolint:gosec // name is of a file in the test's own directory
		t.Fatal(err)
	}
}

// TestZeroWritten has no want comments: a comment at a limit of 0 is taken as its reason.
func TestZeroWritten(t *testing.T) {
	loaded := ruletest.Load(t, "testdata", "ta105")
	got := make(map[string]string)
	for _, f := range engine.Run(loaded, engine.Config{Rules: ids("TA102", "TA105")}) {
		got[f.Func.Name()] = f.Rule.ID
	}
	want := map[string]string{"findsNegative": "TA105", "FindsZero": "TA105", "findsExpired": "TA105", "get": "TA102"}
	if !maps.Equal(got, want) {
		t.Errorf("got findings in %v, want %v", got, want)
	}
}

// TestStreams says which bodies a limit on the whole request would cut off.
func TestStreams(t *testing.T) {
	loaded := ruletest.Load(t, "testdata", "ta102streams")
	got := make(map[string]bool)
	for _, f := range engine.Run(loaded, engine.Config{Rules: ids("TA102")}) {
		got[f.Func.Name()] = len(f.Fixes) == 0
	}
	for _, fn := range loaded.Packages[0].Funcs {
		name := fn.Name()
		streams, judged := got[name]
		if !judged {
			continue
		}
		delete(got, name)
		if want := strings.HasPrefix(name, "streams"); streams != want {
			t.Errorf("%s: got streams %v, want %v", name, streams, want)
		}
	}
	if len(got) > 0 {
		t.Errorf("findings in functions that are not there: %v", got)
	}
}
