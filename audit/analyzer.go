package audit

import (
	"fmt"
	"go/types"
	"path/filepath"
	"slices"

	"golang.org/x/tools/go/analysis"

	"github.com/firebreak-go/firebreak/audit/internal/config"
	"github.com/firebreak-go/firebreak/audit/internal/ctxflow"
	"github.com/firebreak-go/firebreak/audit/internal/engine"
	"github.com/firebreak-go/firebreak/audit/internal/program"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
	"github.com/firebreak-go/firebreak/audit/internal/rules"
)

// Analyzer is the auditor as an analysis of one package at a time, for go vet and for
// drivers such as golangci-lint. What packages know of each other are facts about the
// contexts that their functions return; of callers in other packages it knows nothing, so
// that it finds less than the command does on a whole program.
//
// Its flags are
//
//   - config: the configuration file. The default is .firebreak-audit.yaml in the directory
//     of the package or above it in the module.
//   - level: the least level that is reported, note, warning or error. The default is
//     warning, for go vet fails on anything that is reported.
//
// It looks at packages of the main module only.
var Analyzer = newAnalyzer()

const pages = "https://pkg.go.dev/github.com/firebreak-go/firebreak/audit"

func newAnalyzer() *analysis.Analyzer {
	a := analyzer{level: rule.Warning}
	made := &analysis.Analyzer{
		Name:      "firebreakaudit",
		Doc:       "finds calls and servers without a timeout\n\nIt finds requests that may hang for ever, servers that wait for their clients without end, and contexts that never expire and reach a blocking call.",
		URL:       pages,
		Run:       a.run,
		FactTypes: []analysis.Fact{new(ctxflow.Fact)},
	}
	made.Flags.StringVar(&a.config, "config", "", "configuration `FILE` (default "+config.Name+" in the directory of the package, or above it in the module)")
	made.Flags.Func("level", "least `LEVEL` that is reported: note, warning or error (default warning)", func(name string) error {
		level, ok := rule.ParseLevel(name)
		if !ok || level == rule.Off {
			return fmt.Errorf("level is %q, want note, warning or error", name)
		}
		a.level = level
		return nil
	})
	return made
}

// An analyzer is what the flags say.
type analyzer struct {
	config string
	level  rule.Level
}

func (a *analyzer) run(pass *analysis.Pass) (any, error) {
	if !ours(pass) {
		return nil, nil
	}
	read, err := a.read(pass)
	if err != nil {
		return nil, err
	}
	p := program.One(pass.Fset, pass.Files, pass.Pkg, pass.TypesInfo, pass.Module.Path)
	p.Fact = func(fn *types.Func) any {
		fact := new(ctxflow.Fact)
		if !pass.ImportObjectFact(fn, fact) {
			return nil
		}
		return fact
	}
	e := engine.New(p, engine.Config{
		Catalog: read.Catalog, Rules: rules.All(), Levels: read.Levels, Settings: read.Settings, Exclude: read.Exclude,
		Programs: read.Programs, Nosec: read.Nosec, Partial: true,
	})
	for _, f := range e.Run() {
		if f.Suppressed == nil && f.Level >= a.level {
			pass.Report(diagnostic(f))
		}
	}
	for _, fn := range p.Packages[0].Funcs {
		object, ok := fn.Object().(*types.Func)
		if !ok || object.Pkg() != pass.Pkg {
			continue
		}
		if fact := e.FactOf(fn); fact != nil {
			pass.ExportObjectFact(object, fact)
		}
	}
	return nil, nil
}

// ours reports whether the package of pass is of the main module: others have a version,
// and the standard library has no module.
func ours(pass *analysis.Pass) bool {
	return pass.Module != nil && pass.Module.Path != "" && pass.Module.Version == "" && len(pass.Files) > 0
}

func (a *analyzer) read(pass *analysis.Pass) (*config.Config, error) {
	file := a.config
	if file == "" {
		file = config.Find(filepath.Dir(pass.Fset.Position(pass.Files[0].FileStart).Filename))
	}
	if file == "" {
		return config.Default(), nil
	}
	return config.Read(file, rules.Find)
}

func diagnostic(f rule.Finding) analysis.Diagnostic {
	d := analysis.Diagnostic{
		Pos: f.Pos, End: f.End, Category: f.Rule.ID, Message: fmt.Sprintf("[%s %s/%s] %s", f.Rule.ID, f.Level, f.Severity, f.Message),
		SuggestedFixes: f.Fixes,
	}
	for _, place := range slices.Concat(f.Provenance, f.Uses) {
		if place.Pos.IsValid() {
			d.Related = append(d.Related, analysis.RelatedInformation{Pos: place.Pos, Message: place.Message})
		}
	}
	return d
}
