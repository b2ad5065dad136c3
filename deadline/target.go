package deadline

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"
	"unicode/utf8"
)

// Bounds of what a site keeps of whom it calls.
const (
	maxTargets    = 8
	maxTargetSize = 100 // bytes
)

// targets are whom a site calls: the first few by name, and how often the rest.
type targets struct {
	list atomic.Pointer[[]*targetCount] // replaced, never changed
	rest atomic.Int64
	mu   sync.Mutex // serializes replacements
}

type targetCount struct {
	name  string // as it was given
	calls atomic.Int64
}

// add counts calls to a target.
func (t *targets) add(name string, calls int64) {
	if name == "" {
		return
	}
	if list := t.list.Load(); list != nil {
		for _, target := range *list {
			if target.name == name {
				target.calls.Add(calls)
				return
			}
		}
		if len(*list) == maxTargets {
			t.rest.Add(calls)
			return
		}
	}
	if len(name) > maxTargetSize {
		t.rest.Add(calls)
		return
	}
	t.learn(name, calls)
}

func (t *targets) learn(name string, calls int64) {
	t.mu.Lock()
	var list []*targetCount
	if old := t.list.Load(); old != nil {
		list = *old
	}
	known := slices.ContainsFunc(list, func(target *targetCount) bool { return target.name == name })
	if !known && len(list) < maxTargets {
		list = append(slices.Clone(list), &targetCount{name: strings.Clone(name)})
		t.list.Store(&list)
	}
	t.mu.Unlock()
	t.add(name, calls)
}

// merge adds what other has counted.
func (t *targets) merge(other *targets) {
	if list := other.list.Load(); list != nil {
		for _, target := range *list {
			t.add(target.name, target.calls.Load())
		}
	}
	t.rest.Add(other.rest.Load())
}

// clean returns s as it may be shown: printable, and not too long.
func clean(s string) string {
	long := len(s) > maxTargetSize
	if long {
		s = s[:maxTargetSize]
	}
	if strings.ContainsFunc(s, unprintable) {
		s = strings.Map(func(r rune) rune {
			if unprintable(r) {
				return '?'
			}
			return r
		}, s)
	}
	if long {
		s += "…"
	}
	return s
}

func unprintable(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }
