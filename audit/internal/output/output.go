// Package output prints what a run found, for people and for programs.
package output

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/firebreak-go/firebreak/audit/internal/baseline"
	"github.com/firebreak-go/firebreak/audit/internal/result"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// A Run is one run of the auditor.
type Run struct {
	Version  string           // of the auditor
	Dir      string           // that the files are named from
	Module   string           // its path, or "" if it is not known
	Rules    []*rule.Rule     // all there are, in the order of their IDs
	Results  []*result.Result // in the order of the source
	Problems []error          // why packages were not audited

	// Baseline says that the results were compared with one. Fixed are those of its
	// entries that are gone.
	Baseline bool
	Fixed    []baseline.Entry

	// Runtime says that a running service was asked. Unmatched are the places it showed
	// that no finding stands for.
	Runtime   bool
	Unmatched []Unmatched

	// Verbose prints uses, contexts and fixes, and what a baseline has.
	Verbose bool

	// Page returns the page of a rule, as Markdown.
	Page func(*rule.Rule) string
}

// An Unmatched is a place where a running service made calls without a deadline, and that
// no finding stands for.
type Unmatched struct {
	Op        string
	Func      string // with its package
	File      string // import path and name
	Line      int
	Calls     int64
	MaxMillis int64
}

// place returns the file and line of u with what is to stand behind them, or "" if they are
// not known.
func (u Unmatched) place(behind string) string {
	if u.Line == 0 {
		return ""
	}
	return fmt.Sprintf("%s:%d%s", u.File, u.Line, behind)
}

// Open returns the results that nobody has answered: neither suppressed, nor in the
// baseline.
func (r *Run) Open() []*result.Result {
	return filter(r.Results, func(x *result.Result) bool { return x.Suppressed == nil && x.Status != result.Unchanged })
}

// WorstFirst returns results by level, severity, rule and place.
func WorstFirst(results []*result.Result) []*result.Result {
	sorted := slices.Clone(results)
	slices.SortStableFunc(sorted, func(a, b *result.Result) int {
		return cmp.Or(-cmp.Compare(a.Level, b.Level), -cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.Rule.ID, b.Rule.ID))
	})
	return sorted
}

// Summary says in a line what was found.
func (r *Run) Summary() string {
	open := r.Open()
	var parts []string
	for _, level := range []rule.Level{rule.Error, rule.Warning, rule.Note} {
		if n := len(filter(open, func(x *result.Result) bool { return x.Level == level })); n > 0 {
			parts = append(parts, Count(n, level.String()))
		}
	}
	text := "nothing found"
	if len(parts) > 0 {
		text = strings.Join(parts, ", ")
	}
	var others []string
	if n := len(filter(r.Results, func(x *result.Result) bool { return x.Suppressed == nil && x.Status == result.Unchanged })); n > 0 {
		others = append(others, fmt.Sprintf("%d in the baseline", n))
	}
	if n := len(r.Fixed); n > 0 {
		others = append(others, fmt.Sprintf("%d of the baseline fixed", n))
	}
	if n := len(filter(r.Results, func(x *result.Result) bool { return x.Suppressed != nil })); n > 0 {
		others = append(others, fmt.Sprintf("%d suppressed", n))
	}
	if n := len(r.Unmatched); n > 0 {
		others = append(others, fmt.Sprintf("%d seen at run time only", n))
	}
	if n := len(r.Problems); n > 0 {
		others = append(others, Count(n, "problem")+" with the code itself")
	}
	if len(others) > 0 {
		text += " (" + strings.Join(others, ", ") + ")"
	}
	return text
}

// Count returns a number of things, as in "1 file" and "2 files".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func filter(results []*result.Result, keep func(*result.Result) bool) []*result.Result {
	var kept []*result.Result
	for _, r := range results {
		if keep(r) {
			kept = append(kept, r)
		}
	}
	return kept
}

// seen says what a running service showed of r, or "".
func seen(r *result.Result) string {
	if r.Seen == nil {
		return ""
	}
	return fmt.Sprintf("seen at run time: %s without a deadline, the longest took %s", calls(r.Seen.Calls), millis(r.Seen.MaxMillis))
}

// calls returns a number of calls, as in "41,233 calls".
func calls(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	if n == 1 {
		return digits + " call"
	}
	return digits + " calls"
}

func millis(ms int64) string {
	if ms < 1000 {
		return fmt.Sprintf("%dms", ms)
	}
	return fmt.Sprintf("%.1fs", float64(ms)/1000)
}
