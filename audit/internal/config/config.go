// Package config reads .firebreak-audit.yaml.
//
//	rules:                # by ID or name
//	  TA402: off          # off, note, warning, error
//	  sql-no-context: warning
//	fail-on: error        # the least level that makes the exit code 1; off: none does
//	exclude:              # directories that are not judged, from the root of the module, or names of directories
//	  - internal/legacy
//	programs:             # what a command is, where the auditor takes it for the other
//	  cmd/migrate: tool   # or service
//	catalogs:             # files that say more of libraries, in the form of the auditor's own, from this file
//	  - libraries.yaml
//	fix:                  # what -fix inserts
//	  call-timeout: 30s
//	  dial-timeout: 10s
//	  header-timeout: 10s
package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/firebreak-go/firebreak/audit/internal/catalog"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
	"github.com/firebreak-go/firebreak/audit/internal/scope"
)

// Name is the name of the file.
const Name = ".firebreak-audit.yaml"

// A Config is what a configuration says. The zero Config is the default but for FailOn.
type Config struct {
	Levels   map[string]rule.Level // by the ID of a rule
	FailOn   rule.Level            // Off means that no finding makes the run fail
	Exclude  []string
	Programs map[string]scope.Kind // by directory, from the root of the module
	Settings rule.Settings
	Catalog  *catalog.Catalog // nil is that which comes with the auditor
	Nosec    bool             // suppressions of gosec count, too
}

// Default returns the configuration where there is no file.
func Default() *Config { return &Config{FailOn: rule.Error} }

// Find returns the path of the file that counts for dir: in it, or in the nearest
// directory above, as far as the root of the module. It is "" if there is none.
func Find(dir string) string {
	for {
		file := filepath.Join(dir, Name)
		if _, err := os.Stat(file); err == nil {
			return file
		}
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return ""
		}
		above := filepath.Dir(dir)
		if above == dir {
			return ""
		}
		dir = above
	}
}

// Read returns the configuration in the file. Its error has a line for each problem, with
// the line of the file and the key. known finds a rule by ID or name, or returns nil.
func Read(file string, known func(idOrName string) *rule.Rule) (*Config, error) {
	text, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	defer text.Close()
	var document yaml.Node
	if err := yaml.NewDecoder(text).Decode(&document); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	r := reader{file: file, known: known}
	config := Default()
	if len(document.Content) > 0 {
		r.mapping("", document.Content[0], r.keys(config))
	}
	return config, errors.Join(r.problems...)
}

// A reader collects the problems of a file.
type reader struct {
	file     string
	known    func(string) *rule.Rule
	problems []error
}

func (r *reader) problemf(node *yaml.Node, format string, args ...any) {
	r.problems = append(r.problems, fmt.Errorf("%s:%d: "+format, append([]any{r.file, node.Line}, args...)...))
}

// A key reads the value of one key, whose full name is path.
type key func(path string, value *yaml.Node)

func (r *reader) keys(c *Config) map[string]key {
	return map[string]key{
		"rules":    func(path string, value *yaml.Node) { c.Levels = r.levels(path, value) },
		"fail-on":  func(path string, value *yaml.Node) { c.FailOn = r.level(path, value) },
		"exclude":  func(path string, value *yaml.Node) { c.Exclude = r.directories(path, value) },
		"catalogs": func(path string, value *yaml.Node) { c.Catalog = r.catalog(path, value) },
		"programs": func(path string, value *yaml.Node) {
			c.Programs = make(map[string]scope.Kind)
			r.pairs(path, value, func(path string, dir, kind *yaml.Node) {
				known, ok := map[string]scope.Kind{"service": scope.Service, "tool": scope.Tool}[kind.Value]
				if !ok {
					r.problemf(kind, "%s is %s, want service or tool", path, shown(kind))
				}
				c.Programs[filepath.ToSlash(filepath.Clean(dir.Value))] = known
			})
		},
		"compat-nosec": func(path string, value *yaml.Node) { c.Nosec = r.boolean(path, value) },
		"fix": func(path string, value *yaml.Node) {
			r.mapping(path, value, map[string]key{
				"call-timeout":   func(path string, value *yaml.Node) { c.Settings.CallTimeout = r.duration(path, value) },
				"dial-timeout":   func(path string, value *yaml.Node) { c.Settings.DialTimeout = r.duration(path, value) },
				"header-timeout": func(path string, value *yaml.Node) { c.Settings.HeaderTimeout = r.duration(path, value) },
			})
		},
	}
}

// pairs calls each for the keys of a mapping, each once.
func (r *reader) pairs(path string, node *yaml.Node, each func(path string, name, value *yaml.Node)) {
	if node.Kind == yaml.ScalarNode && node.Tag == "!!null" {
		return // a key whose values are commented out
	}
	if node.Kind != yaml.MappingNode {
		r.problemf(node, "%swant keys and values, as in rules: {TA102: error}", prefix(path))
		return
	}
	seen := make(map[string]bool)
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := node.Content[i], node.Content[i+1]
		full := strings.TrimPrefix(path+"."+name.Value, ".")
		if seen[name.Value] {
			r.problemf(name, "%s is there twice", full)
			continue
		}
		seen[name.Value] = true
		each(full, name, value)
	}
}

func (r *reader) mapping(path string, node *yaml.Node, keys map[string]key) {
	r.pairs(path, node, func(path string, name, value *yaml.Node) {
		read := keys[name.Value]
		if read == nil {
			r.problemf(name, "%s is no key, want %s", path, oneOf(keys))
			return
		}
		read(path, value)
	})
}

func (r *reader) levels(path string, node *yaml.Node) map[string]rule.Level {
	levels := make(map[string]rule.Level)
	r.pairs(path, node, func(path string, name, value *yaml.Node) {
		known := r.known(name.Value)
		if known == nil {
			r.problemf(name, "%s is no rule", path)
			return
		}
		levels[known.ID] = r.level(path, value)
	})
	return levels
}

func (r *reader) level(path string, node *yaml.Node) rule.Level {
	level, ok := rule.ParseLevel(node.Value)
	if node.Kind != yaml.ScalarNode || !ok {
		r.problemf(node, "%s is %s, want off, note, warning or error", path, shown(node))
	}
	return level
}

func (r *reader) directories(path string, node *yaml.Node) []string {
	var all []string
	for _, name := range r.strings(path, node) {
		if filepath.IsAbs(name) || strings.HasPrefix(name, "..") {
			r.problemf(node, "%s has %q, want a directory of the module, as in internal/legacy", path, name)
			continue
		}
		all = append(all, filepath.ToSlash(filepath.Clean(name)))
	}
	return all
}

// strings returns the elements of a list, none of which is empty.
func (r *reader) strings(path string, node *yaml.Node) []string {
	if node.Kind == yaml.ScalarNode && node.Tag == "!!null" {
		return nil
	}
	if node.Kind != yaml.SequenceNode {
		r.problemf(node, "%s is %s, want a list", path, shown(node))
		return nil
	}
	var all []string
	for _, item := range node.Content {
		if item.Kind != yaml.ScalarNode || item.Value == "" {
			r.problemf(item, "%s has %s, want text", path, shown(item))
			continue
		}
		all = append(all, item.Value)
	}
	return all
}

// catalog returns the catalog of the auditor with what the files say before it.
func (r *reader) catalog(path string, node *yaml.Node) *catalog.Catalog {
	known := catalog.Default()
	for _, name := range slices.Backward(r.strings(path, node)) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(r.file), name)
		}
		text, err := os.ReadFile(name)
		if err != nil {
			r.problemf(node, "%s: %w", path, err)
			continue
		}
		more, err := catalog.Parse(name, text)
		if err != nil {
			r.problemf(node, "%s: %w", path, err)
			continue
		}
		known = more.Over(known)
	}
	return known
}

func (r *reader) boolean(path string, node *yaml.Node) (yes bool) {
	if node.Tag != "!!bool" || node.Decode(&yes) != nil {
		r.problemf(node, "%s is %s, want true or false", path, shown(node))
	}
	return yes
}

func (r *reader) duration(path string, node *yaml.Node) time.Duration {
	d, err := time.ParseDuration(node.Value)
	if err != nil || d <= 0 {
		r.problemf(node, "%s is %s, want a time over 0, as in 30s", path, shown(node))
	}
	return d
}

func prefix(path string) string {
	if path == "" {
		return ""
	}
	return path + ": "
}

func shown(node *yaml.Node) string {
	if node.Kind == yaml.MappingNode {
		return "a mapping"
	}
	if node.Kind == yaml.SequenceNode {
		return "a list"
	}
	return fmt.Sprintf("%q", node.Value)
}

func oneOf(keys map[string]key) string {
	names := make([]string, 0, len(keys))
	for name := range keys {
		names = append(names, name)
	}
	slices.Sort(names)
	return "one of " + strings.Join(names, ", ")
}
