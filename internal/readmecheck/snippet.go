package main

import (
	"fmt"
	"os"
	"strings"
)

// snippet returns the lines of the region name of file, without their common
// indentation. A file outside of root is an error.
func snippet(root *os.Root, file, name string) ([]string, error) {
	text, err := root.ReadFile(file)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(string(text), "\n")
	start := -1
	for i, line := range lines {
		if strings.TrimSpace(line) != "// snippet: "+name {
			continue
		}
		if start >= 0 {
			return nil, fmt.Errorf("%s:%d: a second snippet %s", file, i+1, name)
		}
		start = i + 1
	}
	if start < 0 {
		return nil, fmt.Errorf("%s has no line \"// snippet: %s\"", file, name)
	}
	for i, line := range lines[start:] {
		switch line = strings.TrimSpace(line); {
		case line == "// end snippet":
			region := trimBlank(unindent(lines[start : start+i]))
			if len(region) == 0 {
				return nil, fmt.Errorf("%s:%d: the snippet %s is empty", file, start, name)
			}
			return region, nil
		case strings.HasPrefix(line, "// snippet: "):
			return nil, fmt.Errorf("%s:%d: a snippet within the snippet %s, want \"// end snippet\" before", file, start+i+1, name)
		}
	}
	return nil, fmt.Errorf("%s:%d: the snippet %s has no \"// end snippet\"", file, start, name)
}

// unindent returns a copy of lines without the white space that all of them
// start with. A line of white space alone becomes empty.
func unindent(lines []string) []string {
	common, found := "", false
	for _, line := range lines {
		text := strings.TrimLeft(line, " \t")
		if text == "" {
			continue
		}
		indent := line[:len(line)-len(text)]
		if !found {
			common, found = indent, true
		}
		for !strings.HasPrefix(indent, common) {
			common = common[:len(common)-1]
		}
	}
	out := make([]string, len(lines))
	for i, line := range lines {
		if strings.TrimSpace(line) != "" {
			out[i] = strings.TrimPrefix(line, common)
		}
	}
	return out
}

// trimBlank returns lines without the empty ones around them: gofmt wants one
// between a marker and a doc comment.
func trimBlank(lines []string) []string {
	for len(lines) > 0 && lines[0] == "" {
		lines = lines[1:]
	}
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// diff shows the lines from the first that differs to the last, or "" if there
// is none.
func diff(got, want []string) string {
	head := 0
	for head < len(got) && head < len(want) && got[head] == want[head] {
		head++
	}
	tail := 0
	for tail < len(got)-head && tail < len(want)-head && got[len(got)-1-tail] == want[len(want)-1-tail] {
		tail++
	}
	var out []string
	for _, line := range got[head : len(got)-tail] {
		out = append(out, "\t-"+line)
	}
	for _, line := range want[head : len(want)-tail] {
		out = append(out, "\t+"+line)
	}
	return strings.Join(out, "\n")
}
