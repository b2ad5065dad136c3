package rules

import "github.com/firebreak-go/firebreak/audit/internal/rule"

// suppression is TA901. It has no Run: what a suppression suppressed is known when all
// other rules have run, and the program that applies suppressions reports it.
var suppression = &rule.Rule{
	ID:    "TA901",
	Name:  "stale-suppression",
	Title: "a suppression that suppresses nothing, names no known rule, or gives no reason",
	Level: rule.Note,
}
