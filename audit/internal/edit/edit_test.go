package edit_test

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"testing"
	"time"

	"github.com/firebreak-go/firebreak/audit/internal/edit"
)

func TestImport(t *testing.T) {
	for _, test := range []struct {
		name, source, want, wantName string
		ok                           bool
	}{
		{
			"in a group", "package p\n\nimport (\n\t\"fmt\"\n\t\"unsafe\"\n)\n\nvar _ = fmt.Sprint\nvar _ unsafe.Pointer\n",
			"package p\n\nimport (\n\t\"fmt\"\n\t\"time\"\n\t\"unsafe\"\n)\n\nvar _ = fmt.Sprint\nvar _ unsafe.Pointer\n", "time", true,
		},
		{
			"last in a group", "package p\n\nimport (\n\t\"fmt\"\n)\n\nvar _ = fmt.Sprint\n",
			"package p\n\nimport (\n\t\"fmt\"\n\t\"time\"\n)\n\nvar _ = fmt.Sprint\n", "time", true,
		},
		{
			"alone", "package p\n\nimport \"fmt\"\n\nvar _ = fmt.Sprint\n",
			"package p\n\nimport \"time\"\nimport \"fmt\"\n\nvar _ = fmt.Sprint\n", "time", true,
		},
		{"none", "package p\n\nvar V int\n", "package p\n\nimport \"time\"\n\nvar V int\n", "time", true},
		{"there", "package p\n\nimport \"time\"\n\nvar V time.Time\n", "package p\n\nimport \"time\"\n\nvar V time.Time\n", "time", true},
		{"renamed", "package p\n\nimport t \"time\"\n\nvar V t.Time\n", "package p\n\nimport t \"time\"\n\nvar V t.Time\n", "t", true},
		{"name in use", "package p\n\nvar time int\n\nvar V = time\n", "", "", false},
	} {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, "p.go", test.source, parser.ParseComments)
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		info := &types.Info{Scopes: make(map[ast.Node]*types.Scope)}
		if _, err := (&types.Config{Importer: importer.Default()}).Check("p", fset, []*ast.File{file}, info); err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		name, edits, ok := edit.Import(file, info, file.End()-1, "time", "time")
		if ok != test.ok || name != test.wantName {
			t.Errorf("%s: got %q, %v, want %q, %v", test.name, name, ok, test.wantName, test.ok)
			continue
		}
		if !ok {
			continue
		}
		got := test.source
		for _, e := range edits {
			from, to := fset.Position(e.Pos).Offset, fset.Position(e.End).Offset
			got = got[:from] + string(e.NewText) + got[to:]
		}
		if got != test.want {
			t.Errorf("%s: got\n%s\nwant\n%s", test.name, got, test.want)
		}
	}
}

func TestDuration(t *testing.T) {
	for _, test := range []struct {
		d    time.Duration
		want string
	}{
		{30 * time.Second, "30 * time.Second"},
		{time.Second, "time.Second"},
		{2 * time.Minute, "2 * time.Minute"},
		{90 * time.Second, "90 * time.Second"},
		{time.Hour, "time.Hour"},
		{1500 * time.Millisecond, "1500 * time.Millisecond"},
		{7 * time.Nanosecond, "7 * time.Nanosecond"},
	} {
		if got := edit.Duration(test.d, "time"); got != test.want {
			t.Errorf("%v: got %s, want %s", test.d, got, test.want)
		}
	}
}
