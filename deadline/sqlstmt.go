package deadline

import (
	"context"
	"database/sql/driver"
)

// A sqlStmt is a statement whose calls are noted.
type sqlStmt struct {
	driver.Stmt
	conn *sqlConn
}

// newSQLStmt returns inner with its calls noted. It has a ColumnConverter if inner has:
// with one, arguments are converted in another way.
func newSQLStmt(inner driver.Stmt, c *sqlConn) driver.Stmt {
	s := &sqlStmt{Stmt: inner, conn: c}
	if converter, ok := inner.(driver.ColumnConverter); ok { //nolint:staticcheck // old drivers have it
		return struct {
			*sqlStmt
			converts
		}{s, converts{converter}}
	}
	return s
}

// converts is the method that not all statements have.
type converts struct {
	inner driver.ColumnConverter //nolint:staticcheck // old drivers have it
}

func (c converts) ColumnConverter(i int) driver.ValueConverter { return c.inner.ColumnConverter(i) }

// ExecContext executes the statement.
func (s *sqlStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	sql := s.conn.sql
	limited, op, err := sql.start(ctx, sql.exec, usual)
	if err != nil {
		return nil, err
	}
	defer op.End()
	if inner, ok := s.Stmt.(driver.StmtExecContext); ok {
		return inner.ExecContext(limited, args)
	}
	values, err := unnamed(limited, args)
	if err != nil {
		return nil, err
	}
	return s.Stmt.Exec(values) //nolint:staticcheck // what database/sql does
}

// QueryContext executes the statement.
func (s *sqlStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	sql := s.conn.sql
	limited, op, err := sql.start(ctx, sql.query, usual)
	if err != nil {
		return nil, err
	}
	return rowsOf(op, func() (driver.Rows, error) {
		if inner, ok := s.Stmt.(driver.StmtQueryContext); ok {
			return inner.QueryContext(limited, args)
		}
		values, err := unnamed(limited, args)
		if err != nil {
			return nil, err
		}
		return s.Stmt.Query(values) //nolint:staticcheck // what database/sql does
	})
}

// CheckNamedValue has the driver check an argument: the statement, or else the
// connection, which database/sql would not ask any more.
func (s *sqlStmt) CheckNamedValue(v *driver.NamedValue) error {
	if inner, ok := s.Stmt.(driver.NamedValueChecker); ok {
		return inner.CheckNamedValue(v)
	}
	return s.conn.CheckNamedValue(v)
}
