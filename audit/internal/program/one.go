package program

import (
	"go/ast"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/ssa"
)

// One returns the Program of a single package that is type-checked, as an analysis gets
// it. module is the path of its module, or "".
func One(fset *token.FileSet, files []*ast.File, pkg *types.Package, info *types.Info, module string) *Program {
	built := ssa.NewProgram(fset, ssa.BuilderMode(0))
	created := make(map[*types.Package]bool)
	var create func(imports []*types.Package)
	create = func(imports []*types.Package) {
		for _, imported := range imports {
			if !created[imported] {
				created[imported] = true
				built.CreatePackage(imported, nil, nil, true)
				create(imported.Imports())
			}
		}
	}
	create(pkg.Imports())
	form := built.CreatePackage(pkg, files, info, false)
	form.Build()
	return New(fset, []*Package{{
		Path: pkg.Path(), Types: pkg, Info: info, Files: files, SSA: form, Funcs: functions(form), Main: pkg.Name() == "main", Module: module,
	}})
}
