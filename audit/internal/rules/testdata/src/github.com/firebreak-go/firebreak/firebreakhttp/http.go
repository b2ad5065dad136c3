// Package firebreakhttp stands in for the library.
package firebreakhttp

import (
	"net/http"

	"github.com/firebreak-go/firebreak"
)

// NewClient returns a client.
func NewClient(name string) *http.Client { return &http.Client{} }

// Transport returns a transport.
func Transport(base http.RoundTripper, stack *firebreak.Stack) http.RoundTripper { return base }
