package output

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// markdownRows is how many results a summary lists: a comment has a limited size.
const markdownRows = 50

// Markdown writes a summary for a pull request, the worst first.
func Markdown(w io.Writer, run *Run) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "### firebreak-audit: %s\n", run.Summary())
	open := WorstFirst(run.Open())
	if len(open) > 0 {
		fmt.Fprintf(out, "\n| | Rule | Where | What |\n|---|---|---|---|\n")
	}
	for i, r := range open {
		if i == markdownRows {
			break
		}
		what := r.Message
		if text := seen(r); text != "" {
			what += "; " + text
		}
		fmt.Fprintf(out, "| %s | %s %s | `%s:%d` | %s |\n", r.Level, r.Rule.ID, r.Rule.Name, cell(r.At.File), r.At.Line, cell(what))
	}
	if more := len(open) - markdownRows; more > 0 {
		fmt.Fprintf(out, "\nand %d more.\n", more)
	}
	if len(run.Unmatched) > 0 {
		fmt.Fprintf(out, "\nSeen at run time only:\n\n")
		for _, u := range run.Unmatched {
			fmt.Fprintf(out, "- `%s%s` %s: %s, the longest took %s\n", cell(u.place(" ")), cell(u.Func), cell(u.Op), calls(u.Calls), millis(u.MaxMillis))
		}
	}
	if len(run.Problems) > 0 {
		fmt.Fprintf(out, "\nNot audited:\n\n")
		for _, problem := range run.Problems {
			fmt.Fprintf(out, "- %s\n", cell(problem.Error()))
		}
	}
	if len(open) > 0 {
		fmt.Fprintf(out, "\n`firebreak-audit explain %s` says why, and what is right.\n", open[0].Rule.ID)
	}
	return out.Flush()
}

// cell returns text in one line, without what Markdown or HTML would take for its own.
func cell(text string) string {
	return strings.NewReplacer("\n", " ", "\r", " ", "|", "\\|", "<", "&lt;", ">", "&gt;", "`", "'").Replace(text)
}
