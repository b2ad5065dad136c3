package firebreak

import (
	"context"
	"fmt"
)

// A Priority says how important a call is: a server that has too much to do sheds
// the least important ones first. A lower value is more important. The zero value
// is that of calls that say nothing.
type Priority int

const (
	// PriorityCritical is for calls that a person waits for, or that others
	// depend on: signing in, paying.
	PriorityCritical Priority = -1

	// PriorityDefault is for calls that say nothing.
	PriorityDefault Priority = 0

	// PriorityDegraded is for calls whose callers can do with less: a
	// recommendation, a preview.
	PriorityDegraded Priority = 1

	// PriorityBestEffort is for calls that can be made later just as well: a
	// batch, a crawler, a prefetch.
	PriorityBestEffort Priority = 2
)

var priorityNames = [...]string{"critical", "default", "degraded", "best-effort"}

// String returns the name of p: "critical", "default", "degraded", "best-effort".
func (p Priority) String() string {
	if p < PriorityCritical || p > PriorityBestEffort {
		return fmt.Sprintf("priority(%d)", int(p))
	}
	return priorityNames[p-PriorityCritical]
}

// ParsePriority returns the Priority that s names, as [Priority.String] does or by
// its place from "0", critical, to "3", best effort. ok is false for anything else.
func ParsePriority(s string) (p Priority, ok bool) {
	if len(s) == 1 && s[0] >= '0' && s[0] <= '3' {
		return PriorityCritical + Priority(s[0]-'0'), true
	}
	for i, name := range priorityNames {
		if s == name {
			return PriorityCritical + Priority(i), true
		}
	}
	return PriorityDefault, false
}

type priorityKey struct{}

// WithPriority returns a context whose calls have the priority p. Calls that are
// made while one is served inherit it with the context. A p out of range counts as
// the nearest that is.
func WithPriority(ctx context.Context, p Priority) context.Context {
	return context.WithValue(ctx, priorityKey{}, min(max(p, PriorityCritical), PriorityBestEffort))
}

// PriorityOf returns the priority of calls under ctx: [PriorityDefault] if nothing
// says another.
func PriorityOf(ctx context.Context) Priority {
	p, _ := ctx.Value(priorityKey{}).(Priority)
	return p
}
