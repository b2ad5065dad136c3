// Package scope says what kind of code a place is in: whether it is judged at all, and
// how much a missing bound hurts there.
//
// Tests, examples and generated code are not judged. A command-line tool has a person
// before it who can press Ctrl-C, so that what is missing there is one level less severe
// than in a service.
package scope

import (
	"go/ast"
	"go/token"
	"go/types"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/program"
)

// A Reason says why a place is not judged.
type Reason string

// The reasons.
const (
	Judged    Reason = "" // it is judged
	Test      Reason = "test code"
	Example   Reason = "example code"
	Generated Reason = "generated code"
	Excluded  Reason = "excluded by the configuration"
)

// A Scope knows the places of a Program. It is not safe for concurrent use.
type Scope struct {
	program  *program.Program
	excluded []string
	packages map[*program.Package]Reason
	files    map[*token.File]file
	kinds    map[*types.Package]Kind
	declared map[string]Kind // by directory
}

type file struct {
	syntax *ast.File
	pkg    *program.Package
	reason Reason
}

// New returns the Scope of p. excluded are directories which are not judged either, as
// paths from the root of the module, or single elements of such paths.
func New(p *program.Program, excluded ...string) *Scope {
	s := &Scope{
		program:  p,
		excluded: excluded,
		packages: make(map[*program.Package]Reason, len(p.Packages)),
		files:    make(map[*token.File]file),
	}
	for _, pkg := range p.Packages {
		reason := s.ofPath(pkg)
		s.packages[pkg] = reason
		for _, syntax := range pkg.Files {
			f := p.Fset.File(syntax.FileStart)
			if f == nil {
				continue
			}
			s.files[f] = file{syntax: syntax, pkg: pkg, reason: ofFile(f.Name(), syntax, reason)}
		}
	}
	return s
}

// Package says why pkg as a whole is not judged.
func (s *Scope) Package(pkg *program.Package) Reason { return s.packages[pkg] }

// At says why the place pos is not judged. A function that takes a *testing.T is a test,
// wherever it stands.
func (s *Scope) At(pos token.Pos) Reason {
	f := s.program.Fset.File(pos)
	if f == nil {
		return Judged
	}
	known, ok := s.files[f]
	if !ok || known.reason != Judged {
		return known.reason
	}
	if takesTest(known.syntax, known.pkg.Info, pos) {
		return Test
	}
	return Judged
}

// Func says why fn is not judged.
func (s *Scope) Func(fn *ssa.Function) Reason {
	if fn == nil {
		return Judged
	}
	return s.At(fn.Pos())
}

func (s *Scope) ofPath(pkg *program.Package) Reason {
	dir := Dir(pkg)
	for _, excluded := range s.excluded {
		excluded = strings.Trim(excluded, "/")
		if dir == excluded || strings.HasPrefix(dir, excluded+"/") || !strings.Contains(excluded, "/") && hasElement(dir, excluded) {
			return Excluded
		}
	}
	for element := range strings.SplitSeq(dir, "/") {
		switch word := strings.ToLower(strings.TrimLeft(element, "_.")); {
		case word == "":
		case exampleDirs[word]:
			return Example
		case testDirs[word], isTestName(word):
			return Test
		}
	}
	if name := path.Base(dir); pkg.Main && strings.HasPrefix(name, "test") {
		return Test // a program called testssh tries something out
	}
	return Judged
}

// Dir returns the directory of pkg, counted from the root of its module with slashes.
func Dir(pkg *program.Package) string {
	dir := pkg.Path
	if pkg.Module != "" {
		dir = strings.TrimPrefix(dir, pkg.Module)
	}
	return strings.Trim(dir, "/")
}

func hasElement(dir, want string) bool {
	for element := range strings.SplitSeq(dir, "/") {
		if element == want {
			return true
		}
	}
	return false
}

var exampleDirs = map[string]bool{
	"example": true, "examples": true, "sample": true, "samples": true, "demo": true, "demos": true,
	"tutorial": true, "tutorials": true, "quickstart": true, "playground": true,
}

var testDirs = map[string]bool{
	"e2e": true, "integration": true, "integrationtest": true, "integrationtests": true, "acceptance": true, "conformance": true,
	"bench": true, "benchmark": true, "benchmarks": true, "benches": true, "fixture": true, "fixtures": true,
	"mock": true, "mocks": true, "fake": true, "fakes": true, "stub": true, "stubs": true, "stress": true, "fuzz": true,
	"smoketest": true, "loadtests": true, "unittest": true, "unittests": true, "systest": true, "systemtest": true,
}

var testFiles = map[string]bool{"testing": true, "testutils": true, "testhelpers": true, "mock": true, "mocks": true, "fake": true, "fakes": true}

// isTestName reports whether the name of a directory or a file says that tests are in it,
// or what they need: "test", "tests", "testutil", "test-server", "e2e_test", "mock_store", "fakeclient".
func isTestName(word string) bool {
	if word == "test" || word == "tests" || word == "testing" {
		return true
	}
	for _, prefix := range []string{"test-", "test_", "testutil", "testhelper", "testdata", "testserver", "testclient", "testsupport", "testkit", "testenv", "testcontainer", "mock_", "mock-", "fake_", "fake-", "e2e-", "e2e_", "integration-test", "integration_test"} {
		if strings.HasPrefix(word, prefix) {
			return true
		}
	}
	for _, suffix := range []string{"-test", "_test", ".test", "-tests", "_tests", "-e2e", "_e2e", "_mock", "-mock", "_mocks", "-mocks", "-fake", "_fake", "-example", "-examples", "_example"} {
		if strings.HasSuffix(word, suffix) {
			return true
		}
	}
	return false
}

func ofFile(name string, syntax *ast.File, ofPackage Reason) Reason {
	if ofPackage != Judged {
		return ofPackage
	}
	base := strings.ToLower(strings.TrimSuffix(filepath.Base(name), ".go"))
	if strings.HasSuffix(base, "_test") || testFiles[base] || isTestName(base) {
		return Test
	}
	if ast.IsGenerated(syntax) {
		return Generated
	}
	for _, spec := range syntax.Imports {
		if isTestImport(strings.Trim(spec.Path.Value, `"`)) {
			return Test
		}
	}
	return Judged
}

// isTestImport reports whether only code for tests imports that package. The packages testing and
// httptest are not among them: services call testing.Testing, and record responses.
func isTestImport(imported string) bool {
	for _, prefix := range []string{
		"github.com/stretchr/testify/", "github.com/onsi/ginkgo", "github.com/onsi/gomega", "gopkg.in/check.v1", "gotest.tools/",
		"go.uber.org/mock/", "github.com/golang/mock/", "github.com/ory/dockertest", "github.com/testcontainers/",
	} {
		if strings.HasPrefix(imported, prefix) {
			return true
		}
	}
	return false
}

// takesTest reports whether a function around pos takes a testing.TB or one of the types
// that are one.
func takesTest(syntax *ast.File, info *types.Info, pos token.Pos) bool {
	found := false
	ast.Inspect(syntax, func(n ast.Node) bool {
		if n == nil || found || pos < n.Pos() || pos >= n.End() {
			return false
		}
		var params *ast.FieldList
		switch n := n.(type) {
		case *ast.FuncDecl:
			params = n.Type.Params
		case *ast.FuncLit:
			params = n.Type.Params
		}
		if params != nil {
			for _, field := range params.List {
				if isTest(info.TypeOf(field.Type)) {
					found = true
				}
			}
		}
		return !found
	})
	return found
}

func isTest(t types.Type) bool {
	if pointer, ok := types.Unalias(t).(*types.Pointer); ok {
		t = pointer.Elem()
	}
	named, ok := types.Unalias(t).(*types.Named)
	if !ok || named.Obj().Pkg() == nil || named.Obj().Pkg().Path() != "testing" {
		return false
	}
	switch named.Obj().Name() {
	case "T", "B", "F", "M", "TB", "PB":
		return true
	}
	return false
}
