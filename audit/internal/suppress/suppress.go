// Package suppress applies the comments with which code answers the auditor.
//
//	//firebreak-audit:ignore TA102 reason="an upload of any size; its reader has an idle limit"
//	//firebreak-audit:unbounded reason="a watch, ended by its heartbeat"
//	// #nosec G112 -- only the load balancer connects
//
// The last one is gosec's, and counts if it is asked for.
//
// A directive counts for the line it stands on, or, alone on its line, for the statement,
// declaration or field below, as far as its blocks; in the doc comment of a function, for
// all of the function.
package suppress

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ast/astutil"

	"github.com/firebreak-go/firebreak/audit/internal/program"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// The verbs of a directive.
const (
	ignore    = "ignore"
	unbounded = "unbounded"
)

// A Set is the directives of a Program.
type Set struct {
	fset  *token.FileSet
	files map[*token.File]*file
	order []*directive
	known func(idOrName string) *rule.Rule
}

type file struct {
	syntax     *ast.File
	directives []*directive
}

type directive struct {
	*program.Directive

	used map[string]bool // by the ID of a rule
}

// gosec has the rules of gosec that are about what a rule of the auditor is about.
var gosec = map[string]string{"G112": "TA201", "G114": "TA202"}

// Read returns the directives of p, with those of gosec if nosec is true. known finds a rule
// by its ID or name, and returns nil if there is none.
func Read(p *program.Program, known func(idOrName string) *rule.Rule, nosec bool) *Set {
	s := &Set{fset: p.Fset, files: make(map[*token.File]*file), known: known}
	for _, pkg := range p.Packages {
		for _, syntax := range pkg.Files {
			found := program.Directives(p.Fset, syntax, nosec)
			if len(found) == 0 {
				continue
			}
			f := &file{syntax: syntax}
			for _, d := range found {
				f.directives = append(f.directives, &directive{Directive: d, used: make(map[string]bool)})
			}
			s.files[p.Fset.File(syntax.FileStart)] = f
			s.order = append(s.order, f.directives...)
		}
	}
	return s
}

// Apply marks f as suppressed if a directive says so.
func (s *Set) Apply(f *rule.Finding) {
	in := s.files[s.fset.File(f.Pos)]
	if in == nil {
		return
	}
	var lines []int
	for _, d := range in.directives {
		if !s.counts(d, f.Rule) {
			continue
		}
		if d.Func == nil && lines == nil {
			lines = s.linesOf(in.syntax, f.Pos)
		}
		if d.Func != nil && d.Func.Pos() <= f.Pos && f.Pos < d.Func.End() || d.Func == nil && slices.Contains(lines, d.Line) {
			d.used[f.Rule.ID] = true
			if f.Suppressed == nil {
				f.Suppressed = &rule.Suppression{Pos: d.Pos, Reason: d.Reason}
				if d.Verb == program.Nosec && d.Reason == "" {
					f.Suppressed.Reason = directiveText(d)
				}
			}
		}
	}
}

// counts reports whether d is about findings of r.
func (s *Set) counts(d *directive, r *rule.Rule) bool {
	if d.Problem != "" {
		return false
	}
	switch d.Verb {
	case unbounded:
		return true
	case program.Nosec:
		return slices.ContainsFunc(d.Rules, func(name string) bool { return gosec[name] == r.ID })
	case ignore:
		return d.Reason != "" && slices.ContainsFunc(d.Rules, func(name string) bool {
			known := s.known(name)
			return known != nil && known.ID == r.ID
		})
	}
	return false
}

// linesOf returns the lines on which begins what pos is in, up to the block around it.
func (s *Set) linesOf(syntax *ast.File, pos token.Pos) []int {
	lines := []int{s.fset.Position(pos).Line}
	path, _ := astutil.PathEnclosingInterval(syntax, pos, pos)
	for _, node := range path {
		switch node.(type) {
		case *ast.BlockStmt, *ast.CaseClause, *ast.CommClause, *ast.FuncDecl, *ast.File:
			return lines
		}
		lines = append(lines, s.fset.Position(node.Pos()).Line)
	}
	return lines
}

// Stale returns a finding for each directive that is of no use, or written wrongly. A rule
// that did not run is given the benefit of the doubt, and so are all of them if the
// Program is only part of what is judged: then ran is nil.
func (s *Set) Stale(ran func(*rule.Rule) bool) []rule.Finding {
	var found []rule.Finding
	for _, d := range s.order {
		for _, f := range s.problems(d, ran) {
			f.Pos, f.End, f.Operation = d.Pos, d.End, directiveText(d)
			found = append(found, f)
		}
	}
	return found
}

func (s *Set) problems(d *directive, ran func(*rule.Rule) bool) []rule.Finding {
	switch {
	case d.Problem != "":
		return []rule.Finding{{Message: "this suppression is not applied: " + d.Problem}}
	case d.Verb == unbounded, d.Verb == program.Nosec:
		return nil
	case d.Verb != ignore:
		return []rule.Finding{{Message: fmt.Sprintf("firebreak-audit:%s is no directive, want ignore or unbounded", d.Verb)}}
	case len(d.Rules) == 0:
		return []rule.Finding{{Message: "this suppression names no rule, want one such as TA102"}}
	}
	var all []rule.Finding
	for _, name := range d.Rules {
		r := s.known(name)
		switch {
		case r == nil:
			all = append(all, rule.Finding{Message: fmt.Sprintf("this suppression names %s, which is no rule", name)})
		case d.Reason == "":
		case ran != nil && ran(r) && !d.used[r.ID]:
			f := rule.Finding{Message: fmt.Sprintf("this suppression of %s suppresses nothing: delete it", r.ID)}
			if len(d.Rules) == 1 {
				f.Fixes = []analysis.SuggestedFix{s.remove(d)}
			}
			all = append(all, f)
		}
	}
	if d.Reason == "" {
		all = append(all, rule.Finding{Message: `this suppression is not applied: it gives no reason, want reason="why"`})
	}
	return all
}

// remove returns the fix that deletes d, with its line if it is alone there.
func (s *Set) remove(d *directive) analysis.SuggestedFix {
	start, end := d.Pos, d.End
	if lines := s.fset.File(d.Pos); d.Alone && lines.Line(d.Pos) < lines.LineCount() {
		start, end = lines.LineStart(lines.Line(d.Pos)), lines.LineStart(lines.Line(d.Pos)+1)
	}
	return analysis.SuggestedFix{Message: "delete the suppression", TextEdits: []analysis.TextEdit{{Pos: start, End: end}}}
}

func directiveText(d *directive) string {
	verb := "firebreak-audit:" + d.Verb
	if d.Verb == program.Nosec {
		verb = d.Verb
	}
	return strings.TrimSpace(verb + " " + strings.Join(d.Rules, ","))
}
