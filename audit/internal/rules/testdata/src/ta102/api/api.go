// Package api lets others make a client, and calls by it.
package api

import "net/http"

// Client calls.
type Client struct{ HTTP *http.Client }

// Call calls.
func (c *Client) Call() error {
	resp, err := c.HTTP.Get("https://example.com")
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
