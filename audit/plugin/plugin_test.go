package plugin_test

import (
	"strings"
	"testing"

	"github.com/golangci/plugin-module-register/register"

	"github.com/firebreak-go/firebreak/audit"
	"github.com/firebreak-go/firebreak/audit/plugin"
)

func TestPlugin(t *testing.T) {
	build, err := register.GetPlugin("firebreakaudit")
	if err != nil {
		t.Fatal(err)
	}
	made, err := build(map[string]any{"config": "/etc/audit.yaml", "level": "error"})
	if err != nil {
		t.Fatal(err)
	}
	if got := made.GetLoadMode(); got != register.LoadModeTypesInfo {
		t.Errorf("load mode: got %s, want types", got)
	}
	analyzers, err := made.BuildAnalyzers()
	if err != nil || len(analyzers) != 1 || analyzers[0] != audit.Analyzer || analyzers[0].Name != plugin.Name {
		t.Errorf("got %v, %v, want the auditor", analyzers, err)
	}
	if got := audit.Analyzer.Flags.Lookup("config").Value.String(); got != "/etc/audit.yaml" {
		t.Errorf("config: got %q", got)
	}
	if _, err := build(nil); err != nil {
		t.Errorf("without settings: got %v", err)
	}
	for want, settings := range map[string]any{
		`firebreakaudit: settings: level is "loud", want note, warning or error`: map[string]any{"level": "loud"},
		`firebreakaudit: decoding settings: json: unknown field "levels"`:        map[string]any{"levels": "note"},
	} {
		if _, err := build(settings); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want %s", settings, err, want)
		}
	}
}
