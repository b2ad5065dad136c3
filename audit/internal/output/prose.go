package output

import (
	"html"
	"html/template"
	"regexp"
	"strings"
)

var (
	codeSpan = regexp.MustCompile("`([^`]+)`")
	strong   = regexp.MustCompile(`\*\*([^*]+)\*\*`)
)

// prose returns the page of a rule as HTML, without its title. Of Markdown it knows what
// those pages use: headings, paragraphs, lists, fenced code, code and strong in a line.
func prose(page string) template.HTML {
	var out strings.Builder
	var paragraph []string
	list := false
	flush := func() {
		if len(paragraph) == 0 {
			return
		}
		text := inline(strings.Join(paragraph, " "))
		if list {
			out.WriteString("<li>" + text + "</li>\n")
		} else {
			out.WriteString("<p>" + text + "</p>\n")
		}
		paragraph = nil
	}
	endList := func() {
		flush()
		if list {
			out.WriteString("</ul>\n")
			list = false
		}
	}
	code := false
	for line := range strings.Lines(page) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, "```"):
			endList()
			if code = !code; code {
				out.WriteString("<pre><code>")
			} else {
				out.WriteString("</code></pre>\n")
			}
		case code:
			out.WriteString(html.EscapeString(line) + "\n")
		case strings.HasPrefix(line, "# "):
			endList()
		case strings.HasPrefix(line, "## "):
			endList()
			out.WriteString("<h4>" + inline(line[3:]) + "</h4>\n")
		case strings.HasPrefix(line, "- "):
			flush()
			if !list {
				out.WriteString("<ul>\n")
				list = true
			}
			paragraph = append(paragraph, line[2:])
		case strings.TrimSpace(line) == "":
			endList()
		default:
			paragraph = append(paragraph, strings.TrimSpace(line))
		}
	}
	endList()
	if code {
		out.WriteString("</code></pre>\n")
	}
	return template.HTML(out.String()) //nolint:gosec // each text in it is escaped
}

func inline(text string) string {
	text = html.EscapeString(text)
	text = codeSpan.ReplaceAllString(text, "<code>$1</code>")
	return strong.ReplaceAllString(text, "<strong>$1</strong>")
}
