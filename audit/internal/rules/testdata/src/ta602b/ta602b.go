// Package ta602b limits its queries by the address of the database.
package ta602b

import (
	"context"
	"database/sql"

	_ "github.com/lib/pq"
)

const address = "postgres://localhost/parcels?statement_timeout=5000"

func clear() error {
	db, err := sql.Open("postgres", address)
	if err != nil {
		return err
	}
	if err := db.Ping(); err != nil {
		return err
	}
	_, err = db.ExecContext(context.Background(), "DELETE FROM parcels")
	return err
}
