// Package result has findings without their program: what is printed, compared with a
// baseline, and fixed.
package result

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"go/token"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/program"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// A Result is a finding for people and other programs.
type Result struct {
	Rule     *rule.Rule
	Level    rule.Level
	Severity rule.Severity

	At        Span
	Package   string // its import path
	Func      string // "New", "(*Client).Do", "New$1" for a literal in New, or "" at package level
	Operation string
	Message   string
	Source    string // the line of At, without its indentation

	Uses       []Place
	Provenance []Place
	Fixes      []Fix

	// Key tells the finding from all others in the run, and does not change when lines
	// move: rule, package, function, operation, and which of several of these it is.
	Key string

	// LineHash is that of Source.
	LineHash string

	Suppressed *Suppression
	Status     Status
	Seen       *Seen // nil if no running service was asked
}

// A Span is a part of a file.
type Span struct {
	Package            string // its import path, or "" if it is not audited
	File               string // with slashes, from the directory of the run; absolute if it is not below
	Line, Column       int    // from 1; the column counts bytes
	EndLine, EndColumn int    // just behind; 0 if not known
}

// String returns file:line:column.
func (s Span) String() string { return fmt.Sprintf("%s:%d:%d", s.File, s.Line, s.Column) }

// A Place is a span with what happens there.
type Place struct {
	At      Span
	Message string
}

// A Fix is one way to put things right.
type Fix struct {
	Message string
	Edits   []Edit
}

// An Edit replaces the bytes from Start to End of a file. At is the same in lines.
type Edit struct {
	Path       string // of the file, absolute
	Size       int    // of the file as it was audited, in bytes
	At         Span
	Start, End int
	New        string
}

// A Suppression is how the code answers a finding.
type Suppression struct {
	At     Span
	Reason string
}

// A Status says how a finding stands to a baseline.
type Status string

// The statuses. Without a baseline there is none.
const (
	New       Status = "new"
	Unchanged Status = "unchanged"
)

// Seen is what a running service showed of a finding.
type Seen struct {
	Calls     int64 // without a deadline
	MaxMillis int64 // the longest of them
}

// A Collector makes Results of the findings of one Program.
type Collector struct {
	program  *program.Program
	dir      string
	packages map[*token.File]*program.Package
	lines    map[string][]string
	ordinals map[string]int
}

// NewCollector returns a Collector that names files from dir, an absolute path.
func NewCollector(p *program.Program, dir string) *Collector {
	c := &Collector{
		program: p, dir: dir,
		packages: make(map[*token.File]*program.Package), lines: make(map[string][]string), ordinals: make(map[string]int),
	}
	for _, pkg := range p.Packages {
		for _, syntax := range pkg.Files {
			c.packages[p.Fset.File(syntax.FileStart)] = pkg
		}
	}
	return c
}

// Add returns the Result of f. Findings must come in the order of the source, for keys to
// be the same in each run.
func (c *Collector) Add(f rule.Finding) *Result {
	r := &Result{
		Rule: f.Rule, Level: f.Level, Severity: f.Severity, At: c.span(f.Pos, f.End),
		Operation: f.Operation, Message: f.Message,
		Uses: c.places(f.Uses), Provenance: c.places(f.Provenance),
	}
	r.Package, r.Func = c.enclosing(f)
	r.Source = c.source(f.Pos)
	sum := sha256.Sum256([]byte(r.Source))
	r.LineHash = hex.EncodeToString(sum[:8])
	base := strings.Join([]string{r.Rule.ID, r.Package, r.Func, r.Operation}, " | ")
	c.ordinals[base]++
	r.Key = fmt.Sprintf("%s | %d", base, c.ordinals[base])
	if f.Suppressed != nil {
		r.Suppressed = &Suppression{At: c.span(f.Suppressed.Pos, token.NoPos), Reason: f.Suppressed.Reason}
	}
	for _, fix := range f.Fixes {
		made := Fix{Message: fix.Message}
		for _, edit := range fix.TextEdits {
			e, ok := c.edit(edit.Pos, edit.End, edit.NewText)
			if !ok {
				made.Edits = nil
				break
			}
			made.Edits = append(made.Edits, e)
		}
		if len(made.Edits) > 0 {
			r.Fixes = append(r.Fixes, made)
		}
	}
	return r
}

func (c *Collector) places(all []rule.Place) []Place {
	var places []Place
	for _, p := range all {
		if p.Pos.IsValid() {
			places = append(places, Place{At: c.span(p.Pos, token.NoPos), Message: p.Message})
		}
	}
	return places
}

func (c *Collector) span(pos, end token.Pos) Span {
	at := c.program.Fset.Position(pos)
	s := Span{File: c.name(at.Filename), Line: at.Line, Column: at.Column}
	if pkg := c.packages[c.program.Fset.File(pos)]; pkg != nil {
		s.Package = pkg.Path
	}
	if end.IsValid() && end > pos {
		if behind := c.program.Fset.Position(end); behind.Filename == at.Filename {
			s.EndLine, s.EndColumn = behind.Line, behind.Column
		}
	}
	return s
}

func (c *Collector) name(file string) string {
	if name, err := filepath.Rel(c.dir, file); err == nil && filepath.IsLocal(name) {
		file = name
	}
	return filepath.ToSlash(file)
}

// edit returns the edit of a file as it lies on the disk. One in a file that the go
// command generated, as for cgo, is none.
func (c *Collector) edit(pos, end token.Pos, text []byte) (Edit, bool) {
	if !end.IsValid() {
		end = pos
	}
	start, behind := c.program.Fset.PositionFor(pos, false), c.program.Fset.PositionFor(end, false)
	if shown := c.program.Fset.Position(pos); shown.Filename != start.Filename || behind.Filename != start.Filename {
		return Edit{}, false
	}
	at := Span{File: c.name(start.Filename), Line: start.Line, Column: start.Column, EndLine: behind.Line, EndColumn: behind.Column}
	size := c.program.Fset.File(pos).Size()
	return Edit{Path: start.Filename, Size: size, At: at, Start: start.Offset, End: behind.Offset, New: string(text)}, true
}

// enclosing returns the package and the function that f stands in.
func (c *Collector) enclosing(f rule.Finding) (pkg, function string) {
	if f.Func != nil {
		if in := c.program.PackageOf(f.Func); in != nil {
			return in.Path, f.Func.RelString(in.Types)
		}
	}
	if in := c.packages[c.program.Fset.File(f.Pos)]; in != nil {
		return in.Path, innermost(in, f.Pos)
	}
	return "", ""
}

// innermost returns the name of the function of pkg that pos is in, or "".
func innermost(pkg *program.Package, pos token.Pos) string {
	var found *ssa.Function
	for _, fn := range pkg.Funcs {
		if syntax := fn.Syntax(); syntax != nil && syntax.Pos() <= pos && pos < syntax.End() {
			found = fn // the functions come in source order: the last is the innermost
		}
	}
	if found == nil {
		return ""
	}
	return found.RelString(pkg.Types)
}

// source returns the line of pos, or "" if its file cannot be read.
func (c *Collector) source(pos token.Pos) string {
	at := c.program.Fset.Position(pos)
	lines, ok := c.lines[at.Filename]
	if !ok {
		if text, err := os.ReadFile(at.Filename); err == nil {
			lines = strings.Split(string(text), "\n")
		}
		c.lines[at.Filename] = lines
	}
	if at.Line < 1 || at.Line > len(lines) {
		return ""
	}
	return strings.TrimSpace(lines[at.Line-1])
}
