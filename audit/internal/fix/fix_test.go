package fix_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firebreak-go/firebreak/audit/internal/fix"
	"github.com/firebreak-go/firebreak/audit/internal/result"
)

// fileMode is that of the file, which a fix leaves alone.
const fileMode = 0o640

const source = `package a

var (
	one   = f(1)
	two   = f(2)
	three = f(3)
)
`

// write writes a.go with the source, and returns its path.
func write(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "a.go")
	if err := os.WriteFile(path, []byte(source), fileMode); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// replace returns a result whose fix replaces old by text, which stand in the source once.
func replace(path string, pairs ...string) *result.Result {
	var edits []result.Edit
	for i := 0; i < len(pairs); i += 2 {
		at := strings.Index(source, pairs[i])
		edits = append(edits, result.Edit{Path: path, Size: len(source), Start: at, End: at + len(pairs[i]), New: pairs[i+1]})
	}
	return &result.Result{Message: pairs[0], Fixes: []result.Fix{{Message: "do", Edits: edits}, {Message: "not this"}}}
}

func insert(path, before, text string) *result.Result {
	at := strings.Index(source, before)
	return &result.Result{Message: text, Fixes: []result.Fix{{Edits: []result.Edit{{Path: path, Size: len(source), Start: at, End: at, New: text}}}}}
}

func messages(results []*result.Result) string {
	var all []string
	for _, r := range results {
		all = append(all, r.Message)
	}
	return strings.Join(all, "; ")
}

func TestPlan(t *testing.T) {
	for name, test := range map[string]struct {
		results       func(path string) []*result.Result
		applied, left string
		replaced      []string // in the source
	}{
		"one": {
			func(path string) []*result.Result { return []*result.Result{replace(path, "f(2)", "g(2)")} },
			"f(2)", "", []string{"f(2)", "g(2)"},
		},
		"without a fix": {
			func(string) []*result.Result { return []*result.Result{{Message: "none"}} },
			"", "", nil,
		},
		"several, in no order": {
			func(path string) []*result.Result {
				return []*result.Result{replace(path, "f(3)", "g(3)"), replace(path, "f(1)", "g(1)")}
			},
			"f(3); f(1)", "", []string{"f(1)", "g(1)", "f(3)", "g(3)"},
		},
		"of two that overlap the first": {
			func(path string) []*result.Result {
				return []*result.Result{replace(path, "f(2)", "g(2)"), replace(path, "= f(2)", "= h"), replace(path, "f(1)", "g(1)", "(2)", "()")}
			},
			"f(2)", "= f(2); f(1)", []string{"f(2)", "g(2)"},
		},
		"neighbours do not overlap": {
			func(path string) []*result.Result {
				return []*result.Result{replace(path, "f(2", "g(2"), replace(path, ")\n\tthree", "+1)\n\tthree")}
			},
			"f(2; )\n\tthree", "", []string{"f(2)", "g(2 + 1)"},
		},
		"the same insertion once": {
			func(path string) []*result.Result {
				a, b := insert(path, "var", "import \"time\"\n\n"), replace(path, "f(2)", "g(2)")
				b.Fixes[0].Edits = append(b.Fixes[0].Edits, a.Fixes[0].Edits...)
				return []*result.Result{a, b}
			},
			"import \"time\"\n\n; f(2)", "", []string{"var", "import \"time\"\n\nvar", "f(2)", "g(2)"},
		},
		"two insertions at one place": {
			func(path string) []*result.Result {
				return []*result.Result{insert(path, "var", "// a\n"), insert(path, "var", "// b\n")}
			},
			"// a\n", "// b\n", []string{"var", "// a\nvar"},
		},
		"formatted": {
			func(path string) []*result.Result { return []*result.Result{replace(path, "three", "aVeryLongName")} },
			"three", "", []string{"one   =", "one           =", "two   =", "two           =", "three =", "aVeryLongName ="},
		},
		"no Go": {
			func(path string) []*result.Result {
				return []*result.Result{replace(path, "f(1)", "g(1)"), replace(path, "f(2)", "f(")}
			},
			"", "f(1); f(2)", nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, t.TempDir())
			plan, err := fix.New(test.results(path))
			if err != nil {
				t.Fatal(err)
			}
			if got := messages(plan.Applied); got != test.applied {
				t.Errorf("applied: got %q, want %q", got, test.applied)
			}
			if got := messages(plan.Left); got != test.left {
				t.Errorf("left: got %q, want %q", got, test.left)
			}
			if got := read(t, path); got != source {
				t.Errorf("before Write the file is\n%s", got)
			}
			if err := plan.Write(); err != nil {
				t.Fatal(err)
			}
			want := strings.NewReplacer(test.replaced...).Replace(source)
			if diff := cmp.Diff(want, read(t, path)); diff != "" {
				t.Errorf("file (-want +got):\n%s", diff)
			}
			checkAlone(t, path)
		})
	}
}

// checkAlone fails if path is not the only file in its directory, or has another mode.
func checkAlone(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("got %v (%v) in the directory, want the file alone", entries, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != fileMode {
		t.Errorf("got %v (%v), want the mode that the file had", info.Mode(), err)
	}
}

func TestChangedMeanwhile(t *testing.T) {
	path := write(t, t.TempDir())
	r := replace(path, "f(2)", "g(2)")
	if err := os.WriteFile(path, []byte(source+"// more\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := fix.New([]*result.Result{r}); err == nil || !strings.Contains(err.Error(), "a.go has changed while it was audited") {
		t.Errorf("got %v", err)
	}
}

func TestReadOnly(t *testing.T) {
	for name, mode := range map[string]os.FileMode{"directory": 0o500, "file": 0o400} {
		t.Run(name, func(t *testing.T) {
			first, second := write(t, t.TempDir()), write(t, t.TempDir())
			plan, err := fix.New([]*result.Result{replace(first, "f(2)", "g(2)"), replace(second, "f(2)", "g(2)")})
			if err != nil {
				t.Fatal(err)
			}
			if name == "file" {
				chmod(t, second, mode)
			} else {
				chmod(t, filepath.Dir(second), mode)
			}
			err = plan.Write()
			if err == nil || !strings.Contains(err.Error(), "fix: nothing was changed: cannot write "+second) || !strings.Contains(err.Error(), "is read-only") {
				t.Errorf("got %v", err)
			}
			if read(t, first) != source || read(t, second) != source {
				t.Error("a file was changed")
			}
			checkAlone(t, first)
		})
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(path, 0o700) }) //nolint:gosec // so that it can be removed
}

func TestLink(t *testing.T) {
	path := write(t, t.TempDir())
	link := filepath.Join(t.TempDir(), "link.go")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	plan, err := fix.New([]*result.Result{replace(link, "f(2)", "g(2)")})
	if err != nil {
		t.Fatal(err)
	}
	if err := plan.Write(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, path); !strings.Contains(got, "g(2)") {
		t.Errorf("the file behind the link is\n%s", got)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Error("the link is gone")
	}
}

func TestPreview(t *testing.T) {
	path := write(t, t.TempDir())
	r := replace(path, "f(1)", "f(\n1,\n)", "\tthree = f(3)\n", "")
	var got strings.Builder
	for _, line := range fix.Preview(r.Fixes[0]) {
		got.WriteString(string(line.Sign) + line.Text + "\n")
	}
	want := "-\tone   = f(1)\n-\ttwo   = f(2)\n-\tthree = f(3)\n+\tone = f(\n+\t\t1,\n+\t)\n+\ttwo = f(2)\n"
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("preview (-want +got):\n%s", diff)
	}
}
