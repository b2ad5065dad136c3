// Package ctxflow follows contexts: it says of a value whether it has a deadline, and if
// not, where it came from.
package ctxflow

import (
	"go/token"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/program"
)

// A State is what is known of the deadline of a context.
type State int

// The states.
const (
	// Unknown is a context that comes from where nothing is known.
	Unknown State = iota

	// Bounded is one that has a deadline, at least on some path that was meant.
	Bounded

	// Root is context.Background, context.TODO or what was derived from them without
	// a deadline.
	Root

	// Request is that of a request which is served: it ends when the client leaves,
	// and has no deadline.
	Request

	// Param is a parameter of the function at hand whose callers are not all known.
	Param
)

// An Origin says what a context is, and how it came to be that.
type Origin struct {
	State State
	Param int // index into the parameters of the function, receiver included, if State is Param
	Steps []Step
}

// A Step is one place on the way of a context.
type Step struct {
	Pos  token.Pos
	Text string // "context.Background()", "passed to fetch as ctx"
}

// A Flow knows the contexts of a Program. It is not safe for concurrent use.
type Flow struct {
	program *program.Program
}

// New returns the Flow of p.
func New(p *program.Program) *Flow { return &Flow{program: p} }

// Context says what the value ctx, a context.Context, is where at uses it. at may be nil.
func (f *Flow) Context(ctx ssa.Value, at ssa.Instruction) Origin {
	_, _ = ctx, at
	return Origin{}
}

// Request says what the context of the value req, an *http.Request, is where at uses it.
func (f *Flow) Request(req ssa.Value, at ssa.Instruction) Origin {
	_, _ = req, at
	return Origin{}
}
