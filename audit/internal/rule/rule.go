// Package rule says what a rule of the auditor is, and what it finds.
package rule

import (
	"cmp"
	"fmt"
	"go/token"
	"time"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/catalog"
	"github.com/firebreak-go/firebreak/audit/internal/ctxflow"
	"github.com/firebreak-go/firebreak/audit/internal/object"
	"github.com/firebreak-go/firebreak/audit/internal/program"
	"github.com/firebreak-go/firebreak/audit/internal/scope"
	"github.com/firebreak-go/firebreak/audit/internal/sink"
)

// A Level says what a finding means to the exit code.
type Level int

// The levels, from the least to the gravest.
const (
	Off Level = iota
	Note
	Warning
	Error
)

var levels = [...]string{"off", "note", "warning", "error"}

// String returns "off", "note", "warning" or "error".
func (l Level) String() string {
	if l < 0 || int(l) >= len(levels) {
		return fmt.Sprintf("level(%d)", int(l))
	}
	return levels[l]
}

// ParseLevel returns the level with that name.
func ParseLevel(name string) (Level, bool) {
	for l, known := range levels {
		if name == known {
			return Level(l), true
		}
	}
	return Off, false
}

// A Severity is how much harm the missing bound does, whatever the rule's level.
type Severity int

// The severities, from the least to the gravest.
const (
	Low Severity = iota
	Medium
	High
)

var severities = [...]string{"low", "medium", "high"}

// String returns "low", "medium" or "high".
func (s Severity) String() string {
	if s < 0 || int(s) >= len(severities) {
		return fmt.Sprintf("severity(%d)", int(s))
	}
	return severities[s]
}

// A Rule finds one kind of missing bound. Its page, with code that is wrong and code
// that is right, is rules/TA….md.
type Rule struct {
	ID    string      // "TA102"
	Name  string      // "http-client-no-timeout"
	Title string      // one line: what it finds
	Level Level       // unless the configuration says otherwise
	Run   func(*Pass) // nil for a rule that is about the findings of others
}

// Settings are what a configuration changes about all rules.
type Settings struct {
	// CallTimeout is the limit of a whole call that a fix inserts. The default is 30s.
	CallTimeout time.Duration

	// DialTimeout is the limit of a connect or a handshake that a fix inserts. The
	// default is 10s.
	DialTimeout time.Duration

	// HeaderTimeout is the limit a fix gives to a server that reads the header of a
	// request. The default is 10s.
	HeaderTimeout time.Duration
}

// WithDefaults returns s with the defaults in place of zeros.
func (s Settings) WithDefaults() Settings {
	s.CallTimeout = cmp.Or(s.CallTimeout, 30*time.Second)
	s.DialTimeout = cmp.Or(s.DialTimeout, 10*time.Second)
	s.HeaderTimeout = cmp.Or(s.HeaderTimeout, 10*time.Second)
	return s
}

// A Pass is one run of one rule over a Program.
type Pass struct {
	Rule     *Rule
	Program  *program.Program
	Contexts *ctxflow.Flow
	Objects  *object.Table
	Sinks    *sink.Finder
	Scope    *scope.Scope
	Catalog  *catalog.Catalog
	Settings Settings
	Report   func(Finding)
}

// A Finding is one missing bound, at the place where it is missing: the origin of a
// client, say. The places where it hurts are Uses.
type Finding struct {
	Rule     *Rule
	Pos, End token.Pos
	Func     *ssa.Function // that it stands in, or nil at package level
	Severity Severity

	// Level, if it is not Off, is graver or milder than that of the Rule, as in a
	// program that is a command-line tool.
	Level Level

	// Operation is what lacks the bound in its normal form, without names of local
	// variables: "http.Get", "http.Client{}". With rule, package and function it tells
	// findings apart when lines move.
	Operation string

	// Message names the operation, the bound that is missing, and the nearest fix.
	Message string

	Uses       []Place // where what is found is used, worst first
	Provenance []Place // where the context came from, its origin first
	Fixes      []analysis.SuggestedFix

	// Suppressed, if not nil, says that the code answers the finding, and how.
	Suppressed *Suppression
}

// A Suppression is a comment that says why a finding is to be left alone.
type Suppression struct {
	Pos    token.Pos
	Reason string // "" if a bound is missing by design, and the code says no more
}

// A Place is a position with what happens there.
type Place struct {
	Pos     token.Pos
	Message string
}
