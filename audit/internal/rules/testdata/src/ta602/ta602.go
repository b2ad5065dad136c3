package ta602

import (
	"context"
	"database/sql"
	"time"

	_ "github.com/lib/pq"
)

func clear(db *sql.DB) error {
	_, err := db.ExecContext(context.Background(), "DELETE FROM parcels") // want `TA602: sql.DB.ExecContext waits on a context without a deadline`
	return err
}

func clearInTime(db *sql.DB) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, err := db.ExecContext(ctx, "DELETE FROM parcels")
	return err
}

func migrate(db *sql.DB) error {
	_, err := db.ExecContext(context.Background(), "UPDATE parcels SET weight = 0")
	return err
}
