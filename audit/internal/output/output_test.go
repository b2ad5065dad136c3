package output_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/firebreak-go/firebreak/audit/internal/baseline"
	"github.com/firebreak-go/firebreak/audit/internal/output"
	"github.com/firebreak-go/firebreak/audit/internal/result"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

var update = flag.Bool("update", false, "write the files that the output is compared with")

const page = `# TA102 http-client-no-timeout

A client without a limit. It hurts <always>, with **no** end:

- one ` + "`a < b`" + `
- two
  lines

## Wrong

` + "```go\nclient := &http.Client{}\n```" + `
`

// place returns the first place of text in the source, with what stands there as its end.
func place(t *testing.T, text string) result.Span {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("testdata", "src", "shop.go"))
	if err != nil {
		t.Fatal(err)
	}
	i := bytes.Index(source, []byte(text))
	if i < 0 {
		t.Fatalf("no %q in the source", text)
	}
	line := bytes.Count(source[:i], []byte("\n")) + 1
	column := i - bytes.LastIndexByte(source[:i], '\n')
	return result.Span{Package: "example.com/shop", File: "shop.go", Line: line, Column: column, EndLine: line, EndColumn: column + len(text)}
}

func at(t *testing.T, text, message string) result.Place {
	t.Helper()
	span := place(t, text)
	span.EndLine, span.EndColumn = 0, 0
	return result.Place{At: span, Message: message}
}

// run returns a run that has all there can be.
func run(t *testing.T) *output.Run {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("testdata", "src"))
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(dir, "shop.go"))
	if err != nil {
		t.Fatal(err)
	}
	client := &rule.Rule{ID: "TA102", Name: "http-client-no-timeout", Title: "an http.Client without a limit", Level: rule.Error}
	root := &rule.Rule{ID: "TA401", Name: "root-ctx-to-blocking-call", Title: "a context that never ends", Level: rule.Warning}
	off := &rule.Rule{ID: "TA203", Name: "server-no-write-bound", Title: "a server that writes for ever", Level: rule.Off}
	literal := "&http.Client{}"
	start := bytes.Index(source, []byte(literal)) + len(literal) - 1
	brace := place(t, literal)
	brace.Column, brace.EndColumn = brace.EndColumn-1, brace.EndColumn-1
	return &output.Run{
		Version: "v1.2.3", Dir: dir, Module: "example.com/shop", Rules: []*rule.Rule{client, off, root},
		Page: func(r *rule.Rule) string {
			if r == client {
				return page
			}
			return ""
		},
		Results: []*result.Result{
			{
				Rule: client, Level: rule.Error, Severity: rule.High, At: place(t, literal), Package: "example.com/shop",
				Operation: "http.Client{}", Message: "this client has no Timeout", Source: "var client = &http.Client{}",
				Key: "TA102 | example.com/shop |  | http.Client{} | 1", LineHash: "0123456789abcdef", Status: result.New,
				Uses: []result.Place{at(t, "client.Do", "sends a request whose context never ends")},
				Fixes: []result.Fix{{Message: "give it a Timeout", Edits: []result.Edit{{
					Path: filepath.Join(dir, "shop.go"), Size: len(source), At: brace, Start: start, End: start, New: "Timeout: 30 * time.Second",
				}}}},
				Seen: &result.Seen{Calls: 41233, MaxMillis: 97400},
			},
			{
				Rule: root, Level: rule.Warning, Severity: rule.Medium, At: place(t, "request, err"), Package: "example.com/shop", Func: "price",
				Operation: "http.NewRequestWithContext", Message: "100% unbounded: a, b\nc | d <e>", Source: "request, err := …",
				Key: "TA401 | example.com/shop | price | http.NewRequestWithContext | 1", Status: result.New,
				Provenance: []result.Place{at(t, "context.Background()", "context.Background()"), at(t, "price(context", "passed to price as ctx")},
			},
			{
				Rule: root, Level: rule.Note, Severity: rule.Low, At: place(t, "http.ListenAndServe"), Package: "example.com/shop", Func: "refresh",
				Operation: "http.ListenAndServe", Message: "answered", Key: "k3", Status: result.New,
				Suppressed: &result.Suppression{At: place(t, "func refresh"), Reason: "a demonstration"},
			},
			{
				Rule: root, Level: rule.Warning, Severity: rule.Low, At: result.Span{File: "/elsewhere/a b.go", Line: 3, Column: 1},
				Package: "example.com/shop", Operation: "op", Message: "known", Key: "k4", Status: result.Unchanged,
			},
		},
		Problems:  []error{errors.New("example.com/shop/broken: a.go:1:1: expected 'package'")},
		Baseline:  true,
		Fixed:     []baseline.Entry{{Rule: "TA201", Package: "example.com/shop", Func: "serve", Operation: "http.Server{}"}},
		Runtime:   true,
		Unmatched: []output.Unmatched{{Op: "sql.query", Func: "example.com/shop.(*Store).All", File: "example.com/shop/store.go", Line: 7, Calls: 1, MaxMillis: 12}},
	}
}

func TestFormats(t *testing.T) {
	for name, write := range map[string]func(io.Writer, *output.Run) error{
		"report.txt":   output.Text,
		"report.jsonl": output.JSONLines,
		"report.sarif": output.SARIF,
		"report.gh":    output.GitHub,
		"report.md":    output.Markdown,
		"report.html":  output.HTML,
		"report-v.txt": func(w io.Writer, r *output.Run) error { r.Verbose = true; return output.Text(w, r) },
	} {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			if err := write(&got, run(t)); err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name)
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		})
	}
}

func TestSARIFSchema(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join("testdata", "sarif-schema-2.1.0.json"))
	if err != nil {
		t.Fatal(err)
	}
	validate := func(text []byte) error {
		log, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return schema.Validate(log)
	}
	for name, r := range map[string]*output.Run{"all": run(t), "nothing": {Page: func(*rule.Rule) string { return "" }}} {
		var text bytes.Buffer
		if err := output.SARIF(&text, r); err != nil {
			t.Fatal(err)
		}
		if err := validate(text.Bytes()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	var text bytes.Buffer
	if err := output.SARIF(&text, run(t)); err != nil {
		t.Fatal(err)
	}
	broken := bytes.Replace(text.Bytes(), []byte(`"startLine": 9`), []byte(`"startLine": 0`), 1)
	if validate(broken) == nil {
		t.Error("a line 0 is valid: the schema is not used")
	}
}

// SARIF counts UTF-16 code units: a character beyond the first plane is two of them.
func TestSARIFColumns(t *testing.T) {
	var text bytes.Buffer
	if err := output.SARIF(&text, run(t)); err != nil {
		t.Fatal(err)
	}
	var log struct {
		Runs []struct {
			Results []struct {
				Locations []struct {
					PhysicalLocation struct {
						Region struct{ StartColumn, EndColumn int }
					}
				}
			}
		}
	}
	if err := json.Unmarshal(text.Bytes(), &log); err != nil {
		t.Fatal(err)
	}
	got := log.Runs[0].Results[1].Locations[0].PhysicalLocation.Region
	if want := len("\t/* .. .. */ ") + 1; got.StartColumn != want || got.EndColumn != want+len("request, err") {
		t.Errorf("got columns %+v, want %d and %d", got, want, want+len("request, err"))
	}
}

func TestSummary(t *testing.T) {
	for want, r := range map[string]*output.Run{
		"nothing found": {},
		"1 error, 1 warning (1 in the baseline, 1 of the baseline fixed, 1 suppressed, 1 seen at run time only, 1 problem with the code itself)": run(t),
	} {
		if got := r.Summary(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestMarkdownIsShort(t *testing.T) {
	r := run(t)
	for range 1000 {
		r.Results = append(r.Results, r.Results[0])
	}
	var text bytes.Buffer
	if err := output.Markdown(&text, r); err != nil {
		t.Fatal(err)
	}
	if got := text.String(); strings.Count(got, "| error |") != 50 || !strings.Contains(got, "\nand 952 more.\n") {
		t.Errorf("got %d rows, want 50 and the number of the others:\n%s", strings.Count(got, "| error |"), got[len(got)-300:])
	}
}
