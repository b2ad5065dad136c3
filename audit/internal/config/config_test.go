package config_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firebreak-go/firebreak/audit/internal/config"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
	"github.com/firebreak-go/firebreak/audit/internal/scope"
)

func known(idOrName string) *rule.Rule {
	switch idOrName {
	case "TA102", "http-client-no-timeout":
		return &rule.Rule{ID: "TA102"}
	case "TA601":
		return &rule.Rule{ID: "TA601"}
	}
	return nil
}

func read(t *testing.T, text string) (*config.Config, error) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.WriteFile("c.yaml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Read("c.yaml", known)
}

func TestRead(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want *config.Config
	}{
		"nothing": {"", &config.Config{FailOn: rule.Error}},
		"remarks": {"# fail-on: off\n", &config.Config{FailOn: rule.Error}},
		"empty keys": {"rules:\nexclude:\nfix:\n", &config.Config{
			FailOn: rule.Error, Levels: map[string]rule.Level{},
		}},
		"all": {`
rules:
  http-client-no-timeout: warning
  TA601: off
fail-on: note
exclude:
  - internal/legacy/
  - gen
programs:
  cmd/migrate: tool
  ./cmd/api: service
fix:
  call-timeout: 5s
  dial-timeout: 300ms
  header-timeout: 1m
compat-nosec: true
`, &config.Config{
			Nosec:    true,
			Levels:   map[string]rule.Level{"TA102": rule.Warning, "TA601": rule.Off},
			FailOn:   rule.Note,
			Exclude:  []string{"internal/legacy", "gen"},
			Programs: map[string]scope.Kind{"cmd/migrate": scope.Tool, "cmd/api": scope.Service},
			Settings: rule.Settings{CallTimeout: 5 * time.Second, DialTimeout: 300 * time.Millisecond, HeaderTimeout: time.Minute},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := read(t, test.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("config (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadProblems(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"no YAML": {"rules: {", []string{"c.yaml: yaml: line 1: did not find expected node content"}},
		"no keys": {"- TA102", []string{"c.yaml:1: want keys and values, as in rules: {TA102: error}"}},
		"all at once": {`
fail_on: error
rules:
  TA102: loud
  TA103: error
  TA601: [off]
fail-on: 3
exclude: internal
programs:
  cmd/a: daemon
  cmd/b: tool
  cmd/b: tool
fix:
  call-timeout: 0s
  dial-timeout: ten
  other: 1s
compat-nosec: G112
`, []string{
			"c.yaml:2: fail_on is no key, want one of catalogs, compat-nosec, exclude, fail-on, fix, programs, rules",
			`c.yaml:4: rules.TA102 is "loud", want off, note, warning or error`,
			"c.yaml:5: rules.TA103 is no rule",
			"c.yaml:6: rules.TA601 is a list, want off, note, warning or error",
			`c.yaml:7: fail-on is "3", want off, note, warning or error`,
			`c.yaml:8: exclude is "internal", want a list`,
			`c.yaml:10: programs.cmd/a is "daemon", want service or tool`,
			"c.yaml:12: programs.cmd/b is there twice",
			`c.yaml:14: fix.call-timeout is "0s", want a time over 0, as in 30s`,
			`c.yaml:15: fix.dial-timeout is "ten", want a time over 0, as in 30s`,
			"c.yaml:16: fix.other is no key, want one of call-timeout, dial-timeout, header-timeout",
			`c.yaml:17: compat-nosec is "G112", want true or false`,
		}},
		"directories": {"exclude: [/tmp, ../other, '', a: b]", []string{
			`c.yaml:1: exclude has "", want text`,
			"c.yaml:1: exclude has a mapping, want text",
			`c.yaml:1: exclude has "/tmp", want a directory of the module, as in internal/legacy`,
			`c.yaml:1: exclude has "../other", want a directory of the module, as in internal/legacy`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := read(t, test.text)
			if err == nil {
				t.Fatal("got no error")
			}
			if diff := cmp.Diff(test.want, strings.Split(err.Error(), "\n")); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
	if _, err := config.Read(filepath.Join(t.TempDir(), "none.yaml"), known); !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), "configuration: ") {
		t.Errorf("a file that is not there: got %v, want that", err)
	}
}

func TestFind(t *testing.T) {
	root := t.TempDir()
	write := func(name string) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(config.Name)
	write("mod/go.mod")
	write("mod/a/b/x.go")
	if got := config.Find(filepath.Join(root, "mod", "a", "b")); got != "" {
		t.Errorf("above the module: got %s, want none", got)
	}
	write("mod/" + config.Name)
	if got, want := config.Find(filepath.Join(root, "mod", "a", "b")), filepath.Join(root, "mod", config.Name); got != want {
		t.Errorf("at the root of the module: got %s, want %s", got, want)
	}
	write("mod/a/" + config.Name)
	if got, want := config.Find(filepath.Join(root, "mod", "a", "b")), filepath.Join(root, "mod", "a", config.Name); got != want {
		t.Errorf("nearer: got %s, want %s", got, want)
	}
}
