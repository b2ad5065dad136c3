// Package calls has calls that wait, and others.
package calls

import (
	"context"
	"database/sql"
	"net/http"
	"os"
	"time"

	"connectrpc.com/connect"
	"example.com/parcels"
	"golang.org/x/oauth2"
	"google.golang.org/grpc"
)

type Message struct{}

type Client interface {
	Greet(ctx context.Context, in *Message, opts ...grpc.CallOption) (*Message, error)
	Listen(ctx context.Context, in *Message, opts ...grpc.CallOption) (grpc.ClientStream, error)
}

type Greeter interface {
	Greet(ctx context.Context, in *connect.Request[Message]) (*connect.Response[Message], error)
}

func query(ctx context.Context, db *sql.DB) (*sql.Rows, error) {
	return db.QueryContext(ctx, "SELECT 1")
}

func shutdown(ctx context.Context, server *http.Server) error { return server.Shutdown(ctx) }

func exchange(ctx context.Context, config *oauth2.Config) (string, error) {
	return config.Exchange(ctx, "code")
}

func unary(ctx context.Context, client Client) (*Message, error) { return client.Greet(ctx, nil) }

func viaConnect(ctx context.Context, g Greeter) (*connect.Response[Message], error) {
	return g.Greet(ctx, nil)
}

func likely(ctx context.Context, client *parcels.Client) (string, error) {
	return client.GetParcel(ctx, "1")
}

func stream(ctx context.Context, client Client) (grpc.ClientStream, error) {
	return client.Listen(ctx, nil)
}

func kept(ctx context.Context, config *oauth2.Config) *http.Client {
	return config.Client(ctx, "token")
}

func own(ctx context.Context, config *oauth2.Config) (string, error) { return exchange(ctx, config) }

func local(ctx context.Context) error {
	_ = ctx
	return os.Remove("file")
}

func limited(ctx context.Context, config *oauth2.Config) (string, error) {
	ctx, cancel := withLimit(ctx)
	defer cancel()
	return exchange(ctx, config)
}

func withLimit(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, time.Second)
}

func annotated(ctx context.Context) context.Context { return context.WithValue(ctx, Message{}, 1) }

func recursive(ctx context.Context, n int) {
	if n > 0 {
		recursive(ctx, n-1)
	}
}
