package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
)

// A label is what a person said of one line of a module.
type label struct {
	Repo     string `json:"repo"`
	File     string `json:"file"`
	Line     int    `json:"line"`
	Family   string `json:"rule"`
	Label    string `json:"label"` // "missing" or "fine"
	Why      string `json:"why"`   // if fine
	Severity string `json:"severity"`
	Reason   string `json:"reason"`
}

// A place is a line of a module of the corpus.
type place struct {
	Repo string
	File string
	Line int
}

func (p place) String() string { return fmt.Sprintf("%s/%s:%d", p.Repo, p.File, p.Line) }

// A site is a labelled line. A line that is labelled under two families is one site, and
// lacks a bound if it does under either.
type site struct {
	place

	Families []string
	Missing  bool
	Severity string // of a missing bound
	Why      string // of a line that is fine
	Reason   string
}

// readCorpus returns the sites of the file, sorted by place.
func readCorpus(file string) ([]*site, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	byPlace := make(map[place]*site)
	var sites []*site
	n := 0
	for row := range bytes.Lines(text) {
		n++
		if len(bytes.TrimSpace(row)) == 0 {
			continue
		}
		var l label
		if err := json.Unmarshal(row, &l); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, n, err)
		}
		if l.Label != "missing" && l.Label != "fine" {
			return nil, fmt.Errorf("%s:%d: label is %q, want missing or fine", file, n, l.Label)
		}
		at := place{l.Repo, l.File, l.Line}
		s := byPlace[at]
		if s == nil {
			s = &site{place: at, Severity: l.Severity, Why: l.Why, Reason: l.Reason}
			byPlace[at] = s
			sites = append(sites, s)
		}
		if l.Label == "missing" && !s.Missing {
			s.Missing, s.Severity, s.Why, s.Reason = true, l.Severity, "", l.Reason
		}
		s.Families = append(s.Families, l.Family)
	}
	slices.SortFunc(sites, func(a, b *site) int {
		return cmp.Or(cmp.Compare(a.Repo, b.Repo), cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return sites, nil
}
