// Package plugin makes the auditor a linter of golangci-lint.
//
// A golangci-lint with it is built from a file .custom-gcl.yml by golangci-lint custom:
//
//	version: v2.15.0
//	plugins:
//	  - module: github.com/firebreak-go/firebreak/audit
//	    import: github.com/firebreak-go/firebreak/audit/plugin
//	    version: latest
//
// and switched on in .golangci.yml:
//
//	linters:
//	  enable: [firebreakaudit]
//	  settings:
//	    custom:
//	      firebreakaudit:
//	        type: module
//	        settings: {level: error}
package plugin

import (
	"fmt"

	"github.com/golangci/plugin-module-register/register"
	"golang.org/x/tools/go/analysis"

	"github.com/firebreak-go/firebreak/audit"
)

// Name is that of the linter.
const Name = "firebreakaudit"

func init() { //nolint:gochecknoinits // golangci-lint finds plugins by what they register when they are linked
	register.Plugin(Name, New)
}

// Settings are what .golangci.yml may set.
type Settings struct {
	// Config is the configuration file. The default is .firebreak-audit.yaml in the
	// directory of the package, or above it in the module.
	Config string `json:"config"`

	// Level is the least level that is reported: note, warning or error. The default is
	// warning.
	Level string `json:"level"`
}

// New returns the plugin. It reports settings that are not those of [Settings].
func New(settings any) (register.LinterPlugin, error) {
	var s Settings
	if settings != nil {
		var err error
		if s, err = register.DecodeSettings[Settings](settings); err != nil {
			return nil, fmt.Errorf("%s: %w", Name, err)
		}
	}
	for name, value := range map[string]string{"config": s.Config, "level": s.Level} {
		if value == "" {
			continue
		}
		if err := audit.Analyzer.Flags.Set(name, value); err != nil {
			return nil, fmt.Errorf("%s: settings: %w", Name, err)
		}
	}
	return linter{}, nil
}

type linter struct{}

func (linter) BuildAnalyzers() ([]*analysis.Analyzer, error) {
	return []*analysis.Analyzer{audit.Analyzer}, nil
}

func (linter) GetLoadMode() string { return register.LoadModeTypesInfo }
