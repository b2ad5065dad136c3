package object_test

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/object"
	"github.com/firebreak-go/firebreak/audit/internal/program"
	"github.com/firebreak-go/firebreak/audit/internal/ruletest"
)

var (
	givens = map[object.Given]string{object.Nothing: "nothing", object.Zero: "zero", object.Negative: "negative", object.Something: "something"}
	kinds  = map[object.UseKind]string{object.Called: "called", object.Passed: "passed", object.Stored: "stored", object.Handed: "handed", object.Bound: "bound"}
)

// summary says what a client is given as Timeout and how it is used, in the order of the
// source; what is done with a product of it has a star.
func summary(o *object.Object) string {
	uses := slices.Clone(o.Uses)
	slices.SortStableFunc(uses, func(a, b object.Use) int { return int(a.Pos() - b.Pos()) })
	parts := make([]string, len(uses))
	for i, use := range uses {
		parts[i] = kinds[use.Kind]
		switch {
		case use.Func != nil:
			parts[i] += " " + use.Func.Name()
		case use.Field != nil:
			parts[i] += " " + use.Field.Name()
		}
		if use.Product {
			parts[i] += "*"
		}
	}
	return strings.TrimRight(givens[o.Given("Timeout")]+": "+strings.Join(parts, ", "), " ")
}

// TestObjects compares what is known of each client with the comment on its line.
func TestObjects(t *testing.T) {
	loaded := ruletest.Load(t, "testdata", "flows/...")
	want := comments(loaded)
	for _, o := range object.New(loaded).Objects("net/http", "Client") {
		line := loaded.Fset.Position(o.Pos).Line
		if len(want[line]) == 0 {
			t.Errorf("line %d: got %q, want no client", line, summary(o))
			continue
		}
		if got := summary(o); got != want[line][0] {
			t.Errorf("line %d: got %q, want %q", line, got, want[line][0])
		}
		want[line] = want[line][1:]
	}
	for line, left := range want {
		for _, text := range left {
			t.Errorf("line %d: got no client, want %q", line, text)
		}
	}
}

// comments returns what the "is" comments of the package flows want, by line.
func comments(loaded *program.Program) map[int][]string {
	found := make(map[int][]string)
	for _, pkg := range loaded.Packages {
		for _, file := range pkg.Files {
			for _, group := range file.Comments {
				for _, comment := range group.List {
					if text, ok := strings.CutPrefix(comment.Text, "// is "); ok {
						line := loaded.Fset.Position(comment.Pos()).Line
						found[line] = append(found[line], text)
					}
				}
			}
		}
	}
	return found
}

// TestOrder finds the same objects, in the same order, each time.
func TestOrder(t *testing.T) {
	loaded := ruletest.Load(t, "testdata", "flows/...")
	first := object.New(loaded).Objects("net/http", "Client")
	for range 3 {
		again := object.New(loaded).Objects("net/http", "Client")
		if len(again) != len(first) {
			t.Fatalf("got %d clients, want %d as before", len(again), len(first))
		}
		for i, o := range again {
			if o.Pos != first[i].Pos || summary(o) != summary(first[i]) {
				t.Errorf("client %d: got %v %q, want %v %q", i, loaded.Fset.Position(o.Pos), summary(o), loaded.Fset.Position(first[i].Pos), summary(first[i]))
			}
		}
	}
}

// TestLibraries finds the clients that libraries share and return.
func TestLibraries(t *testing.T) {
	loaded := ruletest.Load(t, "testdata", "flows/...")
	table := object.New(loaded)
	var got []string
	for _, o := range table.Mentions("example.com/lib", "Default") {
		got = append(got, summary(o))
	}
	if want := []string{"nothing: called Get", "something:"}; !slices.Equal(got, want) {
		t.Errorf("mentions of lib.Default: got %q, want %q", got, want)
	}
	for _, pkg := range loaded.Packages {
		for _, fn := range pkg.Funcs {
			for _, block := range fn.Blocks {
				for _, instr := range block.Instrs {
					call, ok := instr.(*ssa.Call)
					if !ok || object.FuncName(object.Callee(call.Common())) != "example.com/lib.Make" {
						continue
					}
					if got, want := summary(table.Result(call, 0)), "nothing: called Get"; got != want {
						t.Errorf("result of lib.Make: got %q, want %q", got, want)
					}
				}
			}
		}
	}
}
