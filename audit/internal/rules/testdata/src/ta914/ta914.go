// Package ta914 marks calls as idempotent.
package ta914

import (
	"context"
	"database/sql"
	"net/http"
	"strings"

	"github.com/firebreak-go/firebreak"
)

var stack = firebreak.New("payments")

func pay(ctx context.Context, client *http.Client) (*http.Response, error) {
	return firebreak.Do(ctx, stack, "pay", func(ctx context.Context) (*http.Response, error) { // want "TA914: this call is marked Idempotent but sends a POST"
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://example.com/pay", strings.NewReader("1"))
		if err != nil {
			return nil, err
		}
		return client.Do(req)
	}, firebreak.Idempotent)
}

func payWithKey(ctx context.Context, client *http.Client, key string) (*http.Response, error) {
	return firebreak.Do(ctx, stack, "pay", func(ctx context.Context) (*http.Response, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://example.com/pay", strings.NewReader("1"))
		if err != nil {
			return nil, err
		}
		req.Header.Set("Idempotency-Key", key)
		return client.Do(req)
	}, firebreak.Idempotent)
}

func payUnmarked(ctx context.Context, client *http.Client) (*http.Response, error) {
	return firebreak.Do(ctx, stack, "pay", func(ctx context.Context) (*http.Response, error) {
		return client.Post("https://example.com/pay", "text/plain", nil)
	})
}

func lookup(ctx context.Context, client *http.Client) (*http.Response, error) {
	return firebreak.Do(ctx, stack, "lookup", func(ctx context.Context) (*http.Response, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://example.com", nil)
		if err != nil {
			return nil, err
		}
		return client.Do(req)
	}, firebreak.Idempotent)
}

func named(ctx context.Context, fn func(context.Context) (int, error)) (int, error) {
	return firebreak.Do(ctx, stack, "POST /payments", fn, firebreak.Idempotent) // want "TA914: this call is marked Idempotent but is a POST"
}

func insert(ctx context.Context, db *sql.DB) (sql.Result, error) {
	return firebreak.Do(ctx, stack, "add", func(ctx context.Context) (sql.Result, error) { // want "TA914: .* but runs an INSERT"
		return add(ctx, db)
	}, firebreak.Idempotent)
}

func add(ctx context.Context, db *sql.DB) (sql.Result, error) {
	return db.ExecContext(ctx, "INSERT INTO log VALUES (1)")
}

func upsert(ctx context.Context, db *sql.DB) (sql.Result, error) {
	return firebreak.Do(ctx, stack, "set", func(ctx context.Context) (sql.Result, error) {
		return db.ExecContext(ctx, "INSERT INTO log VALUES (1) ON CONFLICT DO NOTHING")
	}, firebreak.Idempotent)
}
