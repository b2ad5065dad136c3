// Package sqlx stands in for the library of that name.
package sqlx

import (
	"context"
	"database/sql"
)

type DB struct{ *sql.DB }

func (*DB) Get(into any, query string, args ...any) error { return nil }

func (*DB) GetContext(ctx context.Context, into any, query string, args ...any) error { return nil }
