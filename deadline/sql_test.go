package deadline_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/firebreak-go/firebreak/deadline"
)

// everything does all that database/sql can do, and returns what it saw.
func everything(ctx context.Context, db *sql.DB) (seen []string) {
	say := func(format string, args ...any) { seen = append(seen, fmt.Sprintf(format, args...)) }
	exec := func(result sql.Result, err error) {
		if err != nil {
			say("exec: %v", err)
			return
		}
		n, err := result.RowsAffected()
		say("exec: %d, %v", n, err)
	}
	query := func(rows *sql.Rows, err error) {
		if err != nil {
			say("query: %v", err)
			return
		}
		types, err := rows.ColumnTypes()
		for _, t := range types {
			length, hasLength := t.Length()
			nullable, known := t.Nullable()
			precision, scale, decimal := t.DecimalSize()
			say("column: %s %s %v %d %v %v %v %d %d %v", t.Name(), t.DatabaseTypeName(), t.ScanType(), length, hasLength, nullable, known, precision, scale, decimal)
		}
		for {
			for rows.Next() {
				var a int
				var b string
				err := rows.Scan(&a, &b)
				say("row: %d %s %v", a, b, err)
			}
			if !rows.NextResultSet() {
				break
			}
			say("more")
		}
		say("rows: %v, %v, %v", err, rows.Err(), rows.Close())
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	db.SetMaxOpenConns(1)
	say("ping: %v", db.PingContext(ctx))
	exec(db.ExecContext(ctx, "plain"))
	exec(db.ExecContext(ctx, "one ?", 7))
	exec(db.ExecContext(ctx, "money ?", money{5}))
	exec(db.ExecContext(ctx, "removed", struct{}{}))
	exec(db.ExecContext(ctx, "boolean ?", true))
	exec(db.ExecContext(ctx, "named ?", sql.Named("n", 1)))
	exec(db.ExecContext(ctx, "too many ?", 1, 2))
	exec(db.ExecContext(ctx, "bad"))
	exec(db.ExecContext(ended, "too late"))
	query(db.QueryContext(ctx, "rows"))
	query(db.QueryContext(ctx, "rows ?", money{6}))
	query(db.QueryContext(ctx, "rows ?", sql.Named("n", 1)))
	if prepared, err := db.PrepareContext(ctx, "prepared ?"); err == nil {
		exec(prepared.ExecContext(ctx, money{7}))
		exec(prepared.ExecContext(ctx, "text"))
		exec(prepared.ExecContext(ctx, sql.Named("n", 1)))
		query(prepared.QueryContext(ctx, money{8}))
		query(prepared.QueryContext(ctx, true))
		say("prepared: %v", prepared.Close())
	} else {
		say("prepare: %v", err)
	}
	for _, o := range []*sql.TxOptions{nil, {}, {Isolation: sql.LevelSerializable}, {ReadOnly: true}} {
		begun, err := db.BeginTx(ctx, o)
		if err != nil {
			say("begin: %v", err)
			continue
		}
		exec(begun.ExecContext(ctx, "in a transaction"))
		if o == nil {
			say("rollback: %v", begun.Rollback())
		} else {
			say("commit: %v", begun.Commit())
		}
	}
	_, err := db.BeginTx(ended, nil)
	say("begin: %v", err)
	tied, cancel := context.WithCancel(ctx)
	begun, err := db.BeginTx(tied, nil) // what the end of its context does to the connection depends on the driver
	say("begin: %v", err)
	cancel()
	synctest.Wait()
	if err == nil {
		say("commit: %v", begun.Commit())
	}
	exec(db.ExecContext(ctx, "after it"))
	say("driver: %T, stats: %d open, %d closed", db.Driver(), db.Stats().OpenConnections, db.Stats().MaxLifetimeClosed)
	say("close: %v", db.Close())
	return seen
}

// database/sql does with a driver exactly what it does without an Auditor, whatever
// methods the driver has, and whether its calls have a deadline or not.
func TestConnectorChangesNothing(t *testing.T) {
	faults := map[string]func(*script){
		"well":     func(*script) {},
		"ErrSkip":  func(s *script) { s.execErr = driver.ErrSkip },
		"failing":  func(s *script) { s.execErr = errors.New("constraint") },
		"bad conn": func(s *script) { s.execErr = driver.ErrBadConn },
		"invalid":  func(s *script) { s.invalid = true },
		"reset":    func(s *script) { s.reset = driver.ErrBadConn },
	}
	connKinds, stmtKinds := connKinds, stmtKinds
	if raceDetector { // it takes its time, and races do not depend on this
		connKinds, stmtKinds = []string{"", "Exec Query", "all"}, []string{"", "stmt:all"}
		maps.DeleteFunc(faults, func(fault string, _ func(*script)) bool { return fault != "well" && fault != "bad conn" })
	}
	configs := map[string]deadline.Config{
		"observe": {}, "enforce": {Level: deadline.Enforce, Logger: discard, DefaultDeadline: time.Hour},
	}
	for _, connKind := range connKinds {
		for _, stmtKind := range stmtKinds {
			for fault, change := range faults {
				if fault != "well" && stmtKind != "" && stmtKind != "stmt:all" {
					continue // faults are those of connections
				}
				synctest.Test(t, func(t *testing.T) {
					bounded, cancel := context.WithTimeout(background, time.Hour)
					defer cancel()
					newScript := func() *script {
						s := &script{has: map[string]bool{"conn:" + connKind: true, stmtKind: true, "rows:all": len(connKind)%2 == 0}}
						change(s)
						return s
					}
					plain := newScript()
					want := everything(background, sql.OpenDB(plain))
					for level, cfg := range configs {
						for name, ctx := range map[string]context.Context{"bounded": bounded, "unbounded": background} {
							a := deadline.New(cfg)
							audited := newScript()
							got := everything(ctx, sql.OpenDB(a.Connector(audited)))
							where := fmt.Sprintf("conn %q, %q, %s, %s, %s", connKind, stmtKind, fault, level, name)
							if diff := cmp.Diff(want, got); diff != "" {
								t.Errorf("%s: the caller sees, -want +got:\n%s", where, diff)
							}
							if diff := cmp.Diff(plain.log, audited.log); diff != "" {
								t.Errorf("%s: the driver sees, -want +got:\n%s", where, diff)
							}
							if n := inFlight(a); n != 0 {
								t.Errorf("%s: got %d in flight after the end, want 0", where, n)
							}
						}
					}
				})
			}
		}
	}
}

// A driver that does not know contexts begins and prepares for a caller who has gone
// meanwhile: it is undone.
func TestConnectorCallerGone(t *testing.T) {
	for name, call := range map[string]func(context.Context, *sql.DB) error{
		"begin":   func(ctx context.Context, db *sql.DB) error { _, err := db.BeginTx(ctx, nil); return err },
		"prepare": func(ctx context.Context, db *sql.DB) error { _, err := db.PrepareContext(ctx, "x"); return err },
	} {
		var logs [2][]string
		for i := range logs {
			s := &script{has: map[string]bool{}}
			var connector driver.Connector = s
			if i == 1 {
				connector = deadline.New(deadline.Config{}).Connector(s)
			}
			db := sql.OpenDB(connector)
			ctx, cancel := context.WithCancel(background)
			s.during = cancel
			if err := call(ctx, db); !errors.Is(err, context.Canceled) {
				t.Errorf("%s, audited %v: got %v, want context.Canceled", name, i == 1, err)
			}
			db.Close()
			logs[i] = s.log
		}
		if diff := cmp.Diff(logs[0], logs[1]); diff != "" || len(logs[0]) != 4 {
			t.Errorf("%s: the driver sees %q, -plain +audited:\n%s", name, logs[0], diff)
		}
	}
}

// The methods that a driver may have are those that the Connector knows. A new one of a
// later Go would be hidden by it: see to it, then add it here.
func TestKnowsAllOfDriver(t *testing.T) {
	pkg, err := build.Import("database/sql/driver", "", build.FindOnly)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	files, err := filepath.Glob(filepath.Join(pkg.Dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("got files %v, %v, want the source of database/sql/driver", files, err)
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok && spec.Name.IsExported() {
				if _, ok := spec.Type.(*ast.InterfaceType); ok {
					got = append(got, spec.Name.Name)
				}
			}
			return true
		})
	}
	slices.Sort(got)
	want := []string{
		"ColumnConverter", "Conn", "ConnBeginTx", "ConnPrepareContext", "Connector", "Driver", "DriverContext", "Execer",
		"ExecerContext", "NamedValueChecker", "Pinger", "Queryer", "QueryerContext", "Result", "Rows",
		"RowsColumnTypeDatabaseTypeName", "RowsColumnTypeLength", "RowsColumnTypeNullable", "RowsColumnTypePrecisionScale",
		"RowsColumnTypeScanType", "RowsNextResultSet", "SessionResetter", "Stmt", "StmtExecContext", "StmtQueryContext", "Tx",
		"Validator", "ValueConverter", "Valuer",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func openDB(a *deadline.Auditor, has ...string) (*sql.DB, *script) {
	s := &script{has: make(map[string]bool)}
	for _, h := range has {
		s.has[h] = true
	}
	return sql.OpenDB(a.Connector(s)), s
}

// calls returns how often each operation was done without a deadline.
func calls(a *deadline.Auditor) map[string]int64 {
	counts := make(map[string]int64)
	for _, o := range a.Report().Operations {
		counts[o.Op] = o.Unbounded
	}
	return counts
}

// Calls count where the service makes them, a statement that has to be prepared once
// for each step, and nothing that has a deadline.
func TestConnectorCounts(t *testing.T) {
	a := deadline.New(deadline.Config{})
	db, s := openDB(a, "conn:all", "stmt:all")
	defer db.Close()
	s.execErr = driver.ErrSkip
	bounded, cancel := context.WithTimeout(background, time.Hour)
	defer cancel()
	_, _ = db.ExecContext(bounded, "x")
	want := map[string]int64{"sql.connect": 0, "sql.exec": 0, "sql.prepare": 0}
	if diff := cmp.Diff(want, calls(a)); diff != "" {
		t.Errorf("with a deadline, -want +got:\n%s", diff)
	}
	_, _ = db.ExecContext(background, "x")
	_, _ = db.Exec("x")
	want["sql.exec"], want["sql.prepare"] = 2, 2
	if diff := cmp.Diff(want, calls(a)); diff != "" {
		t.Errorf("without one, -want +got:\n%s", diff)
	}
	for _, o := range a.Report().Operations {
		if o.Op == "sql.exec" && o.Calls != 3 {
			t.Errorf("got %d calls of sql.exec, want 3", o.Calls)
		}
	}
	for _, site := range a.Report().Sites {
		if site.Frames[0].Function != "TestConnectorCounts" || site.Targets[0].Target != "deadline_test.script" {
			t.Errorf("got %s in %v of %v, want it in this test", site.Op, site.Frames, site.Targets)
		}
	}
	if n := len(a.Report().Sites); n != 4 {
		t.Errorf("got %d sites, want one for each line and operation", n)
	}
}

// Rows are in flight until they are closed, and transactions until they are over.
func TestConnectorInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := deadline.New(deadline.Config{})
		db, _ := openDB(a, "conn:all")
		longest := func(op string) time.Duration {
			for _, s := range a.Report().Sites {
				if s.Op == op {
					return s.Longest
				}
			}
			return -1
		}
		result, err := db.QueryContext(background, "rows")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		if got := inFlight(a); got != 1 {
			t.Errorf("got %d in flight before the end of the rows, want 1", got)
		}
		for result.Next() {
			time.Sleep(time.Second)
		}
		if err := result.Err(); err != nil {
			t.Error(err)
		}
		if got := longest("sql.query"); got != 5*time.Second || inFlight(a) != 0 {
			t.Errorf("got %v, %d in flight after the end of the rows, want 5s, 0", got, inFlight(a))
		}
		for _, end := range []func(*sql.Tx) error{(*sql.Tx).Commit, (*sql.Tx).Rollback} {
			begun, err := db.BeginTx(background, nil)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(7 * time.Second)
			if got := inFlight(a); got != 1 {
				t.Errorf("got %d in flight within a transaction, want 1", got)
			}
			if err := end(begun); err != nil || inFlight(a) != 0 || longest("sql.begin") != 7*time.Second {
				t.Errorf("got %v, %d in flight, %v after the transaction, want nil, 0, 7s", err, inFlight(a), longest("sql.begin"))
			}
		}
		db.Close()
	})
}

// At the level Enforce the driver sees a deadline, for as long as rows and transactions
// last.
func TestConnectorEnforces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := deadline.New(deadline.Config{Level: deadline.Enforce, DefaultDeadline: 5 * time.Second, Logger: discard})
		db, s := openDB(a, "conn:all")
		s.log = nil
		result, err := db.QueryContext(background, "rows")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Second)
		result.Close()
		result, err = db.QueryContext(background, "rows")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Second)
		result.Close()
		ends := slices.DeleteFunc(slices.Clone(s.log), func(line string) bool { return line[:4] != "rows" })
		if diff := cmp.Diff([]string{"rows.Close live", "rows.Close ended"}, ends); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		db.Close()
	})
}

func TestConnectorRefuses(t *testing.T) {
	a := deadline.New(deadline.Config{Level: deadline.Enforce, Refuse: true, Logger: discard})
	db, s := openDB(a, "conn:all", "stmt:all")
	defer db.Close()
	bounded, cancel := context.WithTimeout(background, time.Hour)
	defer cancel()
	prepared, err := db.PrepareContext(bounded, "x")
	if err != nil {
		t.Fatal(err)
	}
	defer prepared.Close()
	before := len(s.log)
	for name, call := range map[string]func() error{
		"exec":     func() error { _, err := db.ExecContext(background, "x"); return err },
		"query":    func() error { return db.QueryRowContext(background, "x").Err() },
		"begin":    func() error { _, err := db.BeginTx(background, nil); return err },
		"ping":     func() error { return db.PingContext(background) },
		"prepare":  func() error { _, err := db.PrepareContext(background, "x"); return err },
		"prepared": func() error { _, err := prepared.ExecContext(background); return err },
		"rows":     func() error { return prepared.QueryRowContext(background).Err() },
	} {
		if err := call(); !errors.Is(err, deadline.ErrNoDeadline) {
			t.Errorf("%s: got %v, want ErrNoDeadline", name, err)
		}
	}
	for _, line := range s.log[before:] {
		if line != "ResetSession live" && line != "IsValid" {
			t.Errorf("the driver was asked: %s", line)
		}
	}
	if want := (map[string]int64{"sql.begin": 1, "sql.connect": 0, "sql.exec": 2, "sql.ping": 1, "sql.prepare": 1, "sql.query": 2}); !maps.Equal(want, calls(a)) {
		t.Errorf("got %v, want %v", calls(a), want)
	}
	if got := inFlight(a); got != 0 {
		t.Errorf("got %d in flight, want 0", got)
	}
}

// A pool that has no connection makes one, also for a caller without a deadline.
func TestConnectorConnects(t *testing.T) {
	a := deadline.New(deadline.Config{Level: deadline.Enforce, Refuse: true, Logger: discard})
	db, _ := openDB(a)
	defer db.Close()
	pooled, err := db.Conn(background)
	if err != nil {
		t.Fatal(err)
	}
	defer pooled.Close()
	s := only(t, a)
	if s.Op != "sql.connect" || s.GotDeadline != 1 || s.Refused != 0 {
		t.Errorf("got %+v, want a connection with a deadline", s)
	}
	err = pooled.Raw(func(c any) error {
		raw, ok := c.(interface{ Raw() driver.Conn })
		if !ok {
			return fmt.Errorf("a %T has no Raw", c)
		}
		if _, ok := raw.Raw().(*conn); !ok {
			return fmt.Errorf("Raw: got a %T, want that of the driver", raw.Raw())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestConnectorNil(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	deadline.New(deadline.Config{}).Connector(nil)
}
