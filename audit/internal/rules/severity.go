package rules

import (
	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/program"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
	"github.com/firebreak-go/firebreak/audit/internal/scope"
)

// inKind returns a severity as it is in pkg: one less in a command-line tool.
func inKind(pass *rule.Pass, pkg *program.Package, severity rule.Severity) rule.Severity {
	if pkg != nil && pass.Scope.Kind(pkg) == scope.Tool && severity > rule.Low {
		return severity - 1
	}
	return severity
}

// inFunc returns a severity as it is in fn.
func inFunc(pass *rule.Pass, fn *ssa.Function, severity rule.Severity) rule.Severity {
	if fn == nil {
		return severity
	}
	return inKind(pass, pass.Program.PackageOf(fn), severity)
}
