// Package catalog knows libraries: which of their calls block, which argument bounds
// them, and what bound they have by default, by version.
//
// What it knows is data: libraries.yaml, which is part of the program, and what users add
// in the same form.
package catalog

import (
	_ "embed"
	"errors"
	"fmt"
	"go/types"
	"slices"
	"strings"
	"sync"
)

// A Class says what a call means for the context that it is given.
type Class string

// The classes.
const (
	// Blocks is a call that waits for a peer until its context ends, and has no bound of
	// its own.
	Blocks Class = "blocks"

	// Bounded is a call that has a bound of its own by default.
	Bounded Class = "bounded"

	// Keeps is a constructor that keeps the context for later: a deadline would end what
	// it makes.
	Keeps Class = "keeps"

	// Stream is a call that opens a stream, which lives as long as its context.
	Stream Class = "stream"

	// Endless is a call that is meant to wait for ever: a consumer's, a watcher's, a lock's.
	Endless Class = "endless"

	// Instant is a call that waits for nobody.
	Instant Class = "instant"

	// Ignores is a call that waits for a peer, and does not honour its context.
	Ignores Class = "ignores"

	// Limits is a function that gives the contexts it returns, and those that it calls
	// functions with, a deadline.
	Limits Class = "limits"

	// Middleware is a function that gives the requests of a server a deadline.
	Middleware Class = "middleware"

	// Unlimited is a constructor of what has no bound unless one of its Options is used.
	Unlimited Class = "unlimited"
)

var classes = []Class{Blocks, Bounded, Keeps, Stream, Endless, Instant, Ignores, Limits, Middleware, Unlimited}

// Version is the version of the form of the data.
const Version = 1

// A Table is a file of data.
type Table struct {
	Version   int       `yaml:"version"`
	Libraries []Library `yaml:"libraries"`
}

// A Library is what is known of some packages.
type Library struct {
	// Packages are import paths. One that ends with /... stands for what lies below as
	// well, a * for what is no slash.
	Packages []string `yaml:"packages"`

	// Versions are those of the module for which this holds, as comparisons that must all
	// be true: ">=v1.10.0 <v2.0.0". Empty means all. Where the version is not known, it
	// counts as the newest.
	Versions string `yaml:"versions,omitempty"`

	Calls []Entry `yaml:"calls"`
}

// An Entry is what is known of some functions of a Library. The first that fits counts.
type Entry struct {
	// Names are those of functions and of methods, as in "Dial" and "Client.Get", where a
	// * stands for anything: "*.Close".
	Names []string `yaml:"names"`

	Is Class `yaml:"is"`

	// Context is the index of the context among the parameters, not counting the
	// receiver. The default is the first that is a context.
	Context *int `yaml:"context,omitempty"`

	// Severity of a missing bound in a service: "low", "medium" or "high". The default
	// is "medium".
	Severity string `yaml:"severity,omitempty"`

	// Note says in a few words what bounds the call, or what does not, for messages.
	Note string `yaml:"note,omitempty"`

	// Fix is the nearest fix, for messages. The default is a context with a deadline.
	Fix string `yaml:"fix,omitempty"`

	// Options are the functions, methods and fields that bound what an Unlimited call
	// makes.
	Options []string `yaml:"options,omitempty"`
}

// A Catalog is what is known of libraries. It may be used by many goroutines.
type Catalog struct {
	libraries []library

	mu    sync.Mutex
	paths map[string][]int // guarded by mu: the libraries that a package is in, by import path
}

type library struct {
	Library
	matches  []func(string) bool
	versions versions
}

//go:embed libraries.yaml
var builtin []byte

var standard = sync.OnceValue(func() *Catalog {
	c, err := Parse("libraries.yaml", builtin)
	if err != nil {
		panic(err) // a test reads it
	}
	return c
})

// Default returns the catalog that comes with the auditor.
func Default() *Catalog { return standard() }

// New returns a Catalog of libraries, of which those that come first count more. It
// reports the first that is wrong.
func New(libraries ...Library) (*Catalog, error) {
	c := &Catalog{paths: make(map[string][]int)}
	for i, l := range libraries {
		if err := c.add(l); err != nil {
			return nil, fmt.Errorf("libraries[%d]: %w", i, err)
		}
	}
	return c, nil
}

// With returns a Catalog that knows what c does, and libraries first.
func (c *Catalog) With(libraries ...Library) (*Catalog, error) {
	extended, err := New(libraries...)
	if err != nil {
		return nil, err
	}
	extended.libraries = append(extended.libraries, c.libraries...)
	return extended, nil
}

// Over returns a Catalog that knows what c does, and where it knows nothing, what base
// does.
func (c *Catalog) Over(base *Catalog) *Catalog {
	return &Catalog{libraries: slices.Concat(c.libraries, base.libraries), paths: make(map[string][]int)}
}

func (c *Catalog) add(l Library) error {
	if len(l.Packages) == 0 {
		return errors.New("packages is empty, want import paths")
	}
	made := library{Library: l}
	for _, pattern := range l.Packages {
		made.matches = append(made.matches, pathPattern(pattern))
	}
	var err error
	if made.versions, err = parseVersions(l.Versions); err != nil {
		return fmt.Errorf("versions of %s: %w", l.Packages[0], err)
	}
	for _, entry := range l.Calls {
		if len(entry.Names) == 0 {
			return fmt.Errorf("a call of %s has no names", l.Packages[0])
		}
		if !slices.Contains(classes, entry.Is) {
			return fmt.Errorf("%s of %s: its class is %q, want one of %v", entry.Names[0], l.Packages[0], entry.Is, classes)
		}
		if !slices.Contains([]string{"", "low", "medium", "high"}, entry.Severity) {
			return fmt.Errorf("%s of %s: severity is %q, want low, medium or high", entry.Names[0], l.Packages[0], entry.Severity)
		}
		if entry.Is == Unlimited && len(entry.Options) == 0 {
			return fmt.Errorf("%s of %s: options is empty, want what bounds it", entry.Names[0], l.Packages[0])
		}
	}
	c.libraries = append(c.libraries, made)
	return nil
}

// Find returns what is known of fn, or nil. versionOf returns the version of the module
// that provides a package, or "" where it is not known; it may be nil.
func (c *Catalog) Find(fn *types.Func, versionOf func(importPath string) string) *Entry {
	if fn == nil || fn.Pkg() == nil {
		return nil
	}
	return c.Named(fn.Pkg().Path(), Name(fn), versionOf)
}

// Named returns what is known of the function of that name, as in "Client.Get", in the
// package path, or nil.
func (c *Catalog) Named(path, name string, versionOf func(importPath string) string) *Entry {
	for _, i := range c.of(path) {
		l := &c.libraries[i]
		if len(l.versions) > 0 {
			version := ""
			if versionOf != nil {
				version = versionOf(path)
			}
			if !l.versions.hold(version) {
				continue
			}
		}
		for j := range l.Calls {
			for _, pattern := range l.Calls[j].Names {
				if glob(pattern, name) {
					return &l.Calls[j]
				}
			}
		}
	}
	return nil
}

// of returns the libraries that the package path is in.
func (c *Catalog) of(path string) []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	found, ok := c.paths[path]
	if ok {
		return found
	}
	for i := range c.libraries {
		if slices.ContainsFunc(c.libraries[i].matches, func(fits func(string) bool) bool { return fits(path) }) {
			found = append(found, i)
		}
	}
	c.paths[path] = found
	return found
}

// Name returns the name of fn as it stands in an Entry: "Dial", "Client.Get".
func Name(fn *types.Func) string {
	recv := fn.Signature().Recv()
	if recv == nil {
		return fn.Name()
	}
	t := types.Unalias(recv.Type())
	if pointer, ok := t.(*types.Pointer); ok {
		t = types.Unalias(pointer.Elem())
	}
	if named, ok := t.(*types.Named); ok {
		return named.Obj().Name() + "." + fn.Name()
	}
	return fn.Name()
}

// pathPattern returns what reports whether an import path fits pattern.
func pathPattern(pattern string) func(string) bool {
	below, deep := strings.CutSuffix(pattern, "/...")
	return func(path string) bool {
		if !deep {
			return globPath(pattern, path)
		}
		for prefix := path; ; {
			if globPath(below, prefix) {
				return true
			}
			slash := strings.LastIndexByte(prefix, '/')
			if slash < 0 {
				return false
			}
			prefix = prefix[:slash]
		}
	}
}

// globPath is glob where a * ends at a slash.
func globPath(pattern, path string) bool {
	if !strings.Contains(pattern, "*") {
		return pattern == path
	}
	want, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		if !glob(want[i], got[i]) {
			return false
		}
	}
	return true
}

// glob reports whether name fits pattern, in which a * stands for anything.
func glob(pattern, name string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == name
	}
	name, ok := strings.CutPrefix(name, first)
	if !ok {
		return false
	}
	for {
		piece, more, another := strings.Cut(rest, "*")
		if !another {
			return strings.HasSuffix(name, piece)
		}
		at := strings.Index(name, piece)
		if at < 0 {
			return false
		}
		name, rest = name[at+len(piece):], more
	}
}
