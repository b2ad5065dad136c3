// Package cleanhttp stands in for the library.
package cleanhttp

import "net/http"

// DefaultClient returns a client.
func DefaultClient() *http.Client { return &http.Client{} }
