package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/firebreak-go/firebreak/audit/internal/config"
)

// A module is the files of a module that a test audits, by name. Without a go.mod it gets
// one.
type module map[string]string

const (
	goMod  = "module example.com/shop\n\ngo 1.26\n"
	server = `package shop

import "net/http"

func Serve() error {
	server := &http.Server{Addr: ":8080"}
	return server.ListenAndServe()
}
`
	client = `package shop

import "net/http"

func Price() (*http.Response, error) {
	return http.Get("https://prices.example")
}
`
	serveFunc = `package main

import "net/http"

func main() { _ = http.ListenAndServe(":8080", nil) }
`
	clean  = "package shop\n"
	broken = "package broken\n\nfunc f() { undefined() }\n"
)

// gosecs returns code with a suppression of gosec's on the server.
func gosecs(code, rules string) string {
	return strings.Replace(code, "\"}\n", "\"} // #nosec "+rules+"\n", 1)
}

// lay writes m to a directory of its own, and returns that.
func lay(t *testing.T, m module) string {
	t.Helper()
	dir := t.TempDir()
	if m["go.mod"] == "" {
		write(t, filepath.Join(dir, "go.mod"), goMod)
	}
	for name, text := range m {
		write(t, filepath.Join(dir, filepath.FromSlash(name)), text)
	}
	return dir
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// run runs the command in dir.
func run(t *testing.T, dir string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	t.Setenv("GOWORK", "off")
	t.Setenv("GOFLAGS", "")
	var out, complaints bytes.Buffer
	c := command{stdout: &out, stderr: &complaints}
	t.Chdir(dir)
	code = c.run(context.Background(), args)
	return code, out.String(), complaints.String()
}

func TestExitCodes(t *testing.T) {
	for name, test := range map[string]struct {
		module module
		args   []string
		code   int
		stdout string // a part of it; "" wants none
		stderr string
	}{
		"nothing found":       {module{"a.go": clean}, nil, 0, "", "nothing found\n"},
		"an error":            {module{"a.go": server}, nil, 1, "a.go:6:12: [TA201 error/", "1 error\n"},
		"errors do not fail":  {module{"a.go": server}, []string{"-fail-on", "off"}, 0, "[TA201 error/", "1 error\n"},
		"a warning":           {module{"a.go": serveFunc}, nil, 0, "[TA202 warning/", "1 warning\n"},
		"warnings fail":       {module{"a.go": serveFunc}, []string{"-fail-on=warning"}, 1, "[TA202 warning/", "1 warning\n"},
		"configuration":       {module{"a.go": serveFunc, config.Name: "fail-on: warning\n"}, nil, 1, "[TA202 warning/", "1 warning\n"},
		"rule off":            {module{"a.go": serveFunc, config.Name: "rules: {TA202: off}\n"}, nil, 0, "", "nothing found\n"},
		"rule by its name":    {module{"a.go": serveFunc, config.Name: "rules: {http-serve-func: error}\n"}, nil, 1, "[TA202 error/", "1 error\n"},
		"excluded":            {module{"old/a.go": server, config.Name: "exclude: [old]\n"}, nil, 0, "", "nothing found\n"},
		"only some rules":     {module{"a.go": server, "b.go": client}, []string{"-rules=TA101"}, 1, "b.go:6:9: [TA101 error/", "1 error\n"},
		"another directory":   {module{"x/go.mod": "module x\n", "x/a.go": server}, []string{"-C", "x"}, 1, "a.go:6:12: [TA201", "1 error\n"},
		"a package":           {module{"a.go": clean, "b/b.go": server}, []string{"./b"}, 1, "b/b.go:6:12: [TA201", "1 error\n"},
		"nested module":       {module{"a.go": clean, "b/go.mod": "module b\n", "b/b.go": server}, nil, 0, "", "nothing found\n"},
		"build tags":          {module{"a.go": clean, "b.go": "//go:build slow\n\n" + server}, []string{"-tags=slow"}, 1, "b.go:8:12: [TA201", "1 error\n"},
		"suppressed":          {module{"a.go": strings.Replace(server, "server :=", "//firebreak-audit:ignore TA201 reason=\"loopback\"\n\tserver :=", 1)}, nil, 0, "", "nothing found (1 suppressed)\n"},
		"unknown suppression": {module{"a.go": "package shop\n\n//firebreak-audit:ignore TA999 reason=\"x\"\nvar x = 1\n"}, []string{"-fail-on=note"}, 1, "a.go:3:1: [TA901 note/low] this suppression names TA999, which is no rule", "1 note\n"},

		"nosec does not count":   {module{"a.go": gosecs(server, "G112")}, nil, 1, "[TA201 error/", "1 error\n"},
		"nosec":                  {module{"a.go": gosecs(server, "G112 -- loopback")}, []string{"-compat-nosec", "-v"}, 0, "suppressed at a.go:6:40: loopback", "nothing found (1 suppressed)\n"},
		"nosec by configuration": {module{"a.go": gosecs(server, "G112"), config.Name: "compat-nosec: true\n"}, nil, 0, "", "nothing found (1 suppressed)\n"},
		"nosec of another rule":  {module{"a.go": gosecs(server, "G114, G402")}, []string{"-compat-nosec"}, 1, "[TA201 error/", "1 error\n"},
		"nosec of no rule":       {module{"a.go": gosecs(server, "")}, []string{"-compat-nosec"}, 1, "[TA201 error/", "1 error\n"},

		"version":            {module{}, []string{"-version"}, 0, "firebreak-audit ", ""},
		"help":               {module{}, []string{"-help"}, 0, "", "exit codes: 0 nothing"},
		"help as a word":     {module{}, []string{"help"}, 0, "", "usage: firebreak-audit"},
		"no flag":            {module{}, []string{"-nope"}, 2, "", "firebreak-audit: flag provided but not defined: -nope; -help lists the flags\n"},
		"flag behind":        {module{}, []string{"./...", "-v"}, 2, "", "firebreak-audit: -v comes after a package: flags come first\n"},
		"no format":          {module{}, []string{"-format=xml"}, 2, "", `firebreak-audit: -format is "xml", want text, json, sarif, github or markdown`},
		"no level":           {module{}, []string{"-fail-on=loud"}, 2, "", `firebreak-audit: -fail-on is "loud", want off, note, warning, error, new, new:warning or new:error`},
		"no level of new":    {module{"b": `{"version":1}`}, []string{"-fail-on=newer", "-baseline=b"}, 2, "", `-fail-on is "newer", want`},
		"new to what":        {module{}, []string{"-fail-on=new"}, 2, "", `firebreak-audit: -fail-on is "new", which needs a -baseline`},
		"no rule":            {module{}, []string{"-rules=TA101,TA000"}, 2, "", "firebreak-audit: -rules: TA000 is no rule; firebreak-audit explain lists them"},
		"no directory":       {module{}, []string{"-C", "none"}, 2, "", "none: no such file or directory"},
		"no configuration":   {module{}, []string{"-config", "none.yaml"}, 2, "", "open none.yaml: no such file or directory"},
		"both baselines":     {module{}, []string{"-baseline=a", "-write-baseline=a"}, 2, "", "-write-baseline writes all findings anew"},
		"no baseline":        {module{}, []string{"-baseline=none"}, 2, "", "baseline: open none: no such file or directory"},
		"other baseline":     {module{"b.json": `{"version": 7}`}, []string{"-baseline=b.json"}, 2, "", "firebreak-audit: baseline b.json: a baseline of another version: it has version 7, want 1: write it anew with -write-baseline\n"},
		"baseline of what":   {module{"b.json": `{}`}, []string{"-baseline=b.json"}, 2, "", "baseline b.json: has no version"},
		"merge with what":    {module{}, []string{"merge"}, 2, "", "merge: want -runtime"},
		"merge with nothing": {module{}, []string{"merge", "-runtime=none"}, 2, "", "-runtime: the report of the running service: open none: no such file or directory"},
		"other runtime":      {module{"r.json": `{"schema_version": 9}`}, []string{"merge", "-runtime=r.json"}, 2, "", "r.json has schema_version 9, want 1"},
		"runtime of what":    {module{"r.json": `{}`}, []string{"merge", "-runtime=r.json"}, 2, "", "r.json has no schema_version"},
		"runtime no JSON":    {module{"r.json": `<html>`}, []string{"merge", "-runtime=r.json"}, 2, "", "r.json: invalid character"},
		"broken configuration": {module{config.Name: "fail-on: error\nrules:\n  TA202: loud\n  TA000: off\n"}, nil, 2, "", "firebreak-audit: " + config.Name + `:3: rules.TA202 is "loud", want off, note, warning or error` +
			"\nfirebreak-audit: " + config.Name + ":4: rules.TA000 is no rule\n"},

		"no package":        {module{}, nil, 2, "", "firebreak-audit: no package matches ./...\n"},
		"no such package":   {module{"a.go": server}, []string{"./none"}, 2, "", "firebreak-audit: no package matches ./none: stat "},
		"no packages below": {module{"a.go": server, "b/x.txt": ""}, []string{"./b/..."}, 2, "", "firebreak-audit: no package matches ./b/...\n"},
		"one that is not":   {module{"a.go": server}, []string{".", "./none"}, 2, "", "firebreak-audit: no package matches ./none: stat "},

		"does not compile":              {module{"a.go": broken}, nil, 3, "", "a.go:3:12: undefined: undefined\nnothing found (1 problem with the code itself)\n"},
		"one does not":                  {module{"a.go": server, "b/b.go": broken}, nil, 3, "a.go:6:12: [TA201 error/", "b.go:3:12: undefined: undefined\n1 error (1 problem with the code itself)\n"},
		"no Go":                         {module{"a.go": server, "b/b.go": "package {"}, nil, 3, "a.go:6:12: [TA201 error/", "b.go:1:9: expected 'IDENT', found '{'"},
		"unknown import":                {module{"a.go": server, "b/b.go": "package b\n\nimport _ \"example.com/none\"\n"}, nil, 3, "[TA201 error/", "could not import example.com/none"},
		"broken go.mod":                 {module{"go.mod": "module x\nbad\n", "a.go": server}, nil, 3, "", "firebreak-audit: cannot load packages: go: errors parsing go.mod:\nfirebreak-audit: go.mod:2: unknown directive: bad\n"},
		"does not type-check, baseline": {module{"a.go": server, "b/b.go": broken}, []string{"-write-baseline=b.json"}, 3, "", "1 finding written to b.json"},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := run(t, lay(t, test.module), test.args...)
			if code != test.code {
				t.Errorf("exit code: got %d, want %d", code, test.code)
			}
			if !strings.Contains(stdout, test.stdout) || test.stdout == "" && stdout != "" {
				t.Errorf("stdout: got %q, want %q", stdout, test.stdout)
			}
			if !strings.Contains(stderr, test.stderr) {
				t.Errorf("stderr: got %q, want %q", stderr, test.stderr)
			}
		})
	}
}

func TestNoModule(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.go"), server)
	t.Setenv("GO111MODULE", "")
	code, stdout, stderr := run(t, dir)
	if code != exitUsage || stdout != "" || !strings.Contains(stderr, "no package matches ./...: directory prefix . does not contain main module") {
		t.Errorf("got %d, %q, %q", code, stdout, stderr)
	}
}

// Lines move, and the baseline still knows them.
func TestBaseline(t *testing.T) {
	dir := lay(t, module{"a.go": server, "b.go": client})
	code, stdout, stderr := run(t, dir, "-write-baseline=b.json")
	if code != exitClean || stdout != "" || stderr != "2 findings written to b.json\n" {
		t.Fatalf("write: got %d, %q, %q", code, stdout, stderr)
	}
	write(t, filepath.Join(dir, "a.go"), strings.Replace(server, "import", "// Some.\n// More.\n// Lines.\n\nimport", 1))
	code, stdout, stderr = run(t, dir, "-baseline=b.json", "-fail-on=new")
	if code != exitClean || stdout != "" || stderr != "nothing found (2 in the baseline)\n" {
		t.Errorf("moved: got %d, %q, %q", code, stdout, stderr)
	}
	if code, _, _ := run(t, dir, "-baseline=b.json"); code != exitFindings {
		t.Errorf("errors of the baseline with -fail-on=error: got %d, want %d", code, exitFindings)
	}
	write(t, filepath.Join(dir, "b.go"), clean)
	write(t, filepath.Join(dir, "c.go"), strings.Replace(server, "Serve()", "ServeToo()", 1))
	code, stdout, stderr = run(t, dir, "-baseline=b.json", "-fail-on=new")
	if code != exitFindings || !strings.HasPrefix(stdout, "c.go:6:12: [TA201 error/") || strings.Count(stdout, "\n") != 1 {
		t.Errorf("new: got %d, %q", code, stdout)
	}
	if want := "1 error (1 in the baseline, 1 of the baseline fixed)\n"; stderr != want {
		t.Errorf("new: got %q, want %q", stderr, want)
	}
	code, stdout, _ = run(t, dir, "-baseline=b.json", "-v", "-fail-on=off")
	if code != exitClean || !strings.Contains(stdout, ", unchanged] ") || !strings.Contains(stdout, "fixed: [TA101] ") {
		t.Errorf("verbose: got %d, %q", code, stdout)
	}
	before := read(t, filepath.Join(dir, "b.json"))
	if _, _, _ = run(t, dir, "-write-baseline=b.json"); read(t, filepath.Join(dir, "b.json")) == before {
		t.Error("the baseline was not written anew")
	}
}

func TestFiles(t *testing.T) {
	dir := lay(t, module{"a.go": server})
	if code, _, stderr := run(t, dir, "-html=r.html", "-sarif=r.sarif", "-markdown=r.md", "-format=github"); code != exitFindings {
		t.Fatalf("got %d, %q", code, stderr)
	}
	for name, want := range map[string]string{
		"r.html": "<h2>TA201 http-server-no-header-timeout</h2>", "r.md": "| error | TA201 ", "r.sarif": `"version": "2.1.0"`,
	} {
		if got := read(t, filepath.Join(dir, name)); !strings.Contains(got, want) {
			t.Errorf("%s has no %q:\n%s", name, want, got)
		}
	}
	code, _, stderr := run(t, dir, "-html=none/r.html")
	if code != exitUsage || !strings.Contains(stderr, "open none/r.html: no such file or directory") {
		t.Errorf("no directory: got %d, %q", code, stderr)
	}
	_, stdout, _ := run(t, dir, "-format=json")
	for line := range strings.Lines(stdout) {
		var head struct {
			SchemaVersion int `json:"schema_version"`
		}
		if err := json.Unmarshal([]byte(line), &head); err != nil || head.SchemaVersion != 1 {
			t.Errorf("line %q: %v", line, err)
		}
	}
}

func TestExplain(t *testing.T) {
	code, stdout, _ := run(t, t.TempDir(), "explain", "ta201", "stale-suppression")
	if code != exitClean || !strings.HasPrefix(stdout, "# TA201 http-server-no-header-timeout\n") || !strings.Contains(stdout, "\nLevel: error\n\n# TA901 ") {
		t.Errorf("got %d, %q", code, stdout)
	}
	if code, stdout, _ = run(t, t.TempDir(), "explain"); code != exitClean || !strings.Contains(stdout, "\nTA901 note     stale-suppression: ") {
		t.Errorf("all: got %d, %q", code, stdout)
	}
	code, stdout, stderr := run(t, t.TempDir(), "explain", "TA201", "TA999")
	if code != exitUsage || stdout != "" || stderr != "firebreak-audit: explain: TA999 is no rule; firebreak-audit explain lists them\n" {
		t.Errorf("unknown: got %d, %q, %q", code, stdout, stderr)
	}
}

func TestUnderVet(t *testing.T) {
	for line, want := range map[string]bool{
		"-V=full": true, "-flags": true, "-firebreakaudit.level=note /tmp/vet.cfg": true, "vet.cfg": true,
		"": false, "./...": false, "-v ./...": false, "explain TA102": false, "-version": false,
	} {
		if got := underVet(strings.Fields(line)); got != want {
			t.Errorf("%q: got %v, want %v", line, got, want)
		}
	}
}
