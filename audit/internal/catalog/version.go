package catalog

import (
	"fmt"
	"strings"

	"golang.org/x/mod/semver"
)

// versions are comparisons that a version must all meet.
type versions []comparison

type comparison struct {
	sign    string
	version string
}

// signs are those that a comparison may begin with, the longer ones first.
var signs = []string{">=", "<=", ">", "<", "="}

func parseVersions(text string) (versions, error) {
	var parsed versions
	for word := range strings.FieldsSeq(text) {
		var c comparison
		for _, sign := range signs {
			if rest, ok := strings.CutPrefix(word, sign); ok {
				c = comparison{sign, rest}
				break
			}
		}
		if c.sign == "" || !semver.IsValid(c.version) {
			return nil, fmt.Errorf("%q, want comparisons such as >=v1.10.0", word)
		}
		parsed = append(parsed, c)
	}
	return parsed, nil
}

// hold reports whether version meets all comparisons. One that is not known is newer than
// all.
func (v versions) hold(version string) bool {
	for _, c := range v {
		order := 1
		if semver.IsValid(version) {
			order = semver.Compare(version, c.version)
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
