package program_test

import (
	"slices"
	"testing"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/program"
	"github.com/firebreak-go/firebreak/audit/internal/ruletest"
)

func TestCallers(t *testing.T) {
	loaded := ruletest.Load(t, "testdata", "calls")
	callersOf := func(name string) []string {
		var names []string
		for _, call := range loaded.Callers(function(t, loaded, name)) {
			names = append(names, call.Parent().RelString(loaded.Packages[0].Types))
		}
		slices.Sort(names)
		return names
	}
	if got, want := callersOf("leaf"), []string{"(*thing).pointer", "(thing).method", "direct", "literal$1", "twice"}; !slices.Equal(got, want) {
		t.Errorf("callers of leaf: got %q, want %q", got, want)
	}
	if got, want := callersOf("twice"), []string{"generic", "generic"}; !slices.Equal(got, want) {
		t.Errorf("callers of twice: got %q, want %q", got, want)
	}
}

func TestPackageOf(t *testing.T) {
	loaded := ruletest.Load(t, "testdata", "calls")
	for _, name := range []string{"leaf", "literal", "literal$1", "twice"} {
		if got, want := loaded.PackageOf(function(t, loaded, name)), loaded.Packages[0]; got != want {
			t.Errorf("package of %s: got %v, want calls", name, got)
		}
	}
}

func function(t *testing.T, loaded *program.Program, name string) *ssa.Function {
	t.Helper()
	pkg := loaded.Packages[0]
	for _, fn := range pkg.Funcs {
		if fn.RelString(pkg.Types) == name {
			return fn
		}
	}
	t.Fatalf("no function %s", name)
	return nil
}
