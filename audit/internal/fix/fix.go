// Package fix applies fixes to files: all of a fix or none of it, all files or none.
package fix

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/firebreak-go/firebreak/audit/internal/result"
)

// A Plan is what fixes make of files. Nothing is written before [Plan.Write].
type Plan struct {
	Applied []*result.Result // those whose first fix is part of the plan
	Left    []*result.Result // those whose fix overlaps one that is, or would break its file

	files map[string]*file
}

type file struct {
	target        string // the file itself, if its path is that of a link
	before, after []byte
	edits         []result.Edit
	applied       []*result.Result
	mode          fs.FileMode
}

// New plans the first fix of each of results that has one.
func New(results []*result.Result) (*Plan, error) {
	p := &Plan{files: make(map[string]*file)}
	for _, r := range results {
		if len(r.Fixes) == 0 {
			continue
		}
		fits, err := p.add(r, r.Fixes[0].Edits)
		if err != nil {
			return nil, err
		}
		if fits {
			p.Applied = append(p.Applied, r)
		} else {
			p.Left = append(p.Left, r)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(p.files)) {
		if p.files[path] != nil { // it may have been dropped with another
			p.rewrite(path)
		}
	}
	return p, nil
}

// add takes the edits into the plan, unless one overlaps an edit that is there.
func (p *Plan) add(r *result.Result, edits []result.Edit) (fits bool, err error) {
	for _, e := range edits {
		if err := p.open(e); err != nil {
			return false, err
		}
		if slices.ContainsFunc(p.files[e.Path].edits, func(other result.Edit) bool { return e != other && overlap(e, other) }) {
			return false, nil
		}
	}
	for _, e := range edits {
		f := p.files[e.Path]
		if !slices.Contains(f.edits, e) { // two fixes may add the same import
			f.edits = append(f.edits, e)
		}
		if !slices.Contains(f.applied, r) {
			f.applied = append(f.applied, r)
		}
	}
	return true, nil
}

// overlap reports whether the order in which a and b are applied matters. Two insertions
// at the same place are such.
func overlap(a, b result.Edit) bool {
	if a.Start == a.End && b.Start == b.End {
		return a.Start == b.Start
	}
	return a.Start < b.End && b.Start < a.End
}

// open reads the file of e.
func (p *Plan) open(e result.Edit) error {
	if p.files[e.Path] != nil {
		return nil
	}
	info, err := os.Stat(e.Path)
	if err != nil {
		return fmt.Errorf("fix: %w", err)
	}
	target, err := filepath.EvalSymlinks(e.Path)
	if err != nil {
		return fmt.Errorf("fix: %w", err)
	}
	text, err := os.ReadFile(target)
	if err != nil {
		return fmt.Errorf("fix: %w", err)
	}
	if len(text) != e.Size {
		return fmt.Errorf("fix: %s has changed while it was audited: run again", e.Path)
	}
	p.files[e.Path] = &file{target: target, before: text, mode: info.Mode().Perm()}
	return nil
}

// rewrite computes what becomes of the file. If that is no Go, the fixes that touch it are
// taken out of the plan.
func (p *Plan) rewrite(path string) {
	f := p.files[path]
	after, err := format.Source(applied(f.before, f.edits))
	if err == nil {
		_, err = parser.ParseFile(token.NewFileSet(), path, after, parser.SkipObjectResolution)
	}
	if err == nil {
		f.after = after
		return
	}
	for _, r := range f.applied {
		p.drop(r)
	}
}

// drop takes the fix of r out of the plan, and so what it does to other files.
func (p *Plan) drop(r *result.Result) {
	if i := slices.Index(p.Applied, r); i >= 0 {
		p.Applied = slices.Delete(p.Applied, i, i+1)
		p.Left = append(p.Left, r)
	}
	for path, f := range p.files {
		if slices.Contains(f.applied, r) {
			delete(p.files, path)
			for _, other := range f.applied {
				p.drop(other)
			}
		}
	}
}

// applied returns text with the edits done.
func applied(text []byte, edits []result.Edit) []byte {
	edits = slices.Clone(edits)
	slices.SortStableFunc(edits, func(a, b result.Edit) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.End, b.End))
	})
	var out bytes.Buffer
	at := 0
	for _, e := range edits {
		out.Write(text[at:e.Start])
		out.WriteString(e.New)
		at = e.End
	}
	out.Write(text[at:])
	return out.Bytes()
}

// Files returns the paths of the files that change, sorted.
func (p *Plan) Files() []string {
	var changed []string
	for path, f := range p.files {
		if f.after != nil && !bytes.Equal(f.before, f.after) {
			changed = append(changed, path)
		}
	}
	slices.Sort(changed)
	return changed
}

// Write writes the files. All of them are written beside the old ones first, so that none
// is changed if there is no room, or no permission, for one.
func (p *Plan) Write() (err error) {
	temporary := make(map[string]string)
	defer func() {
		for _, name := range temporary {
			err = errors.Join(err, os.Remove(name))
		}
	}()
	for _, path := range p.Files() {
		name, err := writeBeside(p.files[path])
		if name != "" {
			temporary[path] = name
		}
		if err != nil {
			return fmt.Errorf("fix: nothing was changed: cannot write %s: %w", path, cause(err))
		}
	}
	for _, path := range p.Files() {
		if err := os.Rename(temporary[path], p.files[path].target); err != nil {
			return fmt.Errorf("fix: cannot replace %s: %w", path, cause(err))
		}
		delete(temporary, path)
	}
	return nil
}

func writeBeside(f *file) (name string, err error) {
	dir := filepath.Dir(f.target)
	for _, name := range []string{dir, f.target} { // a rename does not ask the file, and an administrator is not asked at all
		if info, err := os.Stat(name); err == nil && info.Mode().Perm()&0o222 == 0 {
			return "", fmt.Errorf("%s is read-only", name)
		}
	}
	temporary, err := os.CreateTemp(dir, ".fix-*")
	if err != nil {
		return "", err
	}
	_, err = temporary.Write(f.after)
	return temporary.Name(), errors.Join(err, temporary.Chmod(f.mode), temporary.Sync(), temporary.Close())
}

// cause returns why a file operation failed, without the name of the temporary file.
func cause(err error) error {
	if of, ok := errors.AsType[*fs.PathError](err); ok {
		return of.Err
	}
	return err
}

// A Line is one of a comparison: Sign is '-', '+' or ' '.
type Line struct {
	Sign byte
	Text string
}

// Preview returns what f changes, in lines, or nil if its file cannot be read.
func Preview(f result.Fix) []Line {
	byFile := make(map[string][]result.Edit)
	var paths []string
	for _, e := range f.Edits {
		if byFile[e.Path] == nil {
			paths = append(paths, e.Path)
		}
		byFile[e.Path] = append(byFile[e.Path], e)
	}
	var lines []Line
	for _, path := range paths {
		before, err := os.ReadFile(path)
		if err != nil || len(before) != byFile[path][0].Size {
			return nil
		}
		after := applied(before, byFile[path])
		if formatted, err := format.Source(after); err == nil {
			after = formatted
		}
		lines = append(lines, compare(string(before), string(after))...)
	}
	return lines
}

// compare returns the lines that differ, those of before first in each run of them.
func compare(before, after string) []Line {
	a, b := strings.SplitAfter(before, "\n"), strings.SplitAfter(after, "\n")
	var lines []Line
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		if i < len(a) && j < len(b) && a[i] == b[j] {
			i, j = i+1, j+1
			continue
		}
		ni, nj := nextCommon(a[i:], b[j:])
		for ni > 0 && nj > 0 && a[i+ni-1] == b[j+nj-1] { // a line that is empty in both
			ni, nj = ni-1, nj-1
		}
		for _, text := range a[i : i+ni] {
			lines = append(lines, Line{'-', strings.TrimRight(text, "\n")})
		}
		for _, text := range b[j : j+nj] {
			lines = append(lines, Line{'+', strings.TrimRight(text, "\n")})
		}
		i, j = i+ni, j+nj
	}
	return lines
}

// nextCommon returns how many lines of a and of b come before two that are alike, the
// fewest in all, or all of both.
func nextCommon(a, b []string) (i, j int) {
	const far = 200 // a fix is small; beyond it the rest is shown as changed
	for sum := 1; sum < min(len(a)+len(b), far); sum++ {
		for i := max(0, sum-len(b)+1); i <= min(sum, len(a)-1); i++ {
			if j := sum - i; j < len(b) && a[i] == b[j] && strings.TrimSpace(a[i]) != "" {
				return i, j
			}
		}
	}
	return len(a), len(b)
}
