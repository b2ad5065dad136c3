// Package deadlinetest has tests fail that make calls without a deadline.
package deadlinetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/firebreak-go/firebreak/deadline"
)

// Allow says which calls may be made without a deadline, and why. Of its fields that are
// not empty all must hold, at least one besides the Reason.
type Allow struct {
	Op       string // the operation, such as "sql.query"
	Target   string // whom all calls of the site go to, such as a host
	Function string // on the stack: "shop.(*Store).Migrate", or with the whole import path
	Route    string // pattern of the route, of what a server serves

	// Reason is why these calls need no deadline. It must not be empty.
	Reason string
}

// FailOnUnbounded has the test fail at its end, with the stack of each site, if a noted
// calls without a deadline that are not allowed, and while such calls are still in
// flight. Calls that are unbounded by design are allowed, as [deadline.Unbounded],
// timeout.Unbounded and the Config say it.
//
//	auditor := deadline.New(deadline.Config{})
//	deadlinetest.FailOnUnbounded(t, auditor)
//	shop := newShop(auditor.RoundTripper(nil), sql.OpenDB(auditor.Connector(connector)))
//
// Call it before what has to be cleaned up, so that it looks after that. What is
// allowed but was not called is logged. It fails at once if an Allow has no Reason, or
// nothing else.
func FailOnUnbounded(tb testing.TB, a *deadline.Auditor, allowed ...Allow) {
	tb.Helper()
	if a == nil {
		tb.Fatal("deadlinetest: the Auditor is nil, want one of deadline.New")
	}
	for i, allow := range allowed {
		switch reason := allow.Reason; {
		case reason == "":
			tb.Fatalf("deadlinetest: Allow %d has no Reason, want why its calls need no deadline", i+1)
		case allow == (Allow{Reason: reason}):
			tb.Fatalf("deadlinetest: Allow %d says nothing of its calls, want an Op, a Target, a Function or a Route", i+1)
		}
	}
	tb.Cleanup(func() {
		tb.Helper()
		check(tb, a.Report(), allowed)
	})
}

func check(tb testing.TB, r deadline.Report, allowed []Allow) {
	tb.Helper()
	used := make([]bool, len(allowed))
	for _, site := range r.Sites {
		if site.Reason != "" {
			continue
		}
		i := slices.IndexFunc(allowed, func(allow Allow) bool { return allow.matches(site) })
		if i >= 0 {
			used[i] = true
			continue
		}
		tb.Error(describe(site))
	}
	for i, allow := range allowed {
		if !used[i] {
			tb.Logf("deadlinetest: allowed, but not called: %+v", allow)
		}
	}
}

// matches reports whether the calls of site are allowed. A site that stands for others
// is not: nobody knows what they are.
func (allow Allow) matches(site deadline.Site) bool {
	return !site.Rest &&
		(allow.Op == "" || allow.Op == site.Op) &&
		(allow.Route == "" || allow.Route == site.Route) &&
		(allow.Target == "" || len(site.Targets) == 1 && site.OtherTargets == 0 && allow.Target == site.Targets[0].Target) &&
		(allow.Function == "" || slices.ContainsFunc(slices.Concat(site.Frames, site.Stack), func(f deadline.Frame) bool {
			name := f.Package + "." + f.Function
			return allow.Function == name || allow.Function == name[strings.LastIndexByte(f.Package, '/')+1:]
		}))
}

// describe returns what the test fails with.
func describe(site deadline.Site) string {
	var b strings.Builder
	what := site.Op
	if site.Route != "" {
		what += " " + site.Route
	}
	if len(site.Targets) > 0 {
		what += " to " + site.Targets[0].Target
	}
	fmt.Fprintf(&b, "deadlinetest: %s without a deadline, %s", what, times(site.Calls))
	if site.InFlight > 0 {
		fmt.Fprintf(&b, ", %d still in flight", site.InFlight)
	}
	frames := site.Stack
	if frames == nil {
		frames = site.Frames
	}
	for _, f := range frames {
		fmt.Fprintf(&b, "\n\t%s.%s", f.Package, f.Function)
		if f.Line > 0 {
			fmt.Fprintf(&b, "\n\t\t%s:%d", f.File, f.Line)
		}
	}
	return b.String()
}

func times(n int64) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
