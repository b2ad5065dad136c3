package main

import (
	"context"
	"strings"
	"testing"
)

// The program does all that it says: it finds, fixes, and joins with what ran.
func TestRun(t *testing.T) {
	var out strings.Builder
	if err := run(context.Background(), &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	steps := strings.Split(out.String(), "\n== ")
	if len(steps) != 4 {
		t.Fatalf("got %d steps, want 3:\n%s", len(steps)-1, out.String())
	}
	found, fixed, merged := steps[1], steps[2], steps[3]
	for _, rule := range []string{"TA101", "TA102", "TA201", "TA202", "TA204", "TA301", "TA302", "TA303", "TA503", "TA601", "TA801"} {
		if !strings.Contains(found, "["+rule+" ") {
			t.Errorf("%s is not found in\n%s", rule, found)
		}
	}
	for _, rule := range []string{"TA201", "TA202"} {
		if strings.Contains(fixed, "["+rule+" ") {
			t.Errorf("%s is still there after the fixes:\n%s", rule, fixed)
		}
	}
	for _, want := range []string{"[run time] queue.publish in example.com/shop.queue.publish: 25 calls without a deadline", "[run time] http.server in "} {
		if !strings.Contains(merged, want) {
			t.Errorf("got no %q in\n%s", want, merged)
		}
	}
}
