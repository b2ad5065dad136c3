package bench

import (
	"net/http"

	"github.com/hashicorp/go-retryablehttp"
)

// newRetryable returns go-retryablehttp's RoundTripper. It has retries only: no
// timeout, no breaker, no bulkhead, no budget. It sends through an http.Client of
// its own, which does for the second time what the caller's http.Client does:
// redirects, cookies, a copy of the request.
func newRetryable(base http.RoundTripper) http.RoundTripper {
	return &retryablehttp.RoundTripper{Client: &retryablehttp.Client{
		HTTPClient:   &http.Client{Transport: base},
		RetryWaitMin: baseDelay,
		RetryWaitMax: maxDelay,
		RetryMax:     maxAttempts - 1,
		CheckRetry:   retryablehttp.DefaultRetryPolicy,
		Backoff:      retryablehttp.DefaultBackoff,
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}}
}
