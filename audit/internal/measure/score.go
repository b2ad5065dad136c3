package main

import (
	"slices"

	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// A verdict is what the auditor said of a site.
type verdict struct {
	*site

	Judged bool       // the file was among those that were loaded
	Level  rule.Level // the gravest among the findings, Off if there is none
	By     []found    // the findings that stand on the line or are used there
}

// judge compares the reports with the sites. Rest are the findings that stand on no
// labelled line, with no use on one either.
func judge(sites []*site, reports map[string]*report) (verdicts []*verdict, rest []found) {
	byPlace := make(map[place]*verdict)
	for _, s := range sites {
		r := reports[s.Repo]
		if r == nil {
			continue
		}
		v := &verdict{site: s, Judged: slices.Contains(r.Files, s.File)}
		verdicts = append(verdicts, v)
		byPlace[s.place] = v
	}
	for _, repo := range sorted(reports) {
		for _, f := range reports[repo].Findings {
			if f.Level == rule.Off {
				continue
			}
			labelled := false
			for _, at := range distinct(f) {
				if v := byPlace[at]; v != nil {
					labelled = true
					v.By = append(v.By, f)
					v.Level = max(v.Level, f.Level)
				}
			}
			if !labelled {
				rest = append(rest, f)
			}
		}
	}
	return verdicts, rest
}

// distinct returns the lines of f, each once.
func distinct(f found) []place {
	lines := []place{f.At}
	for _, use := range f.Uses {
		if !slices.Contains(lines, use) {
			lines = append(lines, use)
		}
	}
	return lines
}

// A score counts sites.
type score struct {
	Missing, Fine   int // labelled
	Found, Reported int // of the missing and of the fine, those that the auditor reports
}

func (s *score) add(v *verdict, least rule.Level) {
	reported := v.Level >= least
	if v.Missing {
		s.Missing++
		if reported {
			s.Found++
		}
		return
	}
	s.Fine++
	if reported {
		s.Reported++
	}
}

// precision is the share of the missing among the sites reported.
func (s *score) precision() ratio { return ratio{s.Found, s.Found + s.Reported} }

// recall is the share of those reported among the missing.
func (s *score) recall() ratio { return ratio{s.Found, s.Missing} }

// scoreOf counts the sites that keep wants, as reported from level least up.
func scoreOf(verdicts []*verdict, least rule.Level, keep func(*verdict) bool) score {
	var s score
	for _, v := range verdicts {
		if keep(v) {
			s.add(v, least)
		}
	}
	return s
}
