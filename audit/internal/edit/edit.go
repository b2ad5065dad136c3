// Package edit makes the pieces of which the fixes of rules consist.
package edit

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"strconv"
	"time"

	"golang.org/x/tools/go/analysis"
)

// Import returns the name by which file can use the package path at pos, and the edit that
// imports it if the file does not yet. ok is false where the name means something else.
func Import(file *ast.File, info *types.Info, pos token.Pos, path, base string) (name string, edits []analysis.TextEdit, ok bool) {
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil || imported != path {
			continue
		}
		name = base
		if spec.Name != nil {
			name = spec.Name.Name
		}
		if name == "_" || name == "." {
			continue
		}
		if !means(file, info, pos, name, path) {
			return "", nil, false
		}
		return name, nil, true
	}
	if !means(file, info, pos, base, "") {
		return "", nil, false
	}
	return base, []analysis.TextEdit{insertImport(file, path)}, true
}

// means reports whether name at pos is the import of path, or nothing if path is "".
func means(file *ast.File, info *types.Info, pos token.Pos, name, path string) bool {
	scope := info.Scopes[file]
	if scope == nil {
		return false
	}
	if inner := scope.Innermost(pos); inner != nil {
		scope = inner
	}
	_, object := scope.LookupParent(name, pos)
	if object == nil {
		return path == ""
	}
	imported, ok := object.(*types.PkgName)
	return ok && imported.Imported().Path() == path
}

func insertImport(file *ast.File, path string) analysis.TextEdit {
	quoted := strconv.Quote(path)
	group := firstImports(file)
	if group == nil {
		at := file.Name.End()
		return analysis.TextEdit{Pos: at, End: at, NewText: []byte("\n\nimport " + quoted)}
	}
	if !group.Lparen.IsValid() {
		return analysis.TextEdit{Pos: group.Pos(), End: group.Pos(), NewText: []byte("import " + quoted + "\n")}
	}
	// The standard library stands first; a path goes before the first that is greater.
	for _, spec := range group.Specs {
		spec, isImport := spec.(*ast.ImportSpec)
		if isImport && spec.Path.Value > quoted {
			at := spec.Pos()
			if spec.Doc != nil {
				at = spec.Doc.Pos()
			}
			return analysis.TextEdit{Pos: at, End: at, NewText: []byte(quoted + "\n\t")}
		}
	}
	return analysis.TextEdit{Pos: group.Rparen, End: group.Rparen, NewText: []byte("\t" + quoted + "\n")}
}

// firstImports returns the first import declaration of file, or nil.
func firstImports(file *ast.File) *ast.GenDecl {
	for _, decl := range file.Decls {
		if group, ok := decl.(*ast.GenDecl); ok && group.Tok == token.IMPORT {
			return group
		}
	}
	return nil
}

// Duration returns d as Go code, where the package time has that name.
func Duration(d time.Duration, name string) string {
	for _, unit := range []struct {
		of   time.Duration
		name string
	}{{time.Hour, "Hour"}, {time.Minute, "Minute"}, {time.Second, "Second"}, {time.Millisecond, "Millisecond"}, {time.Microsecond, "Microsecond"}} {
		switch {
		case d == unit.of:
			return name + "." + unit.name
		case d%unit.of == 0:
			return fmt.Sprintf("%d * %s.%s", d/unit.of, name, unit.name)
		}
	}
	return fmt.Sprintf("%d * %s.Nanosecond", int64(d), name)
}
