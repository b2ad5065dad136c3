package program

import (
	"context"
	"errors"
	"fmt"
	"go/token"
	"go/types"
	"sort"
	"strings"

	"golang.org/x/tools/go/packages"
	"golang.org/x/tools/go/ssa"
	"golang.org/x/tools/go/ssa/ssautil"
)

// A LoadConfig says what to load.
type LoadConfig struct {
	Context context.Context //nolint:containedctx // it is that of the call of Load; nil never ends
	Dir     string          // where the patterns count from; "" is the working directory
	Env     []string        // of the go command; nil is that of the process
	Flags   []string        // of the go command, such as -tags=integration

	// Loaded, if not nil, is called when the packages have been parsed and type-checked,
	// and before their SSA form is built.
	Loaded func()
}

// Load loads the packages that match patterns, as the go command understands them. The
// packages that have errors are left out of the Program, and problems says why.
func Load(config LoadConfig, patterns ...string) (loaded *Program, problems []error, err error) {
	fset := token.NewFileSet()
	initial, err := packages.Load(&packages.Config{
		Context:    config.Context,
		Mode:       packages.LoadSyntax | packages.NeedModule,
		Dir:        config.Dir,
		Env:        config.Env,
		BuildFlags: config.Flags,
		Fset:       fset,
	}, patterns...)
	if err != nil {
		return nil, nil, errors.New(strings.TrimPrefix(err.Error(), "err: exit status 1: stderr: ")) // what the go command says is enough
	}
	if config.Loaded != nil {
		config.Loaded()
	}
	var good []*packages.Package
	for _, pkg := range initial {
		for _, e := range pkg.Errors {
			if strings.HasPrefix(e.Msg, "# ") && len(pkg.Errors) > 1 {
				continue // the compiler's list of what the others say
			}
			problems = append(problems, problem(pkg, e))
		}
		if len(pkg.Errors) == 0 && !pkg.IllTyped {
			good = append(good, pkg)
		}
	}
	built, forms := ssautil.Packages(good, ssa.BuilderMode(0))
	built.Build()
	versions := versionsOf(initial)
	judged := make([]*Package, 0, len(good))
	for i, pkg := range good {
		if forms[i] == nil {
			problems = append(problems, fmt.Errorf("%s: has no SSA form", pkg.PkgPath))
			continue
		}
		p := &Package{
			Path: pkg.PkgPath, Types: pkg.Types, Info: pkg.TypesInfo, Files: pkg.Syntax,
			SSA: forms[i], Funcs: functions(forms[i]), Main: pkg.Name == "main", Versions: versions,
		}
		if pkg.Module != nil {
			p.Module = pkg.Module.Path
		}
		judged = append(judged, p)
	}
	return New(fset, dependenciesFirst(judged)), problems, nil
}

// ErrNoPackage is in a problem of [Load] that is a pattern which stands for no package.
var ErrNoPackage = errors.New("no package")

// problem says why pkg cannot be audited.
func problem(pkg *packages.Package, e packages.Error) error {
	text := strings.TrimPrefix(e.Error(), "-: ")
	if e.Kind == packages.ListError && len(pkg.GoFiles)+len(pkg.IgnoredFiles)+len(pkg.OtherFiles) == 0 {
		return fmt.Errorf("%w matches %s: %s", ErrNoPackage, pkg.ID, strings.TrimPrefix(text, "pattern "+pkg.ID+": "))
	}
	return fmt.Errorf("%s: %s", pkg.PkgPath, text)
}

// versionsOf returns the versions of the modules that the packages need.
func versionsOf(initial []*packages.Package) func(string) string {
	byPath := make(map[string]string)
	packages.Visit(initial, nil, func(pkg *packages.Package) {
		if pkg.Module == nil {
			return
		}
		module := pkg.Module
		if module.Replace != nil {
			module = module.Replace
		}
		byPath[pkg.PkgPath] = module.Version
	})
	return func(importPath string) string { return byPath[importPath] }
}

// functions returns all functions of pkg that have a body, in source order.
func functions(pkg *ssa.Package) []*ssa.Function {
	var all []*ssa.Function
	seen := make(map[*ssa.Function]bool)
	var add func(fn *ssa.Function)
	add = func(fn *ssa.Function) {
		if fn == nil || seen[fn] {
			return
		}
		seen[fn] = true
		if len(fn.Blocks) > 0 {
			all = append(all, fn)
		}
		for _, inner := range fn.AnonFuncs {
			add(inner)
		}
	}
	scope := pkg.Pkg.Scope()
	for _, member := range pkg.Members {
		if fn, ok := member.(*ssa.Function); ok {
			add(fn)
		}
	}
	for _, name := range scope.Names() {
		named, ok := scope.Lookup(name).(*types.TypeName)
		if !ok || named.IsAlias() {
			continue
		}
		defined, ok := named.Type().(*types.Named)
		if !ok {
			continue
		}
		for method := range defined.Methods() {
			add(pkg.Prog.FuncValue(method))
		}
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].Pos() < all[j].Pos() })
	return all
}

// dependenciesFirst sorts packages so that each comes after those that it imports.
func dependenciesFirst(unsorted []*Package) []*Package {
	byTypes := make(map[*types.Package]*Package, len(unsorted))
	for _, pkg := range unsorted {
		byTypes[pkg.Types] = pkg
	}
	sorted := make([]*Package, 0, len(unsorted))
	seen := make(map[*types.Package]bool)
	var visit func(*types.Package)
	visit = func(t *types.Package) {
		if seen[t] {
			return
		}
		seen[t] = true
		for _, imported := range t.Imports() {
			visit(imported)
		}
		if pkg := byTypes[t]; pkg != nil {
			sorted = append(sorted, pkg)
		}
	}
	for _, pkg := range unsorted {
		visit(pkg.Types)
	}
	return sorted
}
