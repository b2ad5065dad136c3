package rules

import (
	"fmt"
	"go/types"
	"slices"
	"strings"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/catalog"
	"github.com/firebreak-go/firebreak/audit/internal/ctxflow"
	"github.com/firebreak-go/firebreak/audit/internal/program"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// libraryLimit is TA701.
var libraryLimit = &rule.Rule{
	ID:    "TA701",
	Name:  "library-no-default-limit",
	Title: "a client of a library is made without the option that limits it",
	Level: rule.Note, // until its precision is measured
	Run:   runLibraryLimit,
}

func runLibraryLimit(pass *rule.Pass) {
	eachCall(pass, func(pkg *program.Package, call ssa.CallInstruction) {
		fn := ctxflow.Callee(call.Common())
		entry := pass.Catalog.Find(fn, pkg.Versions)
		if entry == nil || entry.Is != catalog.Unlimited || mentionsOption(pass.Program, fn.Pkg(), entry.Options) {
			return
		}
		pos, end := span(pkg, call)
		name := ctxflow.CalleeName(call.Common())
		pass.Report(rule.Finding{
			Pos: pos, End: end, Func: call.Parent(), Severity: inKind(pass, pkg, severityNamed(entry.Severity)),
			Operation: name,
			Message:   fmt.Sprintf("%s: %s; %s", name, entry.Note, entry.Fix),
		})
	})
}

// mentionsOption reports whether the program uses one of the options of the library anywhere:
// the client that it is for may be made elsewhere.
func mentionsOption(p *program.Program, library *types.Package, options []string) bool {
	for _, pkg := range p.Packages {
		for ident, object := range pkg.Info.Uses {
			if object.Pkg() == nil || !slices.Contains(options, ident.Name) {
				continue
			}
			if path := object.Pkg().Path(); path == library.Path() || strings.HasPrefix(path, library.Path()+"/") || strings.HasPrefix(library.Path(), path+"/") {
				return true
			}
		}
	}
	return false
}
