package program

import (
	"go/ast"
	"go/token"

	"golang.org/x/tools/go/ssa"
)

// CallExpr returns the expression of a call of the package, or nil if it is not in its
// source.
func (p *Package) CallExpr(call ssa.CallInstruction) *ast.CallExpr {
	if p.calls == nil {
		p.calls = make(map[token.Pos]*ast.CallExpr)
		for _, file := range p.Files {
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CallExpr:
					p.calls[n.Lparen] = n
				case *ast.GoStmt:
					p.calls[n.Go] = n.Call
				case *ast.DeferStmt:
					p.calls[n.Defer] = n.Call
				}
				return true
			})
		}
	}
	return p.calls[call.Pos()]
}
