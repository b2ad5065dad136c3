package rules_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/firebreak-go/firebreak/audit/internal/rules"
)

func TestPages(t *testing.T) {
	parts := []string{"## Wrong", "## Right", "## What it cannot see", "## Suppressing it"}
	pages := make(map[string]bool)
	for _, r := range rules.All() {
		pages[r.ID+".md"] = true
		page := rules.Page(r)
		title := "# " + r.ID + " " + r.Name + "\n"
		if !strings.HasPrefix(page, title) {
			t.Errorf("page of %s: got first line %q, want %q", r.ID, firstLine(page), title)
			continue
		}
		at := 0
		for _, part := range parts {
			i := strings.Index(page[at:], "\n"+part+"\n")
			if i < 0 {
				t.Errorf("page of %s has no %q after the part before it", r.ID, part)
				continue
			}
			at += i
		}
		if r.ID != "TA901" && !strings.Contains(page, "firebreak-audit:ignore "+r.ID+` reason="`) {
			t.Errorf("page of %s does not show how to suppress it", r.ID)
		}
	}
	files, err := filepath.Glob("TA*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !pages[file] {
			t.Errorf("%s is the page of no rule", file)
		}
	}
}

func TestRules(t *testing.T) {
	id, name := regexp.MustCompile(`^TA\d{3}$`), regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)+$`)
	seen := make(map[string]bool)
	last := ""
	for _, r := range rules.All() {
		if !id.MatchString(r.ID) || !name.MatchString(r.Name) || r.Title == "" {
			t.Errorf("rule %q has name %q and title %q", r.ID, r.Name, r.Title)
		}
		if r.ID <= last || seen[r.Name] {
			t.Errorf("rule %s %s is not in the order of IDs, or not the only one of its name", r.ID, r.Name)
		}
		if _, err := os.Stat(strings.ToLower(r.ID) + ".go"); err != nil {
			t.Errorf("rule %s: %v", r.ID, err)
		}
		last, seen[r.Name] = r.ID, true
		if rules.Find(strings.ToLower(r.ID)) == nil || rules.Find(r.Name) == nil {
			t.Errorf("rule %s is not found by ID and name", r.ID)
		}
	}
	if got := rules.Find("TA000"); got != nil {
		t.Errorf("Find(TA000): got %s, want none", got.ID)
	}
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
