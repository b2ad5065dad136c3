package audit_test

import (
	"errors"
	"go/ast"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/go/analysis"

	"github.com/firebreak-go/firebreak/audit"
)

// lay writes files to a directory of its own, and returns that.
func lay(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// tool builds the command, and returns its path.
func tool(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "firebreak-audit")
	if out, err := exec.Command("go", "build", "-o", path, "./cmd/firebreak-audit").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// vet runs go vet with the tool in dir.
func vet(t *testing.T, tool, dir string, args ...string) (code int, output string) {
	t.Helper()
	cmd := exec.Command("go", append([]string{"vet", "-vettool=" + tool}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", "GOPROXY=off")
	out, err := cmd.CombinedOutput()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		return failed.ExitCode(), string(out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0, string(out)
}

// outside is a module that is not part of this repository, and uses another.
func outside(t *testing.T) string {
	t.Helper()
	return lay(t, map[string]string{
		"go.mod": "module example.com/shop\n\ngo 1.26\n",
		"roots/roots.go": `// Package roots makes contexts.
package roots

import (
	"context"
	"time"
)

// Endless never ends.
func Endless() context.Context { return context.Background() }

// Brief ends.
func Brief() (context.Context, context.CancelFunc) { return context.WithTimeout(context.Background(), time.Second) }
`,
		"price/price.go": `// Package price asks for prices.
package price

import (
	"net/http"

	"example.com/shop/roots"
)

// Ask asks without end.
func Ask() (*http.Response, error) {
	request, err := http.NewRequestWithContext(roots.Endless(), http.MethodGet, "https://prices.example", nil)
	if err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(request)
}

// AskBriefly does not.
func AskBriefly() error {
	ctx, cancel := roots.Brief()
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://prices.example", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	return response.Body.Close()
}
`,
		"main.go": `package main

import (
	"log"
	"net/http"

	_ "example.com/shop/price"
)

func main() {
	//firebreak-audit:ignore TA202 reason="behind a proxy that has limits"
	go func() { log.Fatal(http.ListenAndServe(":8081", nil)) }()
	log.Fatal(http.ListenAndServe(":8080", nil)) //firebreak-audit:ignore TA202
}
`,
		"price/price_test.go": "package price\n\nimport (\n\t\"net/http\"\n\t\"testing\"\n)\n\nfunc TestAsk(*testing.T) { _, _ = http.Get(\"http://localhost\") }\n",
	})
}

// Go vet remembers what a tool said: it has to learn that the configuration is another.
func TestVet(t *testing.T) {
	path, dir := tool(t), outside(t)
	file := filepath.Join(dir, ".firebreak-audit.yaml")
	if err := os.WriteFile(file, []byte("rules: {TA202: off}\nexclude: [price]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out := vet(t, path, dir, "./..."); code != 0 {
		t.Errorf("all is off: got %d\n%s", code, out)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	code, out := vet(t, path, dir, "./...")
	if code != 1 {
		t.Errorf("exit code: got %d, want 1", code)
	}
	wants := []string{
		"price/price.go:16:", "[TA10", // a fact says what roots.Endless returns
		"main.go:13:", "[TA202 warning/",
	}
	for _, want := range wants {
		if !strings.Contains(out, want) {
			t.Errorf("got no %q in\n%s", want, out)
		}
	}
	for _, unwanted := range []string{"price.go:27", "price_test.go", "main.go:12", "TA901"} {
		if strings.Contains(out, unwanted) {
			t.Errorf("got %q in\n%s", unwanted, out)
		}
	}
}

// Packages of other modules, and of the standard library, are not looked at: what is nil
// in the pass would not survive it.
func TestOtherModules(t *testing.T) {
	for name, module := range map[string]*analysis.Module{
		"none":               nil,
		"standard library":   {},
		"another, versioned": {Path: "example.com/other", Version: "v1.2.3"},
	} {
		result, err := audit.Analyzer.Run(&analysis.Pass{Analyzer: audit.Analyzer, Module: module, Files: []*ast.File{{}}})
		if result != nil || err != nil {
			t.Errorf("%s: got %v, %v", name, result, err)
		}
	}
	if err := analysis.Validate([]*analysis.Analyzer{audit.Analyzer}); err != nil {
		t.Error(err)
	}
}
