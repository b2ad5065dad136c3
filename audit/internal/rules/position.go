package rules

import (
	"go/ast"
	"go/token"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// start returns where a call begins: http.Get, or in a chain of calls over several lines
// the method that is called.
func start(pass *rule.Pass, instr ssa.Instruction) token.Pos {
	call, ok := instr.(ssa.CallInstruction)
	if !ok {
		return instr.Pos()
	}
	expr := pass.Objects.CallExpr(call)
	if expr == nil {
		return call.Common().Pos()
	}
	if selector, isSelector := expr.Fun.(*ast.SelectorExpr); isSelector {
		if _, isName := selector.X.(*ast.Ident); !isName {
			return selector.Sel.Pos()
		}
	}
	return expr.Pos()
}

// end returns where a call ends.
func end(pass *rule.Pass, instr ssa.Instruction) token.Pos {
	call, ok := instr.(ssa.CallInstruction)
	if !ok {
		return instr.Pos()
	}
	if expr := pass.Objects.CallExpr(call); expr != nil {
		return expr.End()
	}
	return call.Common().Pos()
}
