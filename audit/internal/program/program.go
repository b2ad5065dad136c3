// Package program holds what is audited: type-checked packages with their SSA form, as
// one whole where that is possible.
//
// The command loads all packages of a module at once, so that a context can be followed
// from a caller in one package to a call in another, in both directions. Under go vet
// there is one package, and what is known of the others are facts.
package program

import (
	"go/ast"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/ssa"
)

// A Program is what is audited in one go.
type Program struct {
	Fset     *token.FileSet
	Packages []*Package // those that are judged, dependencies first

	// Fact returns what is known of a function of a package that is not among Packages,
	// or nil. It may be nil. The value is that of the analysis that exported it.
	Fact func(fn *types.Func) any

	byTypes map[*types.Package]*Package
	callers map[*ssa.Function][]ssa.CallInstruction
}

// A Package is one package that is judged.
type Package struct {
	Path  string
	Types *types.Package
	Info  *types.Info
	Files []*ast.File
	SSA   *ssa.Package
	Funcs []*ssa.Function // all that have a body, function literals and methods among them, in source order

	// Main says that the package is a command's.
	Main bool

	// Module is the path of its module, or "" where that is not known.
	Module string

	// Versions returns the version of the module that provides a dependency, such as
	// "v1.45.0", or "" if it is not known. It may be nil.
	Versions func(importPath string) string

	calls map[token.Pos]*ast.CallExpr // as CallExpr finds them
}

// New returns the Program of packages.
func New(fset *token.FileSet, packages []*Package) *Program {
	p := &Program{Fset: fset, Packages: packages, byTypes: make(map[*types.Package]*Package, len(packages))}
	for _, pkg := range packages {
		p.byTypes[pkg.Types] = pkg
	}
	return p
}

// PackageFor returns the package whose types are t, or nil if it is not judged.
func (p *Program) PackageFor(t *types.Package) *Package { return p.byTypes[t] }

// PackageOf returns the package that fn is of, or nil if it is not judged.
func (p *Program) PackageOf(fn *ssa.Function) *Package {
	for fn.Parent() != nil {
		fn = fn.Parent()
	}
	if fn.Pkg != nil {
		return p.byTypes[fn.Pkg.Pkg]
	}
	if origin := fn.Origin(); origin != nil && origin != fn {
		return p.PackageOf(origin)
	}
	if object := fn.Object(); object != nil {
		return p.byTypes[object.Pkg()]
	}
	return nil
}

// Callers returns the calls of fn that are known: direct ones from the judged packages.
// That there are others is likely if fn is exported, a method that satisfies an
// interface, or used as a value.
func (p *Program) Callers(fn *ssa.Function) []ssa.CallInstruction {
	if p.callers == nil {
		p.callers = make(map[*ssa.Function][]ssa.CallInstruction)
		for _, pkg := range p.Packages {
			for _, caller := range pkg.Funcs {
				for _, block := range caller.Blocks {
					for _, instr := range block.Instrs {
						p.noteCall(instr)
					}
				}
			}
		}
	}
	return p.callers[fn]
}

func (p *Program) noteCall(instr ssa.Instruction) {
	call, ok := instr.(ssa.CallInstruction)
	if !ok {
		return
	}
	callee := call.Common().StaticCallee()
	if callee == nil {
		return
	}
	p.callers[callee] = append(p.callers[callee], call)
	if origin := callee.Origin(); origin != nil && origin != callee {
		p.callers[origin] = append(p.callers[origin], call)
	}
}

// Owns reports whether pkg is among the packages that are judged.
func (p *Program) Owns(pkg *types.Package) bool { return p.byTypes[pkg] != nil }
