package ta405

import (
	"context"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

func publish(channel *amqp.Channel) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return channel.PublishWithContext(ctx, "", "queue") // want `TA405: amqp091.Channel.PublishWithContext does not honour the deadline`
}

func unhurried(ctx context.Context, channel *amqp.Channel) error {
	return channel.PublishWithContext(ctx, "", "queue")
}
