// Package baseline remembers what an earlier run found, so that a later one can tell what
// is new.
//
// It knows findings by rule, package, function and operation, never by line numbers, and
// is written in an order of its own: it changes only where findings do.
package baseline

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/firebreak-go/firebreak/audit/internal/result"
)

// version is that of the file's format.
const version = 1

// ErrVersion is in the error of Read if the file is of another version of the auditor.
var ErrVersion = errors.New("a baseline of another version")

// A Baseline is what an earlier run found.
type Baseline struct {
	Version  int     `json:"version"`
	Findings []Entry `json:"findings"`
}

// An Entry is one finding. Of several that are alike, those with the same line are matched
// first.
type Entry struct {
	Rule      string `json:"rule"`
	Package   string `json:"package"`
	Func      string `json:"func,omitempty"`
	Operation string `json:"operation"`
	LineHash  string `json:"line_hash"`
}

// like is an Entry without its line.
func (e Entry) like() Entry {
	e.LineHash = ""
	return e
}

func entryOf(r *result.Result) Entry {
	return Entry{Rule: r.Rule.ID, Package: r.Package, Func: r.Func, Operation: r.Operation, LineHash: r.LineHash}
}

// Of returns the baseline of results. Those that are suppressed are not part of it.
func Of(results []*result.Result) *Baseline {
	b := &Baseline{Version: version, Findings: []Entry{}}
	for _, r := range results {
		if r.Suppressed == nil {
			b.Findings = append(b.Findings, entryOf(r))
		}
	}
	slices.SortFunc(b.Findings, compare)
	return b
}

func compare(a, b Entry) int {
	return cmp.Or(cmp.Compare(a.Package, b.Package), cmp.Compare(a.Func, b.Func), cmp.Compare(a.Rule, b.Rule),
		cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.LineHash, b.LineHash))
}

// Write writes b to file, whole or not at all.
func (b *Baseline) Write(file string) error {
	text, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(file), ".baseline-*")
	if err != nil {
		return fmt.Errorf("baseline %s: %w", file, err)
	}
	_, err = temporary.Write(append(text, '\n'))
	err = errors.Join(err, temporary.Chmod(0o644), temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), file)
	}
	if err != nil {
		_ = os.Remove(temporary.Name()) // what matters is why it could not be written
		return fmt.Errorf("baseline %s: %w", file, err)
	}
	return nil
}

// Read returns the baseline in file.
func Read(file string) (*Baseline, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("baseline: %w", err)
	}
	var head struct {
		Version *int `json:"version"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, fmt.Errorf("baseline %s: %w", file, err)
	}
	if head.Version == nil {
		return nil, fmt.Errorf("baseline %s: has no version: it is not a file that -write-baseline wrote", file)
	}
	if *head.Version != version {
		return nil, fmt.Errorf("baseline %s: %w: it has version %d, want %d: write it anew with -write-baseline", file, ErrVersion, *head.Version, version)
	}
	var b Baseline
	if err := json.Unmarshal(text, &b); err != nil {
		return nil, fmt.Errorf("baseline %s: %w", file, err)
	}
	return &b, nil
}

// Compare sets the Status of results, and returns the entries that match none of them:
// what was fixed. An entry matches one result. A suppressed one takes its entry with it,
// and is neither new nor fixed.
func (b *Baseline) Compare(results []*result.Result) (fixed []Entry) {
	exact, alike := make(map[Entry]int), make(map[Entry]int)
	for _, e := range b.Findings {
		exact[e]++
		alike[e.like()]++
	}
	var moved []*result.Result
	for _, r := range results {
		e := entryOf(r)
		if exact[e] == 0 {
			moved = append(moved, r)
			continue
		}
		exact[e]--
		alike[e.like()]--
		r.Status = result.Unchanged
	}
	for _, r := range moved {
		like := entryOf(r).like()
		if alike[like] == 0 {
			r.Status = result.New
			continue
		}
		alike[like]--
		r.Status = result.Unchanged
	}
	for _, e := range b.Findings {
		if like := e.like(); alike[like] > 0 && exact[e] > 0 {
			alike[like]--
			exact[e]--
			fixed = append(fixed, e)
		}
	}
	return fixed
}
