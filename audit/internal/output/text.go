package output

import (
	"bufio"
	"fmt"
	"io"

	"github.com/firebreak-go/firebreak/audit/internal/result"
)

// Text writes a line for each result, as compilers do. With Verbose, lines below it say
// where it is used, where its context came from, and what fixes it.
func Text(w io.Writer, run *Run) error {
	out := bufio.NewWriter(w)
	results := run.Open()
	if run.Verbose {
		results = run.Results
	}
	for _, r := range results {
		fmt.Fprintf(out, "%s: [%s %s/%s%s] %s\n", r.At, r.Rule.ID, r.Level, r.Severity, state(r), r.Message)
		if text := seen(r); text != "" {
			fmt.Fprintf(out, "\t%s\n", text)
		}
		if !run.Verbose {
			continue
		}
		if r.Suppressed != nil {
			fmt.Fprintf(out, "\tsuppressed at %s: %s\n", r.Suppressed.At, justification(r))
		}
		for _, place := range r.Uses {
			fmt.Fprintf(out, "\tused at %s: %s\n", place.At, place.Message)
		}
		for i, place := range r.Provenance {
			verb := "then"
			if i == 0 {
				verb = "context from"
			}
			fmt.Fprintf(out, "\t%s %s: %s\n", verb, place.At, place.Message)
		}
		for _, fix := range r.Fixes {
			fmt.Fprintf(out, "\tfix: %s\n", fix.Message)
		}
	}
	for _, u := range run.Unmatched {
		fmt.Fprintf(out, "%s[run time] %s in %s: %s without a deadline, the longest took %s; no finding stands for it\n",
			u.place(": "), u.Op, u.Func, calls(u.Calls), millis(u.MaxMillis))
	}
	if run.Verbose {
		for _, e := range run.Fixed {
			fmt.Fprintf(out, "fixed: [%s] %s in %s\n", e.Rule, e.Operation, within(e.Package, e.Func))
		}
	}
	return out.Flush()
}

func state(r *result.Result) string {
	switch {
	case r.Suppressed != nil:
		return ", suppressed"
	case r.Status != "":
		return ", " + string(r.Status)
	}
	return ""
}

func justification(r *result.Result) string {
	if r.Suppressed.Reason == "" {
		return "unbounded by design"
	}
	return r.Suppressed.Reason
}

// within returns the name of a function with its package.
func within(pkg, function string) string {
	if function == "" {
		return pkg
	}
	return pkg + "." + function
}
