package object

import (
	"go/token"
	"go/types"

	"golang.org/x/tools/go/ssa"
)

// A UseKind says what is done with an object.
type UseKind int

// The kinds of use.
const (
	// Called is a call of one of its methods, or of a function value that was made of one.
	Called UseKind = iota

	// Passed is a call of a function that is not part of the program, with the object
	// among the arguments.
	Passed

	// Stored is an assignment to a field of a struct of a library, or to a variable of one.
	Stored

	// Handed is a return to callers that are not known.
	Handed

	// Bound is a method value: client.Do without a call.
	Bound
)

// A Use is one place where an object is used.
type Use struct {
	Kind    UseKind
	Instr   ssa.Instruction
	Func    *types.Func // that is called, or whose method value is taken; nil if it is a function value
	Arg     int         // which of the Arguments the object is
	Field   *types.Var  // that it is stored in
	Product bool        // it is not the object itself that is used, but what a library made of it
}

// Pos returns where the use is.
func (u Use) Pos() token.Pos {
	if call, ok := u.Instr.(ssa.CallInstruction); ok {
		return call.Common().Pos()
	}
	return u.Instr.Pos()
}

// Call returns the call that the use is, or nil.
func (u Use) Call() *ssa.CallCommon {
	if call, ok := u.Instr.(ssa.CallInstruction); ok {
		return call.Common()
	}
	return nil
}

// Name returns the name of the function that is called: "net/http.Client.Do", or ""
// where that is not known.
func (u Use) Name() string { return FuncName(u.Func) }

// Inert reports whether the function that is called does nothing with its arguments that
// could matter to a limit: it prints, compares or encodes them.
func (u Use) Inert() bool { return isInert(u.Func) }
