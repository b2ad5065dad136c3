package firebreak

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// A Kind says what a policy does, for the order check of [New].
type Kind int

const (
	// KindOther is a policy that New knows nothing of. It may stand anywhere.
	KindOther Kind = iota
	// KindTimeout is a limit of time.
	KindTimeout
	// KindRate is a limit of calls per second.
	KindRate
	// KindRetry is a policy that makes more than one attempt.
	KindRetry
	// KindBreaker is a circuit breaker.
	KindBreaker
	// KindBulkhead is a limit of calls in flight.
	KindBulkhead
	// KindShed is a limit of load, on a server.
	KindShed
	// KindGroup is a policy that is made of others: see [Description.Inner].
	KindGroup
)

// A Description is what a policy says of itself to [New] and [Stack.String]. A
// policy that names a kind but KindOther waits, if at all, with [Call.Wait].
type Description struct {
	Kind Kind
	Text string // one short line for [Stack.String], "retry 3 attempts"

	// Timeout is the limit of a KindTimeout, or 0 if it is there to say that the
	// call has none; then Reason says why.
	Timeout time.Duration
	Reason  string

	Inner []Description // of a KindGroup
}

// A Describer is a policy that says what it is. One that does not is KindOther.
type Describer interface {
	Describe() Description
}

// heedsDeadline reports whether a policy keeps to Call.Deadline, also where the
// context does not carry it.
func (d Description) heedsDeadline() bool {
	switch d.Kind {
	case KindOther:
		return false
	case KindGroup:
		return !slices.ContainsFunc(d.Inner, func(d Description) bool { return !d.heedsDeadline() })
	default:
		return true
	}
}

func describe(p Policy) Description {
	if d, ok := p.(Describer); ok {
		return d.Describe()
	}
	return Description{Text: strings.TrimPrefix(fmt.Sprintf("%T", p), "*")}
}

func describeAll(policies []Policy) []Description {
	descs := make([]Description, len(policies))
	for i, p := range policies {
		descs[i] = describe(p)
	}
	return descs
}

// flatten lists descs with groups replaced by what they are made of.
func flatten(descs []Description) []Description {
	var flat []Description
	for _, d := range descs {
		if d.Kind == KindGroup {
			flat = append(flat, flatten(d.Inner)...)
		} else {
			flat = append(flat, d)
		}
	}
	return flat
}

func hasTimeout(descs []Description) bool {
	return slices.ContainsFunc(flatten(descs), func(d Description) bool { return d.Kind == KindTimeout })
}

// namesUnbounded reports whether a policy says that calls have no deadline.
func namesUnbounded(descs []Description) bool {
	return slices.ContainsFunc(flatten(descs), func(d Description) bool { return d.Kind == KindTimeout && d.Timeout == 0 })
}

// checkOrder returns what is wrong with the policies of a Stack, all at once.
func checkOrder(name string, policies []Policy) error {
	var problems []error
	for i, p := range policies {
		switch {
		case isNil(p):
			problems = append(problems, fmt.Errorf("policy %d is nil, want a policy", i+1))
		case slices.ContainsFunc(policies[:i], func(q Policy) bool { return same(p, q) }):
			problems = append(problems, fmt.Errorf("policy %d (%s) stands in the Stack twice, want one value per place", i+1, describe(p).Text))
		}
	}
	if len(problems) == 0 {
		flat := flatten(describeAll(policies))
		problems = append(orderProblems(flat), timeoutProblems(flat)...)
		if meant := meantOrder(flat); len(problems) > 0 && meant != pipeline(flat) { // it may be a limit that is wrong, and no place
			problems = append(problems, fmt.Errorf("the order meant is likely: %s", meant))
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return fmt.Errorf("firebreak.New(%q): %w", name, errors.Join(problems...))
}

func isNil(value any) bool {
	if value == nil {
		return true
	}
	v := reflect.ValueOf(value)
	switch v.Kind() {
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Interface:
		return v.IsNil()
	default:
		return false
	}
}

// same reports whether p and q are one value with a state of its own.
func same(p, q Policy) bool {
	t := reflect.TypeOf(p)
	return t == reflect.TypeOf(q) && t.Kind() == reflect.Pointer && t.Elem().Size() > 0 && p == q
}

func orderProblems(flat []Description) []error {
	var problems []error
	retry, breaker, bulkhead, shed := "", "", "", ""
	for _, d := range flat {
		switch d.Kind {
		case KindRetry:
			if retry != "" {
				problems = append(problems, fmt.Errorf("%s stands inside %s: attempts would multiply, want one retrying policy", d.Text, retry))
			}
			if breaker != "" {
				problems = append(problems, fmt.Errorf("%s stands inside %s: the breaker would see one call instead of each attempt, want retry outside breaker", d.Text, breaker))
			}
			retry = d.Text
		case KindBreaker:
			breaker = d.Text
		case KindBulkhead:
			bulkhead = d.Text
		case KindShed:
			switch {
			case shed != "":
				problems = append(problems, fmt.Errorf("%s stands inside %s: each would see what the other leaves of the load, want one", d.Text, shed))
			case bulkhead != "":
				problems = append(problems, fmt.Errorf("%s stands inside %s: a call that waits would hold a place there, want shed outside bulkhead", d.Text, bulkhead))
			}
			shed = d.Text
		default: // the others may stand anywhere
		}
	}
	if retry != "" && shed != "" {
		problems = append(problems, fmt.Errorf("%s and %s in one Stack: a server runs a request once, want retry in the Stack of its client", retry, shed))
	}
	return problems
}

// timeoutProblems finds timeouts that can never take effect.
func timeoutProblems(flat []Description) []error {
	var problems []error
	retried := false
	var outer Description
	for _, d := range flat {
		if d.Kind == KindRetry {
			retried = true
		}
		if d.Kind != KindTimeout {
			continue
		}
		what := "timeout"
		if retried {
			what = "attempt timeout"
		}
		switch {
		case outer.Text == "":
			outer = d
		case d.Timeout == 0:
			problems = append(problems, fmt.Errorf("%s stands inside %s, want one of both", d.Text, outer.Text))
		case outer.Timeout > 0 && d.Timeout >= outer.Timeout:
			problems = append(problems, fmt.Errorf("%s is %v, want less than the %v of the timeout around it", what, d.Timeout, outer.Timeout))
		default:
			outer = d
		}
	}
	return problems
}

// meantOrder names the policies in the order of a client or a server, with the
// outermost of several that retry.
func meantOrder(flat []Description) string {
	retry := slices.IndexFunc(flat, func(d Description) bool { return d.Kind == KindRetry })
	var sorted []Description
	for i, d := range flat {
		if d.Kind != KindRetry || i == retry {
			sorted = append(sorted, d)
		}
	}
	server := slices.ContainsFunc(sorted, func(d Description) bool { return d.Kind == KindShed }) // it waits in its queue before the handler's time begins
	longest := slices.IndexFunc(sorted, func(d Description) bool {
		return !server && d.Kind == KindTimeout && !slices.ContainsFunc(sorted, func(e Description) bool {
			return e.Kind == KindTimeout && d.Timeout > 0 && (e.Timeout == 0 || e.Timeout > d.Timeout) // 0 is the longest
		})
	})
	if longest >= 0 {
		total := sorted[longest]
		sorted = append([]Description{total}, slices.Delete(sorted, longest, longest+1)...)
	}
	rank := map[Kind]int{KindRate: 1, KindShed: 2, KindRetry: 2, KindBreaker: 3, KindBulkhead: 4, KindTimeout: 5, KindOther: 3}
	rest := sorted
	if longest >= 0 {
		rest = sorted[1:]
	}
	slices.SortStableFunc(rest, func(a, b Description) int { return rank[a.Kind] - rank[b.Kind] })
	return pipeline(sorted)
}

// pipeline writes descs in one line, outermost first.
func pipeline(descs []Description) string {
	texts := make([]string, len(descs))
	for i, d := range descs {
		texts[i] = d.Text
	}
	return strings.Join(texts, " → ")
}
