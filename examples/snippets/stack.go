package snippets

import (
	"net/http"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakhttp"
	"github.com/firebreak-go/firebreak/retry"
	"github.com/firebreak-go/firebreak/timeout"
)

func composed() (*firebreak.Stack, *http.Client) {
	// snippet: stack
	stack := firebreak.New("payments",
		timeout.New(10*time.Second), // the whole call
		retry.New(retry.Config{}),   // backoff, full jitter, budget
		breaker.New(breaker.Config{}),
		bulkhead.New(bulkhead.Config{MaxCalls: 64}),
		timeout.New(2*time.Second), // each attempt
	)
	client := &http.Client{Transport: firebreakhttp.Transport(nil, stack)}
	// end snippet
	return stack, client
}

func perHost() *http.Client {
	// snippet: keyed
	perHost := firebreak.Keyed(firebreak.ByTarget, func(string) firebreak.Policy {
		return firebreak.New("webhooks",
			retry.New(retry.Config{}),
			breaker.New(breaker.Config{}),
		)
	})
	stack := firebreak.New("webhooks", timeout.New(10*time.Second), perHost, timeout.New(2*time.Second))
	// end snippet
	return &http.Client{Transport: firebreakhttp.Transport(nil, stack)}
}
