package deadline

import (
	"database/sql/driver"
	"reflect"
)

// rowsOf returns the rows of a query, with which op ends.
func rowsOf(op Op, query func() (driver.Rows, error)) (driver.Rows, error) {
	goesOn := false
	defer func() {
		if !goesOn {
			op.End()
		}
	}()
	inner, err := query()
	if err != nil || inner == nil || op.none() {
		return inner, err
	}
	goesOn = true
	r := &sqlRows{inner, op}
	if results, ok := inner.(driver.RowsNextResultSet); ok { // without it the end is one in another way
		return struct {
			*sqlRows
			nextResults
		}{r, nextResults{results}}, nil
	}
	return r, nil
}

// nextResults are the methods of rows of which there may be more of another kind.
type nextResults struct{ inner driver.RowsNextResultSet }

func (r nextResults) HasNextResultSet() bool { return r.inner.HasNextResultSet() }
func (r nextResults) NextResultSet() error   { return r.inner.NextResultSet() }

// sqlRows are the rows of a query in flight. What database/sql does for rows that lack a
// method, they do themselves.
type sqlRows struct {
	driver.Rows
	op Op
}

// Close closes the rows, however they ended: database/sql always does.
func (r *sqlRows) Close() error {
	defer r.op.End()
	return r.Rows.Close()
}

// ColumnTypeScanType returns the type of a column in Go.
func (r *sqlRows) ColumnTypeScanType(i int) reflect.Type {
	if inner, ok := r.Rows.(driver.RowsColumnTypeScanType); ok {
		return inner.ColumnTypeScanType(i)
	}
	return reflect.TypeFor[any]()
}

// ColumnTypeDatabaseTypeName returns the type of a column in the database.
func (r *sqlRows) ColumnTypeDatabaseTypeName(i int) string {
	if inner, ok := r.Rows.(driver.RowsColumnTypeDatabaseTypeName); ok {
		return inner.ColumnTypeDatabaseTypeName(i)
	}
	return ""
}

// ColumnTypeLength returns the length of a column, if its type has one.
func (r *sqlRows) ColumnTypeLength(i int) (length int64, ok bool) {
	if inner, ok := r.Rows.(driver.RowsColumnTypeLength); ok {
		return inner.ColumnTypeLength(i)
	}
	return 0, false
}

// ColumnTypeNullable returns whether a column can be null, if that is known.
func (r *sqlRows) ColumnTypeNullable(i int) (nullable, ok bool) {
	if inner, ok := r.Rows.(driver.RowsColumnTypeNullable); ok {
		return inner.ColumnTypeNullable(i)
	}
	return false, false
}

// ColumnTypePrecisionScale returns those of a column, if its type has them.
func (r *sqlRows) ColumnTypePrecisionScale(i int) (precision, scale int64, ok bool) {
	if inner, ok := r.Rows.(driver.RowsColumnTypePrecisionScale); ok {
		return inner.ColumnTypePrecisionScale(i)
	}
	return 0, 0, false
}
