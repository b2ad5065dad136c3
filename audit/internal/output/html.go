package output

import (
	"cmp"
	_ "embed"
	"html/template"
	"io"
	"slices"
	"strings"

	"github.com/firebreak-go/firebreak/audit/internal/fix"
	"github.com/firebreak-go/firebreak/audit/internal/result"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

//go:embed report.html
var reportText string

var reportTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"plural": Count,
	"calls":  calls,
	"millis": millis,
	"base":   func(file string) string { return file[strings.LastIndexByte(file, '/')+1:] },
}).Parse(reportText))

// A page is what the report shows.
type page struct {
	*Run

	Summary string
	Tiles   []tile
	Groups  []ruleGroup
	Known   []finding // in the baseline
	Silent  []finding // suppressed
}

type tile struct {
	Name  string
	Count int
}

// A ruleGroup is all findings of one rule.
type ruleGroup struct {
	Rule     *rule.Rule
	Level    rule.Level
	Severity rule.Severity
	Count    int
	Page     template.HTML
	Packages []packageGroup
}

type packageGroup struct {
	Path     string
	Findings []finding
}

type finding struct {
	*result.Result

	Seen   string
	Reason string // of a suppression
	Fix    string
	Lines  []diffLine
}

type diffLine struct {
	Class string // "del" or "ins"
	Text  string
}

// HTML writes a page that needs nothing else: the worst first, by rule and package, with
// the line, why it matters, and what fixes it.
func HTML(w io.Writer, run *Run) error {
	p := page{Run: run, Summary: run.Summary()}
	open := run.Open()
	for _, level := range []rule.Level{rule.Error, rule.Warning, rule.Note} {
		p.Tiles = append(p.Tiles, tile{level.String() + "s", len(filter(open, func(r *result.Result) bool { return r.Level == level }))})
	}
	for _, r := range run.Results {
		switch {
		case r.Suppressed != nil:
			p.Silent = append(p.Silent, findingOf(r))
		case r.Status == result.Unchanged:
			p.Known = append(p.Known, findingOf(r))
		}
	}
	p.Tiles = append(p.Tiles, tile{"suppressed", len(p.Silent)})
	if run.Baseline {
		p.Tiles = append(p.Tiles, tile{"in the baseline", len(p.Known)}, tile{"fixed", len(run.Fixed)})
	}
	p.Groups = groups(run, open)
	return reportTemplate.Execute(w, p)
}

// groups returns the results by rule, the rule with the worst first.
func groups(run *Run, open []*result.Result) []ruleGroup {
	byRule := make(map[string]*ruleGroup)
	var order []*ruleGroup
	for _, r := range WorstFirst(open) {
		g := byRule[r.Rule.ID]
		if g == nil {
			g = &ruleGroup{Rule: r.Rule, Level: r.Level, Severity: r.Severity, Page: prose(run.Page(r.Rule))}
			byRule[r.Rule.ID] = g
			order = append(order, g)
		}
		g.Count++
		i := slices.IndexFunc(g.Packages, func(p packageGroup) bool { return p.Path == r.Package })
		if i < 0 {
			i = len(g.Packages)
			g.Packages = append(g.Packages, packageGroup{Path: r.Package})
		}
		g.Packages[i].Findings = append(g.Packages[i].Findings, findingOf(r))
	}
	slices.SortStableFunc(order, func(a, b *ruleGroup) int {
		return cmp.Or(-cmp.Compare(a.Level, b.Level), -cmp.Compare(a.Severity, b.Severity), -cmp.Compare(a.Count, b.Count))
	})
	all := make([]ruleGroup, len(order))
	for i, g := range order {
		all[i] = *g
	}
	return all
}

func findingOf(r *result.Result) finding {
	f := finding{Result: r, Seen: seen(r)}
	if r.Suppressed != nil {
		f.Reason = justification(r)
	}
	if len(r.Fixes) > 0 {
		f.Fix = r.Fixes[0].Message
		for _, line := range fix.Preview(r.Fixes[0]) {
			class := "ins"
			if line.Sign == '-' {
				class = "del"
			}
			f.Lines = append(f.Lines, diffLine{class, string(line.Sign) + line.Text})
		}
	}
	return f
}
