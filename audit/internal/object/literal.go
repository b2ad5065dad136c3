package object

import (
	"go/ast"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/program"
)

// literals are the composite literals of a package whose type is a class, by what leads
// to them from SSA form.
type literals struct {
	byBrace map[token.Pos]*ast.CompositeLit    // of those whose address is taken, or that are copied
	byVar   map[types.Object]*ast.CompositeLit // assigned to a variable or a field
	nodes   map[*ast.CompositeLit]ast.Expr     // the literal with its &, if there is one
	calls   map[token.Pos]*ast.CallExpr        // all calls, by the position of their parenthesis
}

func (t *Table) literalsOf(pkg *program.Package) *literals {
	if known, ok := t.literals[pkg]; ok {
		return known
	}
	l := &literals{
		byBrace: make(map[token.Pos]*ast.CompositeLit), byVar: make(map[types.Object]*ast.CompositeLit),
		nodes: make(map[*ast.CompositeLit]ast.Expr), calls: make(map[token.Pos]*ast.CallExpr),
	}
	t.literals[pkg] = l
	for _, file := range pkg.Files {
		ast.Inspect(file, func(n ast.Node) bool {
			l.note(pkg.Info, n)
			return true
		})
	}
	return l
}

func (l *literals) note(info *types.Info, n ast.Node) {
	switch n := n.(type) {
	case *ast.CompositeLit:
		if className(deref(info.TypeOf(n))) != "" {
			l.byBrace[n.Lbrace] = n
		}
	case *ast.UnaryExpr:
		if lit, ok := n.X.(*ast.CompositeLit); ok && n.Op == token.AND {
			l.nodes[lit] = n
		}
	case *ast.CallExpr:
		l.calls[n.Lparen] = n
	case *ast.AssignStmt:
		for i, rhs := range n.Rhs {
			if len(n.Lhs) == len(n.Rhs) {
				l.assign(info, n.Lhs[i], rhs)
			}
		}
	case *ast.ValueSpec:
		for i, value := range n.Values {
			if len(n.Names) == len(n.Values) {
				l.assign(info, n.Names[i], value)
			}
		}
	case *ast.KeyValueExpr:
		l.assign(info, n.Key, n.Value)
	}
}

// assign notes that a literal is assigned to a variable or a field.
func (l *literals) assign(info *types.Info, to, value ast.Expr) {
	lit, ok := ast.Unparen(value).(*ast.CompositeLit)
	if !ok || className(info.TypeOf(lit)) == "" {
		return
	}
	var object types.Object
	switch to := ast.Unparen(to).(type) {
	case *ast.Ident:
		object = info.ObjectOf(to)
	case *ast.SelectorExpr:
		object = info.ObjectOf(to.Sel)
	}
	if field, isVar := object.(*types.Var); isVar {
		object = field.Origin()
	}
	if object != nil && l.byVar[object] == nil {
		l.byVar[object] = lit
	}
}

// place finds the expression that makes the object.
func (t *Table) place(o *Object) {
	switch value := o.Value.(type) {
	case *ssa.Alloc:
		if o.Package == nil {
			return
		}
		l := t.literalsOf(o.Package)
		if lit := l.byBrace[value.Pos()]; lit != nil {
			o.at(l, lit)
			return
		}
		if call := o.New(); call != nil {
			o.Pos, o.End = call.Pos(), call.End()
			return
		}
		t.atVariable(o, l, value.Pos())
	case *ssa.Global:
		if o.Package == nil {
			return
		}
		l := t.literalsOf(o.Package)
		if lit := l.byVar[value.Object()]; lit != nil {
			o.at(l, lit)
		}
	case *ssa.FieldAddr:
		field := fieldOf(value.X.Type(), value.Field)
		for _, pkg := range t.program.Packages {
			if l := t.literalsOf(pkg); l.byVar[field] != nil {
				o.Package = pkg
				o.at(l, l.byVar[field])
				o.Func = nil
				return
			}
		}
		o.Package = t.program.PackageFor(field.Pkg())
		o.Func = nil
	}
}

// atVariable finds the literal that a variable declared at pos is given.
func (t *Table) atVariable(o *Object, l *literals, pos token.Pos) {
	for object, lit := range l.byVar {
		if object.Pos() == pos {
			o.at(l, lit)
			return
		}
	}
}

func (o *Object) at(l *literals, lit *ast.CompositeLit) {
	node := l.nodes[lit]
	if node == nil {
		node = lit
	}
	o.Literal, o.Pos, o.End = lit, node.Pos(), node.End()
}

// CallExpr returns the expression of a call, or nil.
func (t *Table) CallExpr(call ssa.CallInstruction) *ast.CallExpr {
	pkg := t.program.PackageOf(call.Parent())
	if pkg == nil {
		return nil
	}
	return t.literalsOf(pkg).calls[call.Common().Pos()]
}

// New returns the call of new that makes the object, or nil.
func (o *Object) New() *ast.CallExpr {
	alloc, ok := o.Value.(*ssa.Alloc)
	if !ok || o.Package == nil || alloc.Comment != "new" {
		return nil
	}
	return o.table.literalsOf(o.Package).calls[alloc.Pos()]
}
