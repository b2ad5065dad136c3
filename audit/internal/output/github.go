package output

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

var (
	githubValue    = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	githubProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// GitHub writes the workflow commands with which GitHub Actions shows the results beside
// the lines of a pull request.
func GitHub(w io.Writer, run *Run) error {
	out := bufio.NewWriter(w)
	for _, r := range WorstFirst(run.Open()) { // GitHub shows the first few of a step only
		command := map[rule.Level]string{rule.Error: "error", rule.Warning: "warning"}[r.Level]
		if command == "" {
			command = "notice"
		}
		end := ""
		if r.At.EndLine > 0 {
			end = fmt.Sprintf(",endLine=%d", r.At.EndLine)
			if r.At.EndLine == r.At.Line {
				end += fmt.Sprintf(",endColumn=%d", r.At.EndColumn)
			}
		}
		message := r.Message
		if text := seen(r); text != "" {
			message += "\n" + text
		}
		fmt.Fprintf(out, "::%s file=%s,line=%d,col=%d%s,title=%s::%s\n", command, githubProperty.Replace(r.At.File), r.At.Line, r.At.Column, end,
			githubProperty.Replace(r.Rule.ID+" "+r.Rule.Name), githubValue.Replace(message))
	}
	for _, problem := range run.Problems {
		fmt.Fprintf(out, "::warning title=not audited::%s\n", githubValue.Replace(problem.Error()))
	}
	return out.Flush()
}
