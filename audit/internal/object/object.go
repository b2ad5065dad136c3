// Package object follows the values whose fields decide about a bound: clients,
// transports, dialers, servers. It says where each was made, what it was given, and
// where it is used.
package object

import "github.com/firebreak-go/firebreak/audit/internal/program"

// A Table knows the objects of a Program. It is not safe for concurrent use.
type Table struct {
	program *program.Program
}

// New returns the Table of p.
func New(p *program.Program) *Table { return &Table{program: p} }
