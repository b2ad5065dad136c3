package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/firebreak-go/firebreak/audit/internal/config"
)

func TestFix(t *testing.T) {
	dir := lay(t, module{"a.go": server, "cmd/b.go": serveFunc})
	code, stdout, stderr := run(t, dir, "-fix")
	if code != exitClean || stdout != "" || stderr != "2 findings fixed in 2 files\nnothing found\n" {
		t.Errorf("got %d, %q, %q", code, stdout, stderr)
	}
	for _, name := range []string{"a.go", "cmd/b.go"} {
		if got := read(t, filepath.Join(dir, filepath.FromSlash(name))); !strings.Contains(got, "ReadHeaderTimeout: 10 * time.Second") || !strings.Contains(got, `"time"`) {
			t.Errorf("%s is now\n%s", name, got)
		}
	}
	if code, _, stderr = run(t, dir, "-fix"); code != exitClean || stderr != "0 findings fixed in 0 files\nnothing found\n" {
		t.Errorf("again: got %d, %q", code, stderr)
	}
}

func TestFixSettings(t *testing.T) {
	dir := lay(t, module{"a.go": server, config.Name: "fix: {header-timeout: 3s}\n"})
	if code, _, stderr := run(t, dir, "-fix"); code != exitClean {
		t.Errorf("got %d, %q", code, stderr)
	}
	if got := read(t, filepath.Join(dir, "a.go")); !strings.Contains(got, "ReadHeaderTimeout: 3 * time.Second") {
		t.Errorf("a.go is now\n%s", got)
	}
}

// A field that is added stands where somebody would write it.
func TestFixLiterals(t *testing.T) {
	const before = `package shop

import (
	"net/http"
	"time"
)

func serve(h http.Handler) {
	_ = (&http.Server{Addr: ":80"}).ListenAndServe()
	server := &http.Server{ // public
		// All interfaces.
		Addr:    ":80",
		Handler: h, // the shop
	}
	_ = server.ListenAndServe()
	time.Sleep(time.Second)
}
`
	dir := lay(t, module{"a.go": before})
	if code, _, stderr := run(t, dir, "-fix"); code != exitClean {
		t.Errorf("got %d, %q", code, stderr)
	}
	want := strings.Replace(before, `":80"}`, `":80", ReadHeaderTimeout: 10 * time.Second}`, 1)
	want = strings.Replace(want, "Addr:    \":80\",\n\t\tHandler: h, // the shop\n",
		"Addr:              \":80\",\n\t\tHandler:           h, // the shop\n\t\tReadHeaderTimeout: 10 * time.Second,\n", 1)
	if got := read(t, filepath.Join(dir, "a.go")); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestFixReadOnly(t *testing.T) {
	dir := lay(t, module{"a.go": server, "cmd/b.go": serveFunc})
	if err := os.Chmod(filepath.Join(dir, "cmd"), 0o500); err != nil { //nolint:gosec // a directory is entered
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(dir, "cmd"), 0o700) }) //nolint:gosec // so that it can be removed
	code, stdout, stderr := run(t, dir, "-fix")
	if code != exitUsage || stdout != "" || !strings.HasPrefix(stderr, "firebreak-audit: fix: nothing was changed: cannot write ") || !strings.Contains(stderr, "cmd is read-only") {
		t.Errorf("got %d, %q, %q", code, stdout, stderr)
	}
	if read(t, filepath.Join(dir, "a.go")) != server || read(t, filepath.Join(dir, "cmd", "b.go")) != serveFunc {
		t.Error("a file was changed")
	}
}

func TestFixSuppressions(t *testing.T) {
	before := "package shop\n\n// Old is.\n//\n// firebreak-audit:ignore TA201 reason=\"once\"\nfunc Old() {\n\t//firebreak-audit:ignore TA101 reason=\"once\"\n\tprintln() //firebreak-audit:ignore TA102 reason=\"once\"\n}\n\n" +
		"var two = 2 //firebreak-audit:ignore TA101,TA102 reason=\"once\"\n"
	dir := lay(t, module{"a.go": before})
	code, _, stderr := run(t, dir, "-fix")
	if code != exitClean || stderr != "3 findings fixed in 1 file\n2 notes\n" {
		t.Errorf("got %d, %q", code, stderr)
	}
	want := "package shop\n\n// Old is.\nfunc Old() {\n\tprintln()\n}\n\nvar two = 2 //firebreak-audit:ignore TA101,TA102 reason=\"once\"\n"
	if got := read(t, filepath.Join(dir, "a.go")); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
