// Package amqp091 stands in for the library of that name.
package amqp091

import "context"

type Channel struct{}

func (*Channel) PublishWithContext(ctx context.Context, exchange, key string) error { return nil }
