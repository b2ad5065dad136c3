package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const source = `package main

func main() {
	// snippet: loop
	for {

		if true {
			return
		}
	}
	// end snippet

	// snippet: deep
		a()
	b()
	// end snippet

	// snippet: twice
	// end snippet
	// snippet: twice
	// end snippet

	// snippet: empty
	// end snippet

	// snippet: outer
	a()
	// snippet: inner
	b()
	// end snippet

	// snippet: apart

	a()

	b()

	// end snippet

	// snippet: open
	a()
}
`

const loop = "for {\n\n\tif true {\n\t\treturn\n\t}\n}\n"

// repository writes files to a new directory.
func repository(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestCheck(t *testing.T) {
	const fence, ok = "```", "readmecheck: 1 pages, 1 blocks equal to their sources\n"
	from := func(where, block string) string {
		return "# x\n<!-- from: " + where + " -->\n" + fence + "go\n" + block + fence + "\n"
	}
	for _, test := range []struct {
		name, readme, docs, want string
	}{
		{"equal", from("a/a.go#loop", loop), "", ok},
		{"indentation that is not common stays", from("a/a.go#deep", "\ta()\nb()\n"), "", ok},
		{"empty lines around it go", from("a/a.go#apart", "a()\n\nb()\n"), "", ok},
		{"within a list", "1. x\n   <!-- from: a/a.go#deep -->\n   ```go\n   \ta()\n   b()\n   ```\n", "", ok},
		{"tildes", "<!-- from: a/a.go#deep -->\n~~~~ go\n\ta()\nb()\n~~~~\n", "", ok},
		{
			"a line is missing", from("a/a.go#loop", strings.Replace(loop, "\t\treturn\n", "", 1)), "",
			"README.md:3: differs from a/a.go#loop (- here, + there):\n\t+\t\treturn\n",
		},
		{
			"a line differs", from("a/a.go#loop", strings.Replace(loop, "true", "false", 1)), "",
			"README.md:3: differs from a/a.go#loop (- here, + there):\n\t-\tif false {\n\t+\tif true {\n",
		},
		{
			"a line too much", from("a/a.go#loop", loop+"\n"), "",
			"README.md:3: differs from a/a.go#loop (- here, + there):\n\t-\n",
		},
		{
			"no marker", "# x\n\n```go\nx()\n```\n", "",
			"README.md:3: a block of Go without a source, want <!-- from: file.go#name --> on the line before\n",
		},
		{
			"a marker too far away", "<!-- from: a/a.go#deep -->\n\n```go\n\ta()\nb()\n```\n", "",
			"README.md:1: the marker stands over no block of Go, want it on the line before ```go, as <!-- from: file.go#name -->\n" +
				"README.md:3: a block of Go without a source, want <!-- from: file.go#name --> on the line before\n",
		},
		{
			"a marker without a name", "<!-- from a/a.go -->\n```go\n```\n", "",
			"README.md:1: the marker stands over no block of Go, want it on the line before ```go, as <!-- from: file.go#name -->\n" +
				"README.md:2: a block of Go without a source, want <!-- from: file.go#name --> on the line before\n",
		},
		{"other languages", "```sh\nls\n```\n```\n<!-- from: x#y -->\n```go\n```\n", "", "readmecheck: 1 pages, 0 blocks equal to their sources\n"},
		{"a fence within a block", "````\n```go\nx()\n```\n````\n", "", "readmecheck: 1 pages, 0 blocks equal to their sources\n"},
		{"code within a line", "```go``` and ```\n", "", "readmecheck: 1 pages, 0 blocks equal to their sources\n"},
		{"no such file", from("a/b.go#loop", loop), "", "README.md:2: openat a/b.go: no such file or directory\n"},
		{"a file outside", from("../b.go#loop", loop), "", "README.md:2: openat ../b.go: path escapes from parent\n"},
		{"no such snippet", from("a/a.go#lo", loop), "", "README.md:2: a/a.go has no line \"// snippet: lo\"\n"},
		{"two of a name", from("a/a.go#twice", loop), "", "README.md:2: a/a.go:20: a second snippet twice\n"},
		{"an empty one", from("a/a.go#empty", loop), "", "README.md:2: a/a.go:23: the snippet empty is empty\n"},
		{
			"one within another", from("a/a.go#outer", loop), "",
			"README.md:2: a/a.go:28: a snippet within the snippet outer, want \"// end snippet\" before\n",
		},
		{"without an end", from("a/a.go#open", loop), "", "README.md:2: a/a.go:40: the snippet open has no \"// end snippet\"\n"},
		{"a block without an end", "```sh\n", "", "README.md:1: the block does not end\n"},
		{"docs may show what not to do", "", "```go\nx()\n```\n", "readmecheck: 2 pages, 0 blocks equal to their sources\n"},
		{
			"docs are checked", "", from("a/a.go#deep", ""),
			"docs/policies/x.md:3: differs from a/a.go#deep (- here, + there):\n\t+\ta()\n\t+b()\n",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			files := map[string]string{"README.md": test.readme, "a/a.go": source, "docs/policies/x.txt": "```go\n"}
			if test.docs != "" {
				files["docs/policies/x.md"] = test.docs
			}
			var out strings.Builder
			status := run(repository(t, files), false, &out)
			wantStatus := 1
			if strings.HasPrefix(test.want, "readmecheck:") {
				wantStatus = 0
			}
			if status != wantStatus || out.String() != test.want {
				t.Errorf("run on %q and %q: got status %d and\n%s\nwant status %d and\n%s",
					test.readme, test.docs, status, out.String(), wantStatus, test.want)
			}
		})
	}
}

func TestNoReadme(t *testing.T) {
	var out strings.Builder
	if got := run(repository(t, map[string]string{"docs/x.md": "x"}), false, &out); got != 1 {
		t.Errorf("run without a README.md: got status %d, want 1", got)
	}
}

func TestWrite(t *testing.T) {
	const page = "# x\n\n  <!-- from: a.go#loop -->\n  ```go\n  old()\n  ```\n\n```sh\nls\n```\n<!-- from: a.go#none -->\n```go\nkept()\n```\nend"
	dir := repository(t, map[string]string{"README.md": page, "a.go": source})
	const (
		problem = "README.md:16: a.go has no line \"// snippet: none\"\n"
		want    = "# x\n\n  <!-- from: a.go#loop -->\n  ```go\n" +
			"  for {\n\n  \tif true {\n  \t\treturn\n  \t}\n  }\n" +
			"  ```\n\n```sh\nls\n```\n<!-- from: a.go#none -->\n```go\nkept()\n```\nend"
	)
	for _, wantOut := range []string{"README.md: rewritten\n" + problem, problem} { // the second time there is nothing to do
		var out strings.Builder
		if status := run(dir, true, &out); status != 1 || out.String() != wantOut {
			t.Errorf("run: got status %d and\n%s\nwant status 1 and\n%s", status, out.String(), wantOut)
		}
		got, err := os.ReadFile(filepath.Join(dir, "README.md"))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("README.md after run: got\n%s\nwant\n%s", got, want)
		}
	}
}
