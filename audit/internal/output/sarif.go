package output

import (
	"encoding/json"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf16"

	"github.com/firebreak-go/firebreak/audit/internal/result"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

const (
	sarifSchema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
	homepage    = "https://github.com/firebreak-go/firebreak"

	// fingerprint is the name of Result.Key, with the version of how it is made.
	fingerprint = "firebreakAudit/v1"

	// sourceRoot stands for the directory of the run.
	sourceRoot = "%SRCROOT%"
)

// The parts of SARIF 2.1.0 that are written. The names are those of the standard, which
// says what they mean.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Invocations []sarifInvocation `json:"invocations"`
		ColumnKind  string            `json:"columnKind"`
		Results     []sarifResult     `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		Version        string      `json:"version"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID                   string      `json:"id"`
		Name                 string      `json:"name"`
		ShortDescription     sarifText   `json:"shortDescription"`
		Help                 *sarifText  `json:"help,omitempty"`
		DefaultConfiguration sarifConfig `json:"defaultConfiguration"`
	}
	sarifText struct {
		Text     string `json:"text"`
		Markdown string `json:"markdown,omitempty"`
	}
	sarifConfig struct {
		Enabled bool   `json:"enabled"`
		Level   string `json:"level"`
	}
	sarifInvocation struct {
		ExecutionSuccessful        bool                `json:"executionSuccessful"`
		ToolExecutionNotifications []sarifNotification `json:"toolExecutionNotifications,omitempty"`
	}
	sarifNotification struct {
		Level   string    `json:"level"`
		Message sarifText `json:"message"`
	}
	sarifResult struct {
		RuleID              string             `json:"ruleId"`
		RuleIndex           int                `json:"ruleIndex"`
		Level               string             `json:"level"`
		Message             sarifText          `json:"message"`
		Locations           []sarifLocation    `json:"locations"`
		RelatedLocations    []sarifLocation    `json:"relatedLocations,omitempty"`
		CodeFlows           []sarifCodeFlow    `json:"codeFlows,omitempty"`
		PartialFingerprints map[string]string  `json:"partialFingerprints"`
		Fixes               []sarifFix         `json:"fixes,omitempty"`
		Suppressions        []sarifSuppression `json:"suppressions"` // empty says that it is not suppressed
		BaselineState       string             `json:"baselineState,omitempty"`
		Properties          sarifProperties    `json:"properties"`
	}
	sarifProperties struct {
		Severity  string    `json:"severity"`
		Operation string    `json:"operation,omitempty"`
		Runtime   *jsonSeen `json:"runtime,omitempty"`
	}
	sarifLocation struct {
		ID               *int           `json:"id,omitempty"`
		PhysicalLocation sarifPhysical  `json:"physicalLocation"`
		LogicalLocations []sarifLogical `json:"logicalLocations,omitempty"`
		Message          *sarifText     `json:"message,omitempty"`
	}
	sarifPhysical struct {
		ArtifactLocation sarifArtifact `json:"artifactLocation"`
		Region           sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI       string `json:"uri"`
		URIBaseID string `json:"uriBaseId,omitempty"`
	}
	sarifRegion struct {
		StartLine   int        `json:"startLine"`
		StartColumn int        `json:"startColumn,omitempty"`
		EndLine     int        `json:"endLine,omitempty"`
		EndColumn   int        `json:"endColumn,omitempty"`
		Snippet     *sarifText `json:"snippet,omitempty"`
	}
	sarifLogical struct {
		FullyQualifiedName string `json:"fullyQualifiedName"`
		Kind               string `json:"kind"`
	}
	sarifCodeFlow struct {
		ThreadFlows []sarifThreadFlow `json:"threadFlows"`
	}
	sarifThreadFlow struct {
		Locations []sarifStep `json:"locations"`
	}
	sarifStep struct {
		Location sarifLocation `json:"location"`
	}
	sarifFix struct {
		Description     sarifText     `json:"description"`
		ArtifactChanges []sarifChange `json:"artifactChanges"`
	}
	sarifChange struct {
		ArtifactLocation sarifArtifact      `json:"artifactLocation"`
		Replacements     []sarifReplacement `json:"replacements"`
	}
	sarifReplacement struct {
		DeletedRegion   sarifRegion `json:"deletedRegion"`
		InsertedContent sarifText   `json:"insertedContent"`
	}
	sarifSuppression struct {
		Kind          string         `json:"kind"`
		Status        string         `json:"status"`
		Justification string         `json:"justification"`
		Location      *sarifLocation `json:"location,omitempty"`
	}
)

// SARIF writes a log of SARIF 2.1.0: uses are related locations, where a context came from
// is a code flow, the key of a result is its fingerprint.
func SARIF(w io.Writer, run *Run) error {
	s := sarif{run: run, lines: make(map[string][]string), index: make(map[string]int)}
	out := sarifRun{
		Tool: sarifTool{Driver: sarifDriver{
			Name: "firebreak-audit", Version: run.Version, InformationURI: homepage, Rules: s.rules(),
		}},
		Invocations: []sarifInvocation{s.invocation()},
		ColumnKind:  "utf16CodeUnits",
		Results:     []sarifResult{},
	}
	for _, r := range run.Results {
		out.Results = append(out.Results, s.result(r))
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(sarifLog{Schema: sarifSchema, Version: "2.1.0", Runs: []sarifRun{out}})
}

type sarif struct {
	run   *Run
	lines map[string][]string // of the files
	index map[string]int      // of the rules, by ID
}

func (s *sarif) rules() []sarifRule {
	rules := []sarifRule{}
	for i, r := range s.run.Rules {
		s.index[r.ID] = i
		made := sarifRule{
			ID: r.ID, Name: r.Name, ShortDescription: sarifText{Text: r.Title},
			DefaultConfiguration: sarifConfig{Enabled: r.Level != rule.Off, Level: sarifLevel(max(r.Level, rule.Note))},
		}
		if page := s.run.Page(r); page != "" {
			made.Help = &sarifText{Text: page, Markdown: page}
		}
		rules = append(rules, made)
	}
	return rules
}

func (s *sarif) invocation() sarifInvocation {
	made := sarifInvocation{ExecutionSuccessful: true}
	for _, problem := range s.run.Problems {
		made.ExecutionSuccessful = false
		made.ToolExecutionNotifications = append(made.ToolExecutionNotifications, sarifNotification{Level: "error", Message: sarifText{Text: problem.Error()}})
	}
	return made
}

func (s *sarif) result(r *result.Result) sarifResult {
	at := s.location(r.At, "")
	at.PhysicalLocation.Region.Snippet = snippet(r.Source)
	if r.Func != "" {
		at.LogicalLocations = []sarifLogical{{FullyQualifiedName: within(r.Package, r.Func), Kind: "function"}}
	}
	made := sarifResult{
		RuleID: r.Rule.ID, RuleIndex: s.index[r.Rule.ID], Level: sarifLevel(r.Level), Message: sarifText{Text: r.Message},
		Locations:           []sarifLocation{at},
		PartialFingerprints: map[string]string{fingerprint: r.Key},
		Suppressions:        []sarifSuppression{},
		BaselineState:       string(r.Status),
		Properties:          sarifProperties{Severity: r.Severity.String(), Operation: r.Operation},
	}
	for i, use := range r.Uses {
		at := s.location(use.At, use.Message)
		at.ID = &i
		made.RelatedLocations = append(made.RelatedLocations, at)
	}
	if len(r.Provenance) > 0 {
		var flow sarifThreadFlow
		for _, place := range r.Provenance {
			flow.Locations = append(flow.Locations, sarifStep{s.location(place.At, place.Message)})
		}
		made.CodeFlows = []sarifCodeFlow{{ThreadFlows: []sarifThreadFlow{flow}}}
	}
	for _, fix := range r.Fixes {
		made.Fixes = append(made.Fixes, s.fix(fix))
	}
	if r.Suppressed != nil {
		at := s.location(r.Suppressed.At, "")
		made.Suppressions = []sarifSuppression{{Kind: "inSource", Status: "accepted", Justification: justification(r), Location: &at}}
	}
	if r.Seen != nil {
		made.Properties.Runtime = &jsonSeen{r.Seen.Calls, r.Seen.MaxMillis}
	}
	return made
}

func snippet(source string) *sarifText {
	if source == "" {
		return nil
	}
	return &sarifText{Text: source}
}

func (s *sarif) location(at result.Span, message string) sarifLocation {
	l := sarifLocation{PhysicalLocation: sarifPhysical{ArtifactLocation: artifact(at.File), Region: s.region(at)}}
	if message != "" {
		l.Message = &sarifText{Text: message}
	}
	return l
}

func (s *sarif) fix(fix result.Fix) sarifFix {
	made := sarifFix{Description: sarifText{Text: fix.Message}}
	byFile := make(map[string]int)
	for _, e := range fix.Edits {
		i, ok := byFile[e.At.File]
		if !ok {
			i = len(made.ArtifactChanges)
			byFile[e.At.File] = i
			made.ArtifactChanges = append(made.ArtifactChanges, sarifChange{ArtifactLocation: artifact(e.At.File)})
		}
		change := &made.ArtifactChanges[i]
		change.Replacements = append(change.Replacements, sarifReplacement{DeletedRegion: s.region(e.At), InsertedContent: sarifText{Text: e.New}})
	}
	return made
}

// artifact names a file from the root of the source, or absolutely if it is not below.
func artifact(file string) sarifArtifact {
	if filepath.IsAbs(filepath.FromSlash(file)) {
		return sarifArtifact{URI: (&url.URL{Scheme: "file", Path: file}).String()}
	}
	return sarifArtifact{URI: (&url.URL{Path: file}).String(), URIBaseID: sourceRoot}
}

func (s *sarif) region(at result.Span) sarifRegion {
	r := sarifRegion{StartLine: at.Line, StartColumn: s.column(at.File, at.Line, at.Column)}
	if at.EndLine > 0 {
		r.EndLine, r.EndColumn = at.EndLine, s.column(at.File, at.EndLine, at.EndColumn)
	}
	return r
}

// column returns a column in UTF-16 code units, which is what readers of SARIF expect.
func (s *sarif) column(file string, line, column int) int {
	lines, ok := s.lines[file]
	if !ok {
		path := filepath.FromSlash(file)
		if !filepath.IsAbs(path) {
			path = filepath.Join(s.run.Dir, path)
		}
		if text, err := os.ReadFile(path); err == nil {
			lines = strings.Split(string(text), "\n")
		}
		s.lines[file] = lines
	}
	if line < 1 || line > len(lines) || column-1 > len(lines[line-1]) {
		return column
	}
	return len(utf16.Encode([]rune(lines[line-1][:column-1]))) + 1
}

func sarifLevel(l rule.Level) string {
	if l == rule.Off {
		return "none"
	}
	return l.String()
}
