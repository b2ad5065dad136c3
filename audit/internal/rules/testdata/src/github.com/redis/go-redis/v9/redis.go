// Package redis stands in for go-redis.
package redis

import "context"

type Client struct{}

type StringCmd struct{}

func (*StringCmd) Result() (string, error) { return "", nil }

func (*Client) Get(ctx context.Context, key string) *StringCmd { return nil }
