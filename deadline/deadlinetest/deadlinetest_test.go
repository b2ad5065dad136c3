package deadlinetest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firebreak-go/firebreak/deadline"
	"github.com/firebreak-go/firebreak/deadline/deadlinetest"
)

// recorder is a test that is looked at.
type recorder struct {
	testing.TB
	failed, logged []string
	cleanups       []func()
}

type fatal string

func (r *recorder) Helper()          {}
func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Error(args ...any) {
	r.failed = append(r.failed, fmt.Sprint(args...))
}
func (r *recorder) Logf(format string, args ...any) {
	r.logged = append(r.logged, fmt.Sprintf(format, args...))
}
func (r *recorder) Fatal(args ...any)                 { panic(fatal(fmt.Sprint(args...))) }
func (r *recorder) Fatalf(format string, args ...any) { panic(fatal(fmt.Sprintf(format, args...))) }

// run runs a test and its cleanups.
func run(test func(testing.TB)) *recorder {
	r := new(recorder)
	test(r)
	for _, f := range r.cleanups {
		f()
	}
	return r
}

func load(a *deadline.Auditor, target string) {
	_, op, _ := a.Begin(context.Background(), "cache.load", target)
	op.End()
}

func handleOrder(http.ResponseWriter, *http.Request) {}

func TestFailOnUnbounded(t *testing.T) {
	calls := func(a *deadline.Auditor) {
		for range 2 {
			load(a, "users")
		}
		mux := http.NewServeMux()
		mux.HandleFunc("GET /orders/{id}", handleOrder)
		a.Middleware(mux).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/orders/1", nil))
		_ = a.Check(deadline.Unbounded(context.Background(), "waits for news"), "news.poll")
	}
	const (
		loaded = "deadlinetest: cache.load to users without a deadline, 2 times\n\tgithub.com/firebreak-go/firebreak/deadline/deadlinetest_test.load\n"
		served = "deadlinetest: http.server GET /orders/{id} without a deadline, once\n\tgithub.com/firebreak-go/firebreak/deadline/deadlinetest_test.handleOrder\n"
	)
	for _, test := range []struct {
		name    string
		allowed []deadlinetest.Allow
		failed  []string // how they begin
		logged  int
	}{
		{"nothing", nil, []string{loaded, served}, 0},
		{"an operation", []deadlinetest.Allow{{Op: "cache.load", Reason: "a test"}}, []string{served}, 0},
		{"a target", []deadlinetest.Allow{{Target: "users", Reason: "a test"}}, []string{served}, 0},
		{"another target", []deadlinetest.Allow{{Op: "cache.load", Target: "orders", Reason: "a test"}}, []string{loaded, served}, 1},
		{"a function", []deadlinetest.Allow{{Function: "deadlinetest_test.load", Reason: "a test"}}, []string{served}, 0},
		{"a handler", []deadlinetest.Allow{{Function: "github.com/firebreak-go/firebreak/deadline/deadlinetest_test.handleOrder", Reason: "a test"}}, []string{loaded}, 0},
		{"part of a name", []deadlinetest.Allow{{Function: "load", Reason: "a test"}}, []string{loaded, served}, 1},
		{"a route", []deadlinetest.Allow{{Route: "GET /orders/{id}", Reason: "a test"}, {Op: "cache.load", Reason: "a test"}, {Op: "sql.query", Reason: "a test"}}, nil, 1},
	} {
		a := deadline.New(deadline.Config{})
		r := run(func(tb testing.TB) {
			deadlinetest.FailOnUnbounded(tb, a, test.allowed...)
			calls(a)
		})
		if len(r.failed) != len(test.failed) || len(r.logged) != test.logged {
			t.Errorf("%s: got %d failures, %d lines, want %d, %d: %q", test.name, len(r.failed), len(r.logged), len(test.failed), test.logged, r.failed)
			continue
		}
		slices.Sort(r.failed) // what took longest comes first
		for i, want := range test.failed {
			if !strings.HasPrefix(r.failed[i], want) {
				t.Errorf("%s: got %q, want %q…", test.name, r.failed[i], want)
			}
		}
	}
}

// A test whose calls have deadlines does not fail, nor one that made none.
func TestNothingToFailOn(t *testing.T) {
	a := deadline.New(deadline.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	bounded, cancel := context.WithTimeout(ctx, 1<<40)
	defer cancel()
	r := run(func(tb testing.TB) {
		deadlinetest.FailOnUnbounded(tb, a)
		_ = a.Check(bounded, "cache.load")
	})
	if len(r.failed)+len(r.logged) != 0 {
		t.Errorf("got %q, %q, want nothing", r.failed, r.logged)
	}
}

func TestStillInFlight(t *testing.T) {
	a := deadline.New(deadline.Config{})
	r := run(func(tb testing.TB) {
		deadlinetest.FailOnUnbounded(tb, a)
		_, _, _ = a.Begin(context.Background(), "cache.load", "")
	})
	if len(r.failed) != 1 || !strings.HasPrefix(r.failed[0], "deadlinetest: cache.load without a deadline, once, 1 still in flight\n") {
		t.Errorf("got %q, want that it is still in flight", r.failed)
	}
}

func TestBadAllow(t *testing.T) {
	a := deadline.New(deadline.Config{})
	for _, test := range []struct {
		auditor *deadline.Auditor
		allow   deadlinetest.Allow
		want    string
	}{
		{nil, deadlinetest.Allow{Op: "x", Reason: "a test"}, "deadlinetest: the Auditor is nil, want one of deadline.New"},
		{a, deadlinetest.Allow{Op: "x"}, "deadlinetest: Allow 1 has no Reason, want why its calls need no deadline"},
		{a, deadlinetest.Allow{Reason: "x"}, "deadlinetest: Allow 1 says nothing of its calls, want an Op, a Target, a Function or a Route"},
	} {
		func() {
			defer func() {
				if diff := cmp.Diff(any(fatal(test.want)), recover()); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			}()
			run(func(tb testing.TB) { deadlinetest.FailOnUnbounded(tb, test.auditor, test.allow) })
		}()
	}
}
