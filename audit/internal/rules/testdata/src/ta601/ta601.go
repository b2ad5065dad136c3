package ta601

import (
	"context"
	"database/sql"
	"net/http"

	"github.com/jmoiron/sqlx"
	_ "github.com/lib/pq"
)

type store struct{ db *sql.DB }

func (s *store) count() (n int, err error) {
	err = s.db.QueryRow("SELECT count(*) FROM parcels").Scan(&n) // want `TA601: sql.DB.QueryRow takes no context: .* use QueryRowContext with a deadline$`
	return n, err
}

func (s *store) add(ctx context.Context, id string) error {
	tx, err := s.db.Begin() // want `TA601: sql.DB.Begin .* use BeginTx with a deadline \(ctx is at hand\)`
	if err != nil {
		return err
	}
	if _, err := tx.Exec("INSERT INTO parcels VALUES ($1)", id); err != nil { // want `TA601: sql.Tx.Exec .* ExecContext .*\(ctx is at hand\)`
		return err
	}
	return tx.Commit()
}

func (s *store) show(w http.ResponseWriter, r *http.Request) {
	_, _ = s.db.Query("SELECT * FROM parcels") // want `TA601: .*\(r.Context\(\) is at hand\)`
	go func() {
		_ = s.db.Ping() // want `TA601: sql.DB.Ping .* PingContext with a deadline$`
	}()
}

func name(db *sqlx.DB) (name string, err error) {
	err = db.Get(&name, "SELECT name FROM parcels") // want `TA601: sqlx.DB.Get .* GetContext`
	return name, err
}

func (s *store) fine(ctx context.Context) error {
	if _, err := s.db.ExecContext(ctx, "DELETE FROM parcels"); err != nil {
		return err
	}
	return s.db.PingContext(ctx)
}

// A migration takes as long as it must.
func (s *store) migrateToTwo() error {
	_, err := s.db.Exec("UPDATE parcels SET weight = 0")
	return err
}

func (s *store) begin() error {
	_, err := s.db.Exec("CREATE TABLE IF NOT EXISTS parcels (id TEXT)")
	return err
}
