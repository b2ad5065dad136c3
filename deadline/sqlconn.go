package deadline

import (
	"context"
	"database/sql/driver"
	"errors"
)

// A sqlConn is a connection whose calls are noted. What database/sql does for a driver
// that lacks a method, it does itself, where that comes to the same; the rest is in
// newSQLConn.
type sqlConn struct {
	driver.Conn
	sql *sqlHooks
}

// newSQLConn returns inner with its calls noted. It has exactly those methods of inner
// by whose presence database/sql goes another way: arguments are converted before
// ExecContext and QueryContext are called, and a connection that has both ResetSession
// and IsValid is kept when a transaction was rolled back.
func newSQLConn(inner driver.Conn, sql *sqlHooks) driver.Conn {
	c := &sqlConn{Conn: inner, sql: sql}
	_, canReset := inner.(driver.SessionResetter)
	_, canTell := inner.(driver.Validator)
	switch {
	case canReset && canTell:
		return c.withBoth()
	case canReset:
		return c.withReset()
	case canTell:
		return c.withValid()
	}
	e, q := execs{c}, queries{c}
	switch execOrQuery(inner) {
	case canExec:
		return struct {
			*sqlConn
			execs
		}{c, e}
	case canQuery:
		return struct {
			*sqlConn
			queries
		}{c, q}
	case canExec | canQuery:
		return struct {
			*sqlConn
			execs
			queries
		}{c, e, q}
	default:
		return c
	}
}

func (c *sqlConn) withReset() driver.Conn {
	e, q, r := execs{c}, queries{c}, resets{c}
	switch execOrQuery(c.Conn) {
	case canExec:
		return struct {
			*sqlConn
			execs
			resets
		}{c, e, r}
	case canQuery:
		return struct {
			*sqlConn
			queries
			resets
		}{c, q, r}
	case canExec | canQuery:
		return struct {
			*sqlConn
			execs
			queries
			resets
		}{c, e, q, r}
	default:
		return struct {
			*sqlConn
			resets
		}{c, r}
	}
}

func (c *sqlConn) withValid() driver.Conn {
	e, q, v := execs{c}, queries{c}, validates{c}
	switch execOrQuery(c.Conn) {
	case canExec:
		return struct {
			*sqlConn
			execs
			validates
		}{c, e, v}
	case canQuery:
		return struct {
			*sqlConn
			queries
			validates
		}{c, q, v}
	case canExec | canQuery:
		return struct {
			*sqlConn
			execs
			queries
			validates
		}{c, e, q, v}
	default:
		return struct {
			*sqlConn
			validates
		}{c, v}
	}
}

func (c *sqlConn) withBoth() driver.Conn {
	e, q, r, v := execs{c}, queries{c}, resets{c}, validates{c}
	switch execOrQuery(c.Conn) {
	case canExec:
		return struct {
			*sqlConn
			execs
			resets
			validates
		}{c, e, r, v}
	case canQuery:
		return struct {
			*sqlConn
			queries
			resets
			validates
		}{c, q, r, v}
	case canExec | canQuery:
		return struct {
			*sqlConn
			execs
			queries
			resets
			validates
		}{c, e, q, r, v}
	default:
		return struct {
			*sqlConn
			resets
			validates
		}{c, r, v}
	}
}

// canExec and canQuery are what a connection can do with a statement that is not
// prepared.
const (
	canExec  = 1
	canQuery = 2
)

func execOrQuery(c driver.Conn) (can int) {
	switch c.(type) {
	case driver.ExecerContext, driver.Execer: //nolint:staticcheck // old drivers have it
		can |= canExec
	}
	switch c.(type) {
	case driver.QueryerContext, driver.Queryer: //nolint:staticcheck // old drivers have it
		can |= canQuery
	}
	return can
}

// The methods that not all connections have.
type (
	execs     struct{ conn *sqlConn }
	queries   struct{ conn *sqlConn }
	resets    struct{ conn *sqlConn }
	validates struct{ conn *sqlConn }
)

// Raw returns the connection of the driver.
func (c *sqlConn) Raw() driver.Conn { return c.Conn }

func (e execs) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c := e.conn
	limited, op, err := c.sql.start(ctx, c.sql.exec, statement)
	if err != nil {
		return nil, err
	}
	defer op.End()
	result, err := c.exec(limited, query, args)
	settle(ctx, c.sql.exec, op, err)
	return result, err
}

func (c *sqlConn) exec(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if inner, ok := c.Conn.(driver.ExecerContext); ok {
		return inner.ExecContext(ctx, query, args)
	}
	values, err := unnamed(ctx, args)
	if err != nil {
		return nil, err
	}
	return c.Conn.(driver.Execer).Exec(query, values) //nolint:staticcheck,forcetypeassert // it has one of both
}

func (q queries) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c := q.conn
	limited, op, err := c.sql.start(ctx, c.sql.query, statement)
	if err != nil {
		return nil, err
	}
	return rowsOf(op, func() (driver.Rows, error) {
		rows, err := c.query(limited, query, args)
		settle(ctx, c.sql.query, op, err)
		return rows, err
	})
}

func (c *sqlConn) query(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if inner, ok := c.Conn.(driver.QueryerContext); ok {
		return inner.QueryContext(ctx, query, args)
	}
	values, err := unnamed(ctx, args)
	if err != nil {
		return nil, err
	}
	return c.Conn.(driver.Queryer).Query(query, values) //nolint:staticcheck,forcetypeassert // it has one of both
}

func (r resets) ResetSession(ctx context.Context) error {
	return r.conn.Conn.(driver.SessionResetter).ResetSession(ctx) //nolint:forcetypeassert // it has it
}

func (v validates) IsValid() bool {
	return v.conn.Conn.(driver.Validator).IsValid() //nolint:forcetypeassert // it has it
}

// Ping asks the connection whether it lives. One that cannot tell does.
func (c *sqlConn) Ping(ctx context.Context) error {
	inner, ok := c.Conn.(driver.Pinger)
	if !ok {
		return nil
	}
	limited, op, err := c.sql.start(ctx, c.sql.ping, usual)
	if err != nil {
		return err
	}
	defer op.End()
	return inner.Ping(limited)
}

// CheckNamedValue has the driver check an argument. If it does not, database/sql goes
// on as if there were no such method.
func (c *sqlConn) CheckNamedValue(v *driver.NamedValue) error {
	if inner, ok := c.Conn.(driver.NamedValueChecker); ok {
		return inner.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

// BeginTx begins a transaction.
func (c *sqlConn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	limited, op, err := c.sql.start(ctx, c.sql.begin, usual)
	if err != nil {
		return nil, err
	}
	goesOn := false
	defer func() {
		if !goesOn {
			op.End()
		}
	}()
	inner, err := c.beginTx(limited, options)
	if err != nil || inner == nil || op.none() {
		return inner, err
	}
	goesOn = true
	return &tx{inner, op}, nil
}

func (c *sqlConn) beginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	if inner, ok := c.Conn.(driver.ConnBeginTx); ok {
		return inner.BeginTx(ctx, options)
	}
	switch { // in the words of database/sql
	case options.Isolation != 0:
		return nil, errors.New("sql: driver does not support non-default isolation level")
	case options.ReadOnly:
		return nil, errors.New("sql: driver does not support read-only transactions")
	}
	begun, err := c.Conn.Begin() //nolint:staticcheck // what database/sql does
	if err == nil && ctx.Err() != nil {
		_ = begun.Rollback()
		return nil, ctx.Err()
	}
	return begun, err
}

// PrepareContext prepares a statement.
func (c *sqlConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	limited, op, err := c.sql.start(ctx, c.sql.prepare, usual)
	if err != nil {
		return nil, err
	}
	defer op.End()
	inner, err := c.prepare(limited, query)
	if err != nil || inner == nil {
		return inner, err
	}
	return newSQLStmt(inner, c), nil
}

func (c *sqlConn) prepare(ctx context.Context, query string) (driver.Stmt, error) {
	if inner, ok := c.Conn.(driver.ConnPrepareContext); ok {
		return inner.PrepareContext(ctx, query)
	}
	prepared, err := c.Conn.Prepare(query)
	if err == nil && ctx.Err() != nil {
		_ = prepared.Close()
		return nil, ctx.Err()
	}
	return prepared, err
}

// unnamed returns the values of args, for drivers that know neither names nor contexts.
func unnamed(ctx context.Context, args []driver.NamedValue) ([]driver.Value, error) {
	values := make([]driver.Value, len(args))
	for i, arg := range args {
		if arg.Name != "" {
			return nil, errors.New("sql: driver does not support the use of Named Parameters") // in the words of database/sql
		}
		values[i] = arg.Value
	}
	return values, ctx.Err()
}
