package deadline_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync"
)

// A script is a driver whose connections have some of the optional methods, and which
// writes down what it is asked.
type script struct {
	has     map[string]bool // method names; those of statements and rows with their prefix
	execErr error           // of exec on the connection
	during  func()          // what happens while it prepares or begins, if not nil
	invalid bool
	reset   error

	mu  sync.Mutex // guards log
	log []string
}

func (s *script) sayf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, fmt.Sprintf(format, args...))
}

// kind describes a context as far as a driver can tell.
func kind(ctx context.Context) string {
	if ctx.Err() != nil {
		return "ended"
	}
	return "live"
}

func (s *script) Connect(ctx context.Context) (driver.Conn, error) {
	s.sayf("connect %s", kind(ctx))
	return s.newConn(), nil
}

func (s *script) Driver() driver.Driver { return scriptDriver{} }

type scriptDriver struct{}

func (scriptDriver) Open(string) (driver.Conn, error) { return nil, errors.New("not used") }

// money is an argument that only the checkers and converters of the driver know.
type money struct{ cents int64 }

type conn struct{ s *script }

func (c *conn) Prepare(query string) (driver.Stmt, error) {
	c.s.sayf("prepare %s", query)
	if c.s.during != nil {
		c.s.during()
	}
	return c.s.newStmt(query), nil
}
func (c *conn) Close() error { c.s.sayf("close"); return nil }
func (c *conn) Begin() (driver.Tx, error) {
	c.s.sayf("begin")
	if c.s.during != nil {
		c.s.during()
	}
	return txn{c.s}, nil
}

type txn struct{ s *script }

func (t txn) Commit() error   { t.s.sayf("commit"); return nil }
func (t txn) Rollback() error { t.s.sayf("rollback"); return nil }

// The optional methods of a connection.
type (
	connExecContext  struct{ s *script }
	connExec         struct{ s *script }
	connQueryContext struct{ s *script }
	connQuery        struct{ s *script }
	connBeginTx      struct{ s *script }
	connPrepare      struct{ s *script }
	connPing         struct{ s *script }
	connReset        struct{ s *script }
	connValid        struct{ s *script }
	connCheck        struct{ s *script }
)

func (c connExecContext) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.s.sayf("conn.ExecContext %s %s %v", kind(ctx), query, args)
	return driver.RowsAffected(1), c.s.execErr
}

func (c connExec) Exec(query string, args []driver.Value) (driver.Result, error) {
	c.s.sayf("conn.Exec %s %v", query, args)
	return driver.RowsAffected(2), c.s.execErr
}

func (c connQueryContext) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.s.sayf("conn.QueryContext %s %s %v", kind(ctx), query, args)
	if c.s.execErr != nil {
		return nil, c.s.execErr
	}
	return c.s.newRows(ctx), nil
}

func (c connQuery) Query(query string, args []driver.Value) (driver.Rows, error) {
	c.s.sayf("conn.Query %s %v", query, args)
	if c.s.execErr != nil {
		return nil, c.s.execErr
	}
	return c.s.newRows(nil), nil
}

func (c connBeginTx) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	c.s.sayf("BeginTx %s %v", kind(ctx), o)
	return txn(c), nil
}

func (c connPrepare) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	c.s.sayf("PrepareContext %s %s", kind(ctx), query)
	if strings.HasPrefix(query, "bad") {
		return nil, errors.New("syntax")
	}
	return c.s.newStmt(query), nil
}

func (c connPing) Ping(ctx context.Context) error {
	c.s.sayf("Ping %s", kind(ctx))
	return errors.New("no pong")
}

func (c connReset) ResetSession(ctx context.Context) error {
	c.s.sayf("ResetSession %s", kind(ctx))
	return c.s.reset
}

func (c connValid) IsValid() bool { c.s.sayf("IsValid"); return !c.s.invalid }

func (c connCheck) CheckNamedValue(v *driver.NamedValue) error {
	c.s.sayf("conn.CheckNamedValue %v", v.Value)
	return check(v, "conn")
}

func check(v *driver.NamedValue, who string) error {
	switch value := v.Value.(type) {
	case money:
		v.Value = fmt.Sprintf("%d by %s", value.cents, who)
		return nil
	case struct{}:
		return driver.ErrRemoveArgument
	case bool:
		return errors.New("no booleans")
	}
	return driver.ErrSkip
}

// newConn returns a connection with the methods that the script has. The exec and query
// kinds, and what belongs together, are combined; the rest is all or none.
func (s *script) newConn() driver.Conn {
	c := &conn{s}
	ec, e, qc, q := connExecContext{s}, connExec{s}, connQueryContext{s}, connQuery{s}
	b, p, g := connBeginTx{s}, connPrepare{s}, connPing{s}
	r, v, n := connReset{s}, connValid{s}, connCheck{s}
	switch s.name() {
	case "":
		return c
	case "ExecContext":
		return struct {
			*conn
			connExecContext
		}{c, ec}
	case "Exec":
		return struct {
			*conn
			connExec
		}{c, e}
	case "QueryContext":
		return struct {
			*conn
			connQueryContext
		}{c, qc}
	case "Query":
		return struct {
			*conn
			connQuery
		}{c, q}
	case "Exec Query":
		return struct {
			*conn
			connExec
			connQuery
		}{c, e, q}
	case "BeginTx":
		return struct {
			*conn
			connBeginTx
		}{c, b}
	case "PrepareContext":
		return struct {
			*conn
			connPrepare
		}{c, p}
	case "Ping":
		return struct {
			*conn
			connPing
		}{c, g}
	case "ResetSession":
		return struct {
			*conn
			connReset
		}{c, r}
	case "IsValid":
		return struct {
			*conn
			connValid
		}{c, v}
	case "IsValid ResetSession":
		return struct {
			*conn
			connReset
			connValid
		}{c, r, v}
	case "CheckNamedValue":
		return struct {
			*conn
			connCheck
		}{c, n}
	case "CheckNamedValue Exec Query":
		return struct {
			*conn
			connCheck
			connExec
			connQuery
		}{c, n, e, q}
	case "ExecContext IsValid":
		return struct {
			*conn
			connExecContext
			connValid
		}{c, ec, v}
	case "ExecContext ResetSession":
		return struct {
			*conn
			connExecContext
			connReset
		}{c, ec, r}
	case "QueryContext IsValid":
		return struct {
			*conn
			connQueryContext
			connValid
		}{c, qc, v}
	case "QueryContext ResetSession":
		return struct {
			*conn
			connQueryContext
			connReset
		}{c, qc, r}
	case "ExecContext IsValid ResetSession":
		return struct {
			*conn
			connExecContext
			connReset
			connValid
		}{c, ec, r, v}
	case "IsValid QueryContext ResetSession":
		return struct {
			*conn
			connQueryContext
			connReset
			connValid
		}{c, qc, r, v}
	case "ExecContext QueryContext":
		return struct {
			*conn
			connExecContext
			connQueryContext
		}{c, ec, qc}
	case "ExecContext IsValid QueryContext":
		return struct {
			*conn
			connExecContext
			connQueryContext
			connValid
		}{c, ec, qc, v}
	case "ExecContext QueryContext ResetSession":
		return struct {
			*conn
			connExecContext
			connQueryContext
			connReset
		}{c, ec, qc, r}
	case "all":
		return struct {
			*conn
			connExecContext
			connQueryContext
			connBeginTx
			connPrepare
			connPing
			connReset
			connValid
			connCheck
		}{c, ec, qc, b, p, g, r, v, n}
	default:
		panic("no connection has " + s.name())
	}
}

// connKinds are those of newConn.
var connKinds = []string{
	"", "ExecContext", "Exec", "QueryContext", "Query", "Exec Query", "BeginTx", "PrepareContext", "Ping", "ResetSession", "IsValid",
	"IsValid ResetSession", "CheckNamedValue", "CheckNamedValue Exec Query", "ExecContext IsValid", "ExecContext ResetSession",
	"QueryContext IsValid", "QueryContext ResetSession", "ExecContext IsValid ResetSession", "IsValid QueryContext ResetSession",
	"ExecContext QueryContext", "ExecContext IsValid QueryContext", "ExecContext QueryContext ResetSession", "all",
}

func (s *script) name() string {
	for name := range s.has {
		if rest, ok := strings.CutPrefix(name, "conn:"); ok {
			return rest
		}
	}
	return ""
}

type stmt struct {
	s     *script
	query string
}

func (s *stmt) Close() error  { s.s.sayf("close %s", s.query); return nil }
func (s *stmt) NumInput() int { return strings.Count(s.query, "?") }
func (s *stmt) Exec(args []driver.Value) (driver.Result, error) {
	s.s.sayf("stmt.Exec %v", args)
	return driver.RowsAffected(3), nil
}

func (s *stmt) Query(args []driver.Value) (driver.Rows, error) {
	s.s.sayf("stmt.Query %v", args)
	return s.s.newRows(nil), nil
}

type (
	stmtContext struct{ s *script }
	stmtCheck   struct{ s *script }
	stmtConvert struct{ s *script }
)

func (t stmtContext) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	t.s.sayf("stmt.ExecContext %s %v", kind(ctx), args)
	return driver.RowsAffected(4), nil
}

func (t stmtContext) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	t.s.sayf("stmt.QueryContext %s %v", kind(ctx), args)
	return t.s.newRows(ctx), nil
}

func (t stmtCheck) CheckNamedValue(v *driver.NamedValue) error {
	t.s.sayf("stmt.CheckNamedValue %v", v.Value)
	return check(v, "stmt")
}

func (t stmtConvert) ColumnConverter(i int) driver.ValueConverter {
	t.s.sayf("ColumnConverter %d", i)
	return converter{}
}

type converter struct{}

func (converter) ConvertValue(v any) (driver.Value, error) {
	if m, ok := v.(money); ok {
		return fmt.Sprintf("%d by converter", m.cents), nil
	}
	return driver.DefaultParameterConverter.ConvertValue(v)
}

func (s *script) newStmt(query string) driver.Stmt {
	t, x, k, v := &stmt{s, query}, stmtContext{s}, stmtCheck{s}, stmtConvert{s}
	switch {
	case s.has["stmt:all"]:
		return struct {
			*stmt
			stmtContext
			stmtCheck
			stmtConvert
		}{t, x, k, v}
	case s.has["stmt:context"]:
		return struct {
			*stmt
			stmtContext
		}{t, x}
	case s.has["stmt:check"]:
		return struct {
			*stmt
			stmtCheck
		}{t, k}
	case s.has["stmt:convert"]:
		return struct {
			*stmt
			stmtConvert
		}{t, v}
	default:
		return t
	}
}

var stmtKinds = []string{"", "stmt:context", "stmt:check", "stmt:convert", "stmt:all"}

// rows are two, and then another two of another kind if they have more.
type rows struct {
	s    *script
	ctx  context.Context
	left int
}

func (s *script) newRows(ctx context.Context) driver.Rows {
	r := &rows{s: s, ctx: ctx, left: 2}
	if s.has["rows:all"] {
		return &fullRows{rows: r, sets: 1}
	}
	return r
}

func (r *rows) Columns() []string { return []string{"a", "b"} }
func (r *rows) Close() error {
	if r.ctx != nil {
		r.s.sayf("rows.Close %s", kind(r.ctx))
	}
	return nil
}

func (r *rows) Next(dest []driver.Value) error {
	if r.left == 0 {
		return io.EOF
	}
	r.left--
	dest[0], dest[1] = int64(r.left), "x"
	return nil
}

type fullRows struct {
	*rows
	sets int
}

func (r *fullRows) HasNextResultSet() bool { return r.sets > 0 }
func (r *fullRows) NextResultSet() error {
	if r.sets == 0 {
		return io.EOF
	}
	r.sets--
	r.left = 2
	return nil
}
func (r *fullRows) ColumnTypeScanType(int) reflect.Type                { return reflect.TypeFor[int8]() }
func (r *fullRows) ColumnTypeDatabaseTypeName(int) string              { return "INT8" }
func (r *fullRows) ColumnTypeLength(int) (int64, bool)                 { return 7, true }
func (r *fullRows) ColumnTypeNullable(int) (nullable, ok bool)         { return true, true }
func (r *fullRows) ColumnTypePrecisionScale(int) (p, s int64, ok bool) { return 1, 2, true }
