package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
)

// A problem is one line to mend in a page.
type problem struct {
	page string
	line int // from 1 on
	text string
}

func (p problem) String() string { return fmt.Sprintf("%s:%d: %s", p.page, p.line, p.text) }

// A page is a checked Markdown file.
type page struct {
	text, fixed string // as it is, and with its blocks equal to their sources
	sourced     int    // blocks that name their source
	problems    []problem
}

// marker is the line before a block, with the file and the name of the snippet.
var marker = regexp.MustCompile(`^\s*<!-- from: (\S+?)#(\S+) -->\s*$`)

// almost is a line that was meant to be a marker.
var almost = regexp.MustCompile(`^\s*<!--\s*from\b`)

// readPage checks the page name of the repository root. An error says that the
// page cannot be read; what is wrong in it is in problems.
func readPage(root *os.Root, name string) (*page, error) {
	text, err := root.ReadFile(name)
	if err != nil {
		return nil, err
	}
	p := &page{text: string(text)}
	lines := strings.Split(p.text, "\n")
	var fixed []string
	for i := 0; i < len(lines); i++ {
		fixed = append(fixed, lines[i])
		indent, fence, language := opening(lines[i])
		if fence == "" {
			if almost.MatchString(lines[i]) && !leadsToGo(lines, i) {
				p.add(name, i, "the marker stands over no block of Go, want it on the line before ```go, as <!-- from: file.go#name -->")
			}
			continue
		}
		end := closing(lines, i, fence)
		if end == len(lines) {
			p.add(name, i, "the block does not end")
		}
		block := lines[i+1 : end]
		if language == "go" {
			block = p.check(root, name, lines, i, indent, block)
		}
		fixed = append(fixed, block...)
		if end < len(lines) {
			fixed = append(fixed, lines[end])
		}
		i = end
	}
	p.fixed = strings.Join(fixed, "\n")
	return p, nil
}

// check compares the block of Go that lines[at] opens with its source, and
// returns what it should be.
func (p *page) check(root *os.Root, name string, lines []string, at int, indent string, block []string) []string {
	var source []string
	if at > 0 {
		source = marker.FindStringSubmatch(lines[at-1])
	}
	if source == nil {
		if name == readme {
			p.add(name, at, "a block of Go without a source, want <!-- from: file.go#name --> on the line before")
		}
		return block
	}
	want, err := snippet(root, source[1], source[2])
	if err != nil {
		p.add(name, at-1, err.Error())
		return block
	}
	p.sourced++
	for i, line := range want {
		if line != "" {
			want[i] = indent + line
		}
	}
	if difference := diff(block, want); difference != "" {
		p.add(name, at, fmt.Sprintf("differs from %s#%s (- here, + there):\n%s", source[1], source[2], difference))
	}
	return want
}

func (p *page) add(name string, index int, text string) {
	p.problems = append(p.problems, problem{page: name, line: index + 1, text: text})
}

// leadsToGo reports whether lines[at] is a marker in the right form with a block
// of Go after it.
func leadsToGo(lines []string, at int) bool {
	if !marker.MatchString(lines[at]) || at+1 == len(lines) {
		return false
	}
	_, fence, language := opening(lines[at+1])
	return fence != "" && language == "go"
}

// opening splits a line that opens a block into its indentation, its fence of
// backquotes or tildes, and the first word after it. Fence is "" for all others.
func opening(line string) (indent, fence, language string) {
	rest := strings.TrimLeft(line, " \t")
	info := strings.TrimLeft(rest, "`")
	if len(rest)-len(info) < 3 {
		info = strings.TrimLeft(rest, "~")
	}
	length := len(rest) - len(info)
	if length < 3 || strings.Contains(info, "`") {
		return "", "", "" // text, or code within a line
	}
	if words := strings.Fields(info); len(words) > 0 {
		language = words[0]
	}
	return line[:len(line)-len(rest)], rest[:length], language
}

// closing returns the index of the line that closes the block that lines[at]
// opens with fence, or len(lines).
func closing(lines []string, at int, fence string) int {
	for i := at + 1; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		if strings.HasPrefix(line, fence) && strings.Trim(line, fence[:1]) == "" {
			return i
		}
	}
	return len(lines)
}
