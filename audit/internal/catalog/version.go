package catalog

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// versions are comparisons that a version must all meet.
type versions []comparison

type comparison struct {
	sign    string
	version version
}

// signs are those that a comparison may begin with, the longer ones first.
var signs = []string{">=", "<=", ">", "<", "="}

func parseVersions(text string) (versions, error) {
	var parsed versions
	for word := range strings.FieldsSeq(text) {
		ok := false
		for _, sign := range signs {
			rest, begins := strings.CutPrefix(word, sign)
			if !begins {
				continue
			}
			v, valid := parseVersion(rest)
			if ok = valid; ok {
				parsed = append(parsed, comparison{sign, v})
			}
			break
		}
		if !ok {
			return nil, fmt.Errorf("%q, want comparisons such as >=v1.10.0", word)
		}
	}
	return parsed, nil
}

// hold reports whether the version meets all comparisons. One that is not known is newer
// than all.
func (v versions) hold(text string) bool {
	for _, c := range v {
		order := 1
		if parsed, ok := parseVersion(text); ok {
			order = parsed.compare(c.version)
		}
		ok := false
		switch c.sign {
		case ">=":
			ok = order >= 0
		case "<=":
			ok = order <= 0
		case ">":
			ok = order > 0
		case "<":
			ok = order < 0
		case "=":
			ok = order == 0
		}
		if !ok {
			return false
		}
	}
	return true
}

// A version is that of a module. One before a release is older than the release; of two
// such, which is older does not matter here.
type version struct {
	numbers [3]int
	before  bool // a pre-release or a pseudo-version
}

// parseVersion reads v1.2.3, v1.2.3-rc.1 and v1.2.3+incompatible.
func parseVersion(text string) (v version, ok bool) {
	text, ok = strings.CutPrefix(text, "v")
	if !ok {
		return version{}, false
	}
	text, _, _ = strings.Cut(text, "+")
	text, _, v.before = strings.Cut(text, "-")
	parts := strings.Split(text, ".")
	if len(parts) != len(v.numbers) {
		return version{}, false
	}
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 {
			return version{}, false
		}
		v.numbers[i] = n
	}
	return v, true
}

func (v version) compare(w version) int {
	rank := func(before bool) int {
		if before {
			return 0
		}
		return 1
	}
	return cmp.Or(
		cmp.Compare(v.numbers[0], w.numbers[0]),
		cmp.Compare(v.numbers[1], w.numbers[1]),
		cmp.Compare(v.numbers[2], w.numbers[2]),
		cmp.Compare(rank(v.before), rank(w.before)),
	)
}
