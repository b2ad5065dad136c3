// Package parcels is a library that nobody knows, of a service on the network.
package parcels

import (
	"context"
	"net/http"
)

type Client struct{ HTTP *http.Client }

func NewClient(ctx context.Context, address string) (*Client, error) { return nil, nil }

func (*Client) Track(ctx context.Context, id string) (string, error) { return "", nil }

func (*Client) GetParcel(ctx context.Context, id string) (string, error) { return "", nil }

func (*Client) WatchParcel(ctx context.Context, id string) (string, error) { return "", nil }

func (*Client) GetName(id string) (string, error) { return "", nil }

type Options struct{}

func (*Options) GetFrom(ctx context.Context) (string, error) { return "", nil }
