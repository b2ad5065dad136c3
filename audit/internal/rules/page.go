package rules

import (
	"embed"
	"strings"

	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

//go:embed TA*.md
var pages embed.FS

// Find returns the rule with that ID or name, whatever the case of the letters, or nil.
func Find(idOrName string) *rule.Rule {
	for _, r := range All() {
		if strings.EqualFold(r.ID, idOrName) || strings.EqualFold(r.Name, idOrName) {
			return r
		}
	}
	return nil
}

// Page returns the page of r, as Markdown: what it finds and why that hurts, code that is
// wrong and code that is right, what it cannot see, and how to suppress it. It is "" if
// the rule has none.
func Page(r *rule.Rule) string {
	text, err := pages.ReadFile(r.ID + ".md")
	if err != nil {
		return ""
	}
	return string(text)
}
