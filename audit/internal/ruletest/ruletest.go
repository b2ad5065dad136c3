// Package ruletest tests rules on code that says what it wants.
//
// A comment `// want "TA102: never times out"` expects a finding of that rule on its line
// whose text matches the regular expression; several may stand behind one want. A line
// without one expects nothing.
package ruletest

import (
	"fmt"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/firebreak-go/firebreak/audit/internal/engine"
	"github.com/firebreak-go/firebreak/audit/internal/program"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// Load loads packages of dir/src, which is laid out as a GOPATH: stand-ins for libraries
// lie there under their import paths.
func Load(t *testing.T, dir string, patterns ...string) *program.Program {
	t.Helper()
	root, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "GOPATH="+root, "GO111MODULE=off", "GOWORK=off", "GOFLAGS=", "GOPROXY=off")
	loaded, problems, err := program.Load(program.LoadConfig{Dir: filepath.Join(root, "src"), Env: env}, patterns...)
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		t.Errorf("%v", problem)
	}
	if len(loaded.Packages) == 0 {
		t.Fatalf("no package matches %q in %s", patterns, dir)
	}
	return loaded
}

// Run runs rules over packages of dir/src, and compares with the want comments in them.
func Run(t *testing.T, dir string, rules []*rule.Rule, patterns ...string) {
	t.Helper()
	loaded := Load(t, dir, patterns...)
	wants := wantsOf(t, loaded)
	for _, f := range engine.Run(loaded, engine.Config{Rules: loud(rules)}) {
		if f.Suppressed != nil {
			continue
		}
		at := loaded.Fset.Position(f.Pos)
		text := f.Rule.ID + ": " + f.Message
		if !wants.take(at, text) {
			t.Errorf("%s:%d: got unwanted %s", filepath.Base(at.Filename), at.Line, text)
		}
	}
	for _, left := range wants.left() {
		t.Error(left)
	}
}

// loud returns rules with those that are off by default as notes, so that they run.
func loud(rules []*rule.Rule) []*rule.Rule {
	all := make([]*rule.Rule, len(rules))
	for i, r := range rules {
		changed := *r
		changed.Level = max(r.Level, rule.Note)
		all[i] = &changed
	}
	return all
}

type line struct {
	file string
	line int
}

type wants map[line][]*regexp.Regexp

var quoted = regexp.MustCompile("\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`")

func wantsOf(t *testing.T, loaded *program.Program) wants {
	t.Helper()
	found := make(wants)
	for _, pkg := range loaded.Packages {
		for _, file := range pkg.Files {
			for _, group := range file.Comments {
				for _, comment := range group.List {
					_, text, ok := strings.Cut(comment.Text, "want ")
					if !ok || !strings.HasPrefix(comment.Text, "// want ") {
						continue
					}
					at := loaded.Fset.Position(comment.Pos())
					for _, literal := range quoted.FindAllString(text, -1) {
						pattern, err := strconv.Unquote(literal)
						if err != nil {
							t.Fatalf("%s: want %s: %v", at, literal, err)
						}
						found[line{at.Filename, at.Line}] = append(found[line{at.Filename, at.Line}], regexp.MustCompile(pattern))
					}
				}
			}
		}
	}
	return found
}

// take removes the want that text meets, and reports whether there was one.
func (w wants) take(at token.Position, text string) bool {
	key := line{at.Filename, at.Line}
	for i, pattern := range w[key] {
		if pattern.MatchString(text) {
			w[key] = append(w[key][:i:i], w[key][i+1:]...)
			return true
		}
	}
	return false
}

func (w wants) left() []string {
	var left []string
	for at, patterns := range w {
		for _, pattern := range patterns {
			left = append(left, fmt.Sprintf("%s:%d: got nothing, want %s", filepath.Base(at.file), at.line, pattern))
		}
	}
	return left
}
