// Package colours is a library that nobody knows, and that knows no network.
package colours

import "context"

type Client struct{}

func (*Client) GetColour(ctx context.Context, name string) (string, error) { return "", nil }
