package deadline

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"reflect"
	"strings"

	"github.com/firebreak-go/firebreak/internal/stack"
)

// sqlFrames is how many frames tell the calls of a database apart: those of a call,
// below the ones of database/sql.
const sqlFrames = callFrames + 10

// Connector returns a driver.Connector, for [database/sql.OpenDB], that makes
// connections with inner and notes what is asked of them under a context without a
// deadline: queries, in flight until their rows are closed; transactions, until they
// are committed or rolled back; statements that are executed or prepared, pings, and
// the making of connections. What database/sql does with the driver stays the same.
//
// At the level [Enforce] the deadline covers rows and transactions, as far as the
// driver heeds the context that it was given. Connections that are made get a deadline
// and are not refused: the pool may make them for itself.
//
// What [database/sql.Conn.Raw] shows is not the driver's own connection, but has it:
//
//	driverConn.(interface{ Raw() driver.Conn }).Raw()
//
// Connector panics if inner is nil.
func (a *Auditor) Connector(inner driver.Connector) driver.Connector {
	if inner == nil {
		panic(errors.New("deadline.Connector: connector is nil, want that of a driver"))
	}
	return &connector{inner: inner, sql: &sqlHooks{
		auditor: a, target: strings.TrimPrefix(reflect.TypeOf(inner).String(), "*"),
		begin: a.operations.get("sql.begin"), connect: a.operations.get("sql.connect"), exec: a.operations.get("sql.exec"),
		ping: a.operations.get("sql.ping"), prepare: a.operations.get("sql.prepare"), query: a.operations.get("sql.query"),
	}}
}

// connector makes connections whose calls are noted.
type connector struct {
	inner driver.Connector
	sql   *sqlHooks
}

func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	limited, op, _ := c.sql.start(ctx, c.sql.connect, hook{tracks: true, adds: true})
	defer op.End()
	inner, err := c.inner.Connect(limited)
	if err != nil || inner == nil {
		return inner, err
	}
	return newSQLConn(inner, c.sql), nil
}

func (c *connector) Driver() driver.Driver { return c.inner.Driver() }

// Close closes what inner has, for DB.Close.
func (c *connector) Close() error {
	if closer, ok := c.inner.(io.Closer); ok {
		return closer.Close()
	}
	return nil
}

// sqlHooks are what the calls of a database are noted with.
type sqlHooks struct {
	auditor                                    *Auditor
	target                                     string
	begin, connect, exec, ping, prepare, query *operation
}

// start notes a call of a method of this package, if it has no deadline.
func (h *sqlHooks) start(ctx context.Context, o *operation, how hook) (context.Context, Op, error) {
	o.calls.Add(1)
	if _, ok := ctx.Deadline(); ok {
		return ctx, Op{}, nil
	}
	var pcs [sqlFrames]uintptr
	n := stack.Callers(pcs[:])
	return h.auditor.unbounded(ctx, o, h.target, pcs[:n], how)
}

// usual is how most calls are treated. A driver may say of a statement that it has to
// be prepared, and then it was none.
var (
	usual     = hook{tracks: true, adds: true, refuses: true}
	statement = hook{tracks: true, adds: true, refuses: true, later: true}
)

// settle counts a call that has returned err, unless it was none.
func settle(ctx context.Context, o *operation, op Op, err error) {
	if err == driver.ErrSkip { //nolint:errorlint // database/sql takes only itself for it
		o.calls.Add(-1)
		return
	}
	op.count(ctx)
}

// tx is a transaction in flight.
type tx struct {
	driver.Tx
	op Op
}

func (t *tx) Commit() error {
	defer t.op.End()
	return t.Tx.Commit()
}

func (t *tx) Rollback() error {
	defer t.op.End()
	return t.Tx.Rollback()
}
