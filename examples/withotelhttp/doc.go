// Package withotelhttp shows firebreak together with otelhttp.
//
// Inside, as the base of firebreakhttp.Transport, otelhttp makes the span of each
// attempt and writes the trace context; firebreak adds to those spans and makes
// none of its own. Outside, around the Transport, it makes one span for the call as
// its caller sees it, above firebreak's. Either is right; both together are, too.
package withotelhttp

import (
	"net/http"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/firebreakhttp"
)

// Inside returns a client whose attempts are otelhttp's spans.
func Inside(base http.RoundTripper, stack *firebreak.Stack, options ...otelhttp.Option) *http.Client {
	return &http.Client{Transport: firebreakhttp.Transport(otelhttp.NewTransport(base, options...), stack)}
}

// Outside returns a client whose calls are otelhttp's spans.
func Outside(base http.RoundTripper, stack *firebreak.Stack, options ...otelhttp.Option) *http.Client {
	return &http.Client{Transport: otelhttp.NewTransport(firebreakhttp.Transport(base, stack), options...)}
}
