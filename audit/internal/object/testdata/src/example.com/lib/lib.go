// Package lib is a library that is given clients.
package lib

import "net/http"

// Default is a client of the library's own.
var Default = &http.Client{}

// Config has one.
type Config struct{ HTTP *http.Client }

// Client calls.
type Client struct{ Part *Part }

// Part is a part of it.
type Part struct{}

// New makes a Client.
func New(hc *http.Client) (*Client, error) { return &Client{}, nil }

// NewFrom makes one too.
func NewFrom(c Config) *Client { return &Client{} }

// Fetch calls.
func (c *Client) Fetch() error { return nil }

// Fetch calls.
func (p *Part) Fetch() error { return nil }

// Make makes a client.
func Make() *http.Client { return &http.Client{} }
