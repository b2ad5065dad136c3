package scope_test

import (
	"testing"

	"github.com/firebreak-go/firebreak/audit/internal/program"
	"github.com/firebreak-go/firebreak/audit/internal/ruletest"
	"github.com/firebreak-go/firebreak/audit/internal/scope"
)

func TestPackage(t *testing.T) {
	loaded := ruletest.Load(t, "testdata", "shop/...")
	s := scope.New(loaded, "legacy/old")
	for path, want := range map[string]scope.Reason{
		"shop":                scope.Judged,
		"shop/store":          scope.Judged,
		"shop/cmd/shopd":      scope.Judged,
		"shop/cmd/testpeer":   scope.Test,
		"shop/e2e/driver":     scope.Test,
		"shop/examples/first": scope.Example,
		"shop/legacy/old":     scope.Judged, // its path from the root of the module is shop/legacy/old here
	} {
		if got := s.Package(find(t, loaded, path)); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	for _, excluded := range []string{"shop/legacy", "shop/legacy/old", "/shop/legacy/", "old"} {
		if got := scope.New(loaded, excluded).Package(find(t, loaded, "shop/legacy/old")); got != scope.Excluded {
			t.Errorf("without %s: got %q, want %q", excluded, got, scope.Excluded)
		}
	}
	if got := scope.New(loaded, "shop/leg").Package(find(t, loaded, "shop/legacy/old")); got != scope.Judged {
		t.Errorf("without shop/leg: got %q, want it judged", got)
	}
}

func TestFunc(t *testing.T) {
	loaded := ruletest.Load(t, "testdata", "shop")
	s := scope.New(loaded)
	want := map[string]scope.Reason{
		"Price": scope.Judged, "WithFake": scope.Test, "WithFake$1": scope.Test, "Bench": scope.Judged, "Bench$1": scope.Test,
		"Stub": scope.Test, "Generated": scope.Generated,
	}
	for _, fn := range loaded.Packages[0].Funcs {
		wanted, ok := want[fn.Name()]
		if !ok {
			continue
		}
		delete(want, fn.Name())
		if got := s.Func(fn); got != wanted {
			t.Errorf("%s: got %q, want %q", fn.Name(), got, wanted)
		}
	}
	for name := range want {
		t.Errorf("no function %s", name)
	}
}

func TestKind(t *testing.T) {
	loaded := ruletest.Load(t, "testdata", "shop/...")
	s := scope.New(loaded)
	for path, want := range map[string]scope.Kind{
		"shop":             scope.Service,
		"shop/store":       scope.Service,
		"shop/print":       scope.Tool,
		"shop/cmd/shopd":   scope.Service,
		"shop/cmd/poller":  scope.Service,
		"shop/cmd/shopctl": scope.Tool,
		"shop/legacy/old":  scope.Library,
	} {
		if got := s.Kind(find(t, loaded, path)); got != want {
			t.Errorf("%s: got kind %d, want %d", path, got, want)
		}
	}
}

func find(t *testing.T, loaded *program.Program, path string) *program.Package {
	t.Helper()
	for _, pkg := range loaded.Packages {
		if pkg.Path == path {
			return pkg
		}
	}
	t.Fatalf("no package %s", path)
	return nil
}

func TestDeclare(t *testing.T) {
	loaded := ruletest.Load(t, "testdata", "shop/...")
	s := scope.New(loaded)
	kinds := func() [2]scope.Kind {
		return [2]scope.Kind{s.Kind(find(t, loaded, "shop/cmd/shopd")), s.Kind(find(t, loaded, "shop/cmd/shopctl"))}
	}
	if got, want := kinds(), [2]scope.Kind{scope.Service, scope.Tool}; got != want {
		t.Errorf("as they look: got %v, want %v", got, want)
	}
	s.Declare("shop/cmd/shopd", scope.Tool) // its path from the root of the module here
	s.Declare("shop/cmd/shopctl", scope.Service)
	if got, want := kinds(), [2]scope.Kind{scope.Tool, scope.Service}; got != want {
		t.Errorf("as declared: got %v, want %v", got, want)
	}
}
