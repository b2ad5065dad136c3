// Package engine runs the rules over a Program.
package engine

import (
	"cmp"
	"slices"
	"strings"

	"golang.org/x/tools/go/ssa"

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
	Programs map[string]scope.Kind // of commands, by directory, as scope.Scope.Declare takes them

	// Nosec has the suppressions of gosec count that are about timeouts.
	Nosec bool

	// Partial says that the Program is one package of several: a suppression that
	// suppresses nothing in it may be needed in the whole.
	Partial bool
}

// An Engine runs rules over one Program. It is not safe for concurrent use.
type Engine struct {
	pass   rule.Pass // that of all rules
	config Config
}

// New returns an Engine for p.
func New(p *program.Program, config Config) *Engine {
	known := config.Catalog
	if known == nil {
		known = catalog.Default()
	}
	contexts := ctxflow.New(p, known)
	places := scope.New(p, config.Exclude...)
	for dir, kind := range config.Programs {
		places.Declare(dir, kind)
	}
	return &Engine{config: config, pass: rule.Pass{
		Program: p, Contexts: contexts, Objects: object.New(p), Sinks: sink.New(p, known), Scope: places,
		Catalog: known, Settings: config.Settings.WithDefaults(),
	}}
}

// FactOf returns what is worth telling of fn to the packages that import its own, or nil.
func (e *Engine) FactOf(fn *ssa.Function) *ctxflow.Fact {
	return e.pass.Sinks.FactOf(e.pass.Contexts, fn)
}

// Run returns what the rules find in p.
func Run(p *program.Program, config Config) []rule.Finding { return New(p, config).Run() }

// Run returns what the rules find, in the order of the source; what stands in tests,
// examples, generated code and excluded directories is left out. The Level of each finding
// is set, and none is Off.
func (e *Engine) Run() []rule.Finding {
	var findings []rule.Finding
	for _, r := range e.config.Rules {
		if level := e.config.level(r); level != r.Level {
			changed := *r
			changed.Level = level
			r = &changed
		}
		if r.Run == nil || r.Level == rule.Off {
			continue
		}
		pass := e.pass
		pass.Rule = r
		pass.Report = func(f rule.Finding) {
			if e.pass.Scope.At(f.Pos) != scope.Judged {
				return
			}
			f.Rule = r
			if f.Level == rule.Off {
				f.Level = r.Level
			}
			findings = append(findings, f)
		}
		r.Run(&pass)
	}
	findings = append(findings, e.suppressions(findings)...)
	files := e.pass.Program.Fset
	slices.SortStableFunc(findings, func(a, b rule.Finding) int {
		at, bt := files.Position(a.Pos), files.Position(b.Pos)
		return cmp.Or(cmp.Compare(at.Filename, bt.Filename), cmp.Compare(at.Offset, bt.Offset), cmp.Compare(a.Rule.ID, b.Rule.ID))
	})
	return findings
}

// suppressions marks the findings that the code answers, and returns those about the
// answers.
func (e *Engine) suppressions(findings []rule.Finding) []rule.Finding {
	config := e.config
	directives := suppress.Read(e.pass.Program, config.find, config.Nosec)
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
		if e.pass.Scope.At(f.Pos) != scope.Judged {
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
