package firebreak_test

import (
	"testing"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/retry"
	"github.com/firebreak-go/firebreak/timeout"
)

// Behaviour 218: "Zero value and nil: ... constructor error, not panic at the first call".
// A zero Timeout would be a way out of the deadline without a reason.
func TestA12_218_ZeroPolicies(t *testing.T) {
	for _, test := range []struct {
		policy firebreak.Policy
		want   string
	}{
		{new(timeout.Timeout), "timeout: a Timeout that New has not made, want one of timeout.New or timeout.Unbounded"},
		{new(retry.Retry), "retry: a Retry that New has not made, want one of retry.New"},
		{new(breaker.Breaker), "breaker: a Breaker that New has not made, want one of breaker.New"},
		{new(bulkhead.Bulkhead), "bulkhead: a Bulkhead that New has not made, want one of bulkhead.New"},
	} {
		if got := panicText(t, func() { firebreak.New("test", test.policy) }); got != test.want {
			t.Errorf("New with a zero %T: got panic %q, want %q", test.policy, got, test.want)
		}
	}
}
