// Package other uses and sets what flows makes.
package other

import (
	"net/http"
	"time"
)

// Limit sets a limit.
func Limit(c *http.Client, d time.Duration) { c.Timeout = d }

// Get uses a client.
func Get(c *http.Client) { c.Get("") }

// Holder is set in flows and used here.
type Holder struct{ Client *http.Client }

// Head uses it.
func (h *Holder) Head() { h.Client.Head("") }
