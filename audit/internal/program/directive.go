package program

import (
	"go/ast"
	"go/token"
	"strconv"
	"strings"
)

// A Directive is a comment that speaks to the auditor:
//
//	//firebreak-audit:ignore TA102,TA103 reason="an upload of any size"
//	//firebreak-audit:unbounded reason="a watch, ended by its heartbeat"
//
// It may have a space after the slashes, which gofmt puts there in a doc comment. With
// those of gosec there are also
//
//	// #nosec G112 -- only the load balancer connects
type Directive struct {
	Pos, End token.Pos
	Verb     string        // "ignore", "unbounded", "#nosec", or what else stands there
	Rules    []string      // IDs or names of rules, as written
	Reason   string        // "" if there is none
	Problem  string        // what is wrong with how it is written, or ""
	Func     *ast.FuncDecl // whose doc comment it is in, or nil

	// Alone says that nothing but the comment is on its line.
	Alone bool

	// Line is the line that it is about, if Func is nil: its own if code stands there
	// before it, and that of the code below if not.
	Line int
}

const directivePrefix = "firebreak-audit:"

// Nosec is the Verb of a suppression of gosec's.
const Nosec = "#nosec"

// Directives returns those of file, in source order, with those of gosec if nosec is true.
func Directives(fset *token.FileSet, file *ast.File, nosec bool) []*Directive {
	var found []*Directive
	for _, group := range file.Comments {
		for _, comment := range group.List {
			d := parseDirective(comment)
			if d == nil && nosec {
				d = parseNosec(comment)
			}
			if d == nil {
				continue
			}
			d.Line, d.Alone = fset.Position(group.End()).Line+1, true
			found = append(found, d)
		}
	}
	if len(found) > 0 {
		place(fset, file, found)
	}
	return found
}

// place sets what the directives are about, where that is not the line below.
func place(fset *token.FileSet, file *ast.File, found []*Directive) {
	ownLine := make(map[int]*Directive, len(found))
	for _, d := range found {
		ownLine[fset.Position(d.Pos).Line] = d
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case nil, *ast.File:
			return true
		case *ast.Comment, *ast.CommentGroup:
			return false
		case *ast.FuncDecl:
			for _, d := range found {
				if n.Doc != nil && n.Doc.Pos() <= d.Pos && d.Pos < n.Doc.End() {
					d.Func = n
				}
			}
		}
		for _, at := range []token.Pos{n.Pos(), n.End()} {
			line := fset.Position(at).Line
			if d := ownLine[line]; d != nil && at <= d.Pos {
				d.Line, d.Alone = line, false
			}
		}
		return true
	})
}

func parseDirective(comment *ast.Comment) *Directive {
	text, ok := strings.CutPrefix(comment.Text, "//")
	if !ok {
		return nil
	}
	text, ok = strings.CutPrefix(strings.TrimPrefix(text, " "), directivePrefix)
	if !ok {
		return nil
	}
	verb, rest, _ := strings.Cut(text, " ")
	d := &Directive{Pos: comment.Pos(), End: comment.End(), Verb: verb}
	list, reason, hasReason := strings.Cut(rest, "reason=")
	for name := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }) {
		d.Rules = append(d.Rules, name)
	}
	if hasReason {
		quoted, err := strconv.QuotedPrefix(reason)
		if err == nil {
			d.Reason, err = strconv.Unquote(quoted)
		}
		if err != nil {
			d.Problem = `its reason is not quoted, want reason="why"`
		}
		d.Reason = strings.TrimSpace(d.Reason)
	}
	return d
}

// parseNosec reads a suppression of gosec's that names rules. One of everything answers
// nothing here: it need not be about timeouts.
func parseNosec(comment *ast.Comment) *Directive {
	text := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(comment.Text, "//"), "/*"), "*/")
	text, ok := strings.CutPrefix(strings.TrimSpace(text), Nosec)
	if !ok {
		return nil
	}
	list, reason, _ := strings.Cut(text, "--")
	rules := strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ';' || r == ' ' || r == '\t' })
	if len(rules) == 0 {
		return nil
	}
	return &Directive{Pos: comment.Pos(), End: comment.End(), Verb: Nosec, Rules: rules, Reason: strings.TrimSpace(reason)}
}

// Unbounded reports whether the doc comment of decl says that the function waits without
// a bound by design: a watch, a tunnel, a consumer of a queue.
func Unbounded(decl *ast.FuncDecl) bool {
	if decl == nil || decl.Doc == nil {
		return false
	}
	for _, comment := range decl.Doc.List {
		if d := parseDirective(comment); d != nil && d.Verb == "unbounded" {
			return true
		}
	}
	return false
}
