package ta601

import (
	"context"
	"database/sql"
	"net/http"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
	_ "github.com/lib/pq"
)

type store struct {
	db   *sql.DB
	jobs chan func()
}

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

// What runs while the function waits may use its context, what runs later may not.
func (s *store) later(w http.ResponseWriter, r *http.Request) {
	func() {
		_ = s.db.Ping() // want `TA601: .*\(r.Context\(\) is at hand\)`
	}()
	retry(func() error {
		return s.db.Ping() // want `TA601: .*\(r.Context\(\) is at hand\)`
	})
	here := func() {
		_ = s.db.Ping() // want `TA601: .*\(r.Context\(\) is at hand\)`
	}
	here()
	there := func() {
		_ = s.db.Ping() // want `TA601: sql.DB.Ping .* PingContext with a deadline$`
	}
	if r.Method == http.MethodPost {
		there()
	} else {
		go there()
	}
	time.AfterFunc(time.Minute, func() {
		_ = s.db.Ping() // want `TA601: sql.DB.Ping .* PingContext with a deadline$`
	})
	var waited, left sync.WaitGroup
	waited.Go(func() {
		_ = s.db.Ping() // want `TA601: .*\(r.Context\(\) is at hand\)`
	})
	left.Go(func() {
		_ = s.db.Ping() // want `TA601: sql.DB.Ping .* PingContext with a deadline$`
	})
	s.jobs <- func() {
		_ = s.db.Ping() // want `TA601: sql.DB.Ping .* PingContext with a deadline$`
	}
	waited.Wait()
}

func retry(f func() error) { _ = f() }

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
