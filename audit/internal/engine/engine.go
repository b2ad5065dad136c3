// Package engine runs the rules over a Program.
package engine

import (
	"cmp"
	"slices"
	"strings"

	"github.com/firebreak-go/firebreak/audit/internal/catalog"
	"github.com/firebreak-go/firebreak/audit/internal/ctxflow"
	"github.com/firebreak-go/firebreak/audit/internal/object"
	"github.com/firebreak-go/firebreak/audit/internal/program"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
	"github.com/firebreak-go/firebreak/audit/internal/scope"
	"github.com/firebreak-go/firebreak/audit/internal/sink"
	"github.com/firebreak-go/firebreak/audit/internal/suppress"
)

// A Config says which rules run, and how.
type Config struct {
	Catalog  *catalog.Catalog      // nil is that which comes with the auditor
	Rules    []*rule.Rule          // those whose level is Off do not run
	Levels   map[string]rule.Level // by the ID of a rule, where it is not the rule's own
	Settings rule.Settings         // zero fields are defaults
	Exclude  []string              // directories, as scope.New takes them

	// Partial says that the Program is one package of several: a suppression that
	// suppresses nothing in it may be needed in the whole.
	Partial bool
}

// Run returns what the rules find in p, in the order of the source; what stands in tests,
// examples, generated code and excluded directories is left out. The Level of each finding
// is set, and none is Off.
func Run(p *program.Program, config Config) []rule.Finding {
	known := config.Catalog
	if known == nil {
		known = catalog.Default()
	}
	var findings []rule.Finding
	contexts, objects, places := ctxflow.New(p, known), object.New(p), scope.New(p, config.Exclude...)
	sinks := sink.New(p, known)
	for _, r := range config.Rules {
		if level := config.level(r); level != r.Level {
			changed := *r
			changed.Level = level
			r = &changed
		}
		if r.Run == nil || r.Level == rule.Off {
			continue
		}
		r.Run(&rule.Pass{
			Rule: r, Program: p, Contexts: contexts, Objects: objects, Sinks: sinks, Scope: places, Catalog: known,
			Settings: config.Settings.WithDefaults(),
			Report: func(f rule.Finding) {
				if places.At(f.Pos) != scope.Judged {
					return
				}
				f.Rule = r
				if f.Level == rule.Off {
					f.Level = r.Level
				}
				findings = append(findings, f)
			},
		})
	}
	findings = append(findings, suppressions(p, config, places, findings)...)
	slices.SortStableFunc(findings, func(a, b rule.Finding) int {
		at, bt := p.Fset.Position(a.Pos), p.Fset.Position(b.Pos)
		return cmp.Or(cmp.Compare(at.Filename, bt.Filename), cmp.Compare(at.Offset, bt.Offset), cmp.Compare(a.Rule.ID, b.Rule.ID))
	})
	return findings
}

// suppressions marks the findings that the code answers, and returns those about the
// answers.
func suppressions(p *program.Program, config Config, places *scope.Scope, findings []rule.Finding) []rule.Finding {
	directives := suppress.Read(p, config.find)
	for i := range findings {
		directives.Apply(&findings[i])
	}
	about := config.find("TA901")
	if about == nil || config.level(about) == rule.Off {
		return nil
	}
	ran := func(r *rule.Rule) bool { return config.level(r) != rule.Off }
	if config.Partial {
		ran = nil
	}
	var stale []rule.Finding
	for _, f := range directives.Stale(ran) {
		if places.At(f.Pos) != scope.Judged {
			continue
		}
		f.Rule, f.Level = about, config.level(about)
		stale = append(stale, f)
	}
	return stale
}

// find returns the rule of that ID or name, or nil.
func (c Config) find(idOrName string) *rule.Rule {
	for _, r := range c.Rules {
		if strings.EqualFold(r.ID, idOrName) || strings.EqualFold(r.Name, idOrName) {
			return r
		}
	}
	return nil
}

func (c Config) level(r *rule.Rule) rule.Level {
	if level, ok := c.Levels[r.ID]; ok {
		return level
	}
	return r.Level
}
