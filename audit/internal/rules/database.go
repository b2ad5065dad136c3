package rules

import (
	"go/ast"
	"go/constant"
	"go/token"
	"strconv"
	"strings"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// databaseBounded reports whether the program limits its queries by the address of the
// database, or has its database in a file, where nobody is waited for.
func databaseBounded(pass *rule.Pass) bool {
	local, remote := false, false
	for _, pkg := range pass.Program.Packages {
		for _, imported := range pkg.Types.Imports() {
			path := imported.Path()
			local = local || localDrivers[path]
			remote = remote || remoteDriver(path)
		}
		for _, file := range pkg.Files {
			// Drivers are imported for their effect alone: that is not among Imports.
			for _, spec := range file.Imports {
				if path, err := strconv.Unquote(spec.Path.Value); err == nil {
					local = local || localDrivers[path]
					remote = remote || remoteDriver(path)
				}
			}
			if limitsQueries(file) {
				return true
			}
		}
	}
	return local && !remote
}

var localDrivers = map[string]bool{
	"github.com/mattn/go-sqlite3": true, "modernc.org/sqlite": true, "github.com/glebarez/go-sqlite": true,
	"github.com/glebarez/sqlite": true, "github.com/ncruces/go-sqlite3/driver": true, "gorm.io/driver/sqlite": true,
	"github.com/marcboeker/go-duckdb": true, "github.com/duckdb/duckdb-go/v2": true,
}

func remoteDriver(path string) bool {
	for _, driver := range []string{
		"github.com/lib/pq", "github.com/go-sql-driver/mysql", "github.com/jackc/pgx", "github.com/microsoft/go-mssqldb",
		"github.com/denisenkom/go-mssqldb", "github.com/sijms/go-ora", "github.com/godror/godror", "gorm.io/driver/mysql",
		"gorm.io/driver/postgres", "gorm.io/driver/sqlserver", "github.com/ClickHouse/clickhouse-go", "github.com/snowflakedb/gosnowflake",
		"github.com/SAP/go-hdb", "github.com/ibmdb/go_ibm_db", "github.com/trinodb/trino-go-client",
	} {
		if path == driver || strings.HasPrefix(path, driver+"/") {
			return true
		}
	}
	return false
}

// limitsQueries reports whether file has the name of a parameter that limits queries.
func limitsQueries(file *ast.File) bool {
	found := false
	ast.Inspect(file, func(n ast.Node) bool {
		literal, ok := n.(*ast.BasicLit)
		if ok && literal.Kind == token.STRING {
			text := literal.Value
			found = found || strings.Contains(text, "statement_timeout") || strings.Contains(text, "readTimeout=") || strings.Contains(text, "lock_timeout")
		}
		return !found
	})
	return found
}

// constantString returns the value of a constant string, or of one that begins with a
// constant.
func constantString(v ssa.Value) (text string, ok bool) {
	switch v := v.(type) {
	case *ssa.Const:
		if v.Value != nil && v.Value.Kind() == constant.String {
			return constant.StringVal(v.Value), true
		}
	case *ssa.BinOp:
		if v.Op == token.ADD {
			return constantString(v.X)
		}
	}
	return "", false
}
