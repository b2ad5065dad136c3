package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// A ratio prints as 0.93 (13/14), or – if it is of nothing.
type ratio struct{ part, whole int }

func (r ratio) String() string {
	if r.whole == 0 {
		return "–"
	}
	return fmt.Sprintf("%.3f (%d/%d)", float64(r.part)/float64(r.whole), r.part, r.whole)
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func judged(v *verdict) bool { return v.Judged }

func printScores(w io.Writer, verdicts []*verdict, rest []found) {
	all, grave := scoreOf(verdicts, rule.Note, judged), scoreOf(verdicts, rule.Warning, judged)
	high := scoreOf(verdicts, rule.Note, func(v *verdict) bool { return v.Judged && v.Severity == "high" })
	whole := scoreOf(verdicts, rule.Note, func(*verdict) bool { return true })
	highWhole := scoreOf(verdicts, rule.Note, func(v *verdict) bool { return v.Severity == "high" })
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "sites\t%d missing, %d fine, in files that were judged (%d are in files that were not)\n",
		all.Missing, all.Fine, len(verdicts)-all.Missing-all.Fine)
	fmt.Fprintf(table, "precision, warning and error\t%v\n", grave.precision())
	fmt.Fprintf(table, "precision, all levels\t%v\n", all.precision())
	fmt.Fprintf(table, "recall\t%v\n", all.recall())
	fmt.Fprintf(table, "recall, warning and error\t%v\n", grave.recall())
	fmt.Fprintf(table, "recall, high severity\t%v\n", high.recall())
	fmt.Fprintf(table, "recall, all files\t%v, high severity %v\n", whole.recall(), highWhole.recall())
	fmt.Fprintf(table, "findings without a label\t%d\n", len(rest))

	fmt.Fprintf(table, "\nfamily\tmissing\tfound\tfine\treported\tat warning\tprecision\trecall\t\n")
	families := make(map[string]bool)
	for _, v := range verdicts {
		for _, family := range v.Families {
			families[family] = true
		}
	}
	for _, family := range sorted(families) {
		in := func(v *verdict) bool { return v.Judged && slices.Contains(v.Families, family) }
		s, g := scoreOf(verdicts, rule.Note, in), scoreOf(verdicts, rule.Warning, in)
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t%v\t%v\t\n", family, s.Missing, s.Found, s.Fine, s.Reported, g.Reported, s.precision(), s.recall())
	}

	fmt.Fprintf(table, "\nrule\tmissing sites\tfine sites\tprecision\tunlabelled findings\t\n")
	for _, row := range byRule(verdicts, rest) {
		fmt.Fprintf(table, "%s\t%d\t%d\t%v\t%d\t\n", row.rule, row.right, row.wrong, ratio{row.right, row.right + row.wrong}, row.unlabelled)
	}
	_ = table.Flush() // nobody to tell
}

// A ruleRow counts the sites that one rule reports.
type ruleRow struct {
	rule                     string
	right, wrong, unlabelled int
}

func byRule(verdicts []*verdict, rest []found) []ruleRow {
	rows := make(map[string]*ruleRow)
	row := func(id string) *ruleRow {
		if rows[id] == nil {
			rows[id] = &ruleRow{rule: id}
		}
		return rows[id]
	}
	for _, v := range verdicts {
		for _, id := range rulesOf(v) {
			if v.Missing {
				row(id).right++
			} else {
				row(id).wrong++
			}
		}
	}
	for _, f := range rest {
		row(f.Rule).unlabelled++
	}
	var all []ruleRow
	for _, id := range sorted(rows) {
		all = append(all, *rows[id])
	}
	return all
}

// rulesOf returns the rules that report v, each once.
func rulesOf(v *verdict) []string {
	var ids []string
	for _, f := range v.By {
		if !slices.Contains(ids, f.Rule) {
			ids = append(ids, f.Rule)
		}
	}
	slices.Sort(ids)
	return ids
}

func printSpeed(w io.Writer, reports map[string]*report) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(table, "\nmodule\tkLOC\tload CPU s\taudit CPU s\tms/kLOC\twall s\tpeak MB\tfindings\tproblems\t\n")
	var sum report
	var findings, problems int
	for _, repo := range sorted(reports) {
		r := reports[repo]
		speedRow(table, repo, r, len(r.Findings), len(r.Problems))
		sum.Lines += r.Lines
		sum.LoadCPU += r.LoadCPU
		sum.AuditCPU += r.AuditCPU
		sum.Wall += r.Wall
		sum.PeakRSS = max(sum.PeakRSS, r.PeakRSS)
		findings += len(r.Findings)
		problems += len(r.Problems)
	}
	speedRow(table, "all", &sum, findings, problems)
	_ = table.Flush() // nobody to tell
}

func speedRow(w io.Writer, name string, r *report, findings, problems int) {
	thousands := float64(r.Lines) / 1000
	fmt.Fprintf(w, "%s\t%.1f\t%.1f\t%.2f\t%.1f\t%.1f\t%d\t%d\t%d\t\n", name, thousands, r.LoadCPU.Seconds(), r.AuditCPU.Seconds(),
		float64(r.AuditCPU)/float64(time.Millisecond)/max(thousands, 0.001), r.Wall.Seconds(), r.PeakRSS>>20, findings, problems)
}

// printWrong lists the fine sites that are reported, the missing ones that are not, and
// why packages were left out.
func printWrong(w io.Writer, verdicts []*verdict, reports map[string]*report) {
	fmt.Fprintf(w, "\nfalse reports:\n")
	for _, v := range verdicts {
		if v.Missing || len(v.By) == 0 {
			continue
		}
		fmt.Fprintf(w, "%v: %s: %s: %s\n", v.place, strings.Join(v.Families, "+"), v.Why, v.Reason)
		for _, f := range v.By {
			fmt.Fprintf(w, "\t%s %s %s:%d: %s\n", f.Rule, f.Level, f.At.File, f.At.Line, f.Message)
		}
	}
	fmt.Fprintf(w, "\nmisses:\n")
	for _, v := range verdicts {
		if !v.Missing || len(v.By) > 0 {
			continue
		}
		where := ""
		if !v.Judged {
			where = " (file not judged)"
		}
		fmt.Fprintf(w, "%v: %s: %s: %s%s\n", v.place, strings.Join(v.Families, "+"), v.Severity, v.Reason, where)
	}
	fmt.Fprintf(w, "\nleft out:\n")
	for _, repo := range sorted(reports) {
		problems := reports[repo].Problems
		for i, problem := range problems {
			if i == 5 {
				fmt.Fprintf(w, "%s: and %d more\n", repo, len(problems)-i)
				break
			}
			fmt.Fprintf(w, "%s: %s\n", repo, problem)
		}
	}
}

func printRest(w io.Writer, rest []found) {
	fmt.Fprintf(w, "\nwithout a label:\n")
	slices.SortStableFunc(rest, func(a, b found) int { return cmp.Compare(a.Rule, b.Rule) })
	for _, f := range rest {
		fmt.Fprintf(w, "%s %s %v: %s\n", f.Rule, f.Level, f.At, f.Message)
	}
}
