package firebreakhttp_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakhttp"
	"github.com/firebreak-go/firebreak/timeout"
)

// "No call leaves without a deadline", also where the timeout is in a Keyed that has
// none for the key at hand.
func TestKeyWithoutATimeoutHasTheDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		perHost := firebreak.Keyed(firebreak.ByTarget, func(key string) firebreak.Policy {
			if key == firebreak.OverflowKey {
				return timeout.New(time.Second)
			}
			return bulkhead.New(bulkhead.Config{})
		})
		base := script(hang())
		begin := time.Now()
		_, err := send(t, firebreakhttp.Transport(base, firebreak.New("test", perHost)), newRequest(t, http.MethodGet, nil))
		if got := time.Since(begin); err == nil || got != timeout.Default {
			t.Errorf("a call that hangs: got %v after %v, want a timeout after %v", err, got, timeout.Default)
		}
		if _, ok := base.tries()[0].ctx.Deadline(); !ok {
			t.Error("the attempt has no deadline")
		}
	})
}

// A bulkhead that all keys share has its slots once.
func TestSharedPolicyIsReportedOnce(t *testing.T) {
	shared := bulkhead.New(bulkhead.Config{MaxCalls: 10})
	stack := firebreak.New("test", timeout.Unbounded("a test"), firebreak.Keyed(firebreak.ByTarget, func(string) firebreak.Policy {
		return firebreak.New("", shared)
	}))
	rt := firebreakhttp.Transport(script(status(200)), stack)
	for _, host := range []string{"a.test", "b.test", "c.test"} {
		req := newRequest(t, http.MethodGet, nil)
		req.URL.Host = host
		content(t, mustSend(t, rt, req, http.StatusOK).Body)
	}
	limit, reason := 0, ""
	stack.Report(func(s firebreak.Status) {
		limit += s.Limit
		reason += s.Reason
	})
	if limit != 10 || reason != "a test" {
		t.Errorf("Report: got limits of %d in all and reason %q, want 10 and %q", limit, reason, "a test")
	}
}
