package ctxflow

import (
	"encoding/gob"
	"fmt"
	"go/types"
	"strings"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/program"
)

// A Fact is what a package tells those that import it about one of its functions: what
// contexts it returns, and what it waits for with those that it is given. An analysis
// exports it for the function's object, and answers it from program.Program.Fact.
type Fact struct {
	Results []ResultFact // in the order of the results; those that are no contexts are Unknown
	Waits   []WaitFact
}

// A WaitFact says that a call is waited for with a parameter as it is.
type WaitFact struct {
	Param    int    // its index, receiver included
	Kind     int    // of the call, as in package sink
	Name     string // of the call: "pgx.Conn.Query"
	Severity string // of the missing bound: "low", "medium", "high" or ""
}

// AFact makes Fact a fact of go/analysis.
func (*Fact) AFact() {}

// String returns a short form, which tests compare.
func (f *Fact) String() string {
	states := make([]string, len(f.Results))
	for i, r := range f.Results {
		states[i] = r.State.String()
	}
	parts := []string{"contexts(" + strings.Join(states, ", ") + ")"}
	for _, w := range f.Waits {
		parts = append(parts, fmt.Sprintf("waits(%d, %s)", w.Param, w.Name))
	}
	return strings.Join(parts, " ")
}

// A ResultFact is what one result is.
type ResultFact struct {
	State State
	Param int // index of the parameter that it comes from, receiver included, if State is Param
}

func init() { gob.Register(new(Fact)) } //nolint:gochecknoinits // gob demands it

// FactOf returns what is worth telling of fn, or nil if it returns no context of which
// something is known. Only functions that other packages can call are worth asking about.
func (f *Flow) FactOf(fn *ssa.Function) *Fact {
	results := fn.Signature.Results()
	fact := &Fact{Results: make([]ResultFact, results.Len())}
	some := false
	for i := range results.Len() {
		if t := results.At(i).Type(); !IsContext(t) && !IsRequest(t) {
			continue
		}
		o := f.result(fn, i)
		switch o.State {
		case Bounded, Root, Request:
			fact.Results[i].State = o.State
			some = true
		case Param:
			for index, p := range fn.Params {
				if p == o.Param {
					fact.Results[i] = ResultFact{State: Param, Param: index}
					some = true
				}
			}
		case Unknown, nothing:
		}
	}
	if !some {
		return nil
	}
	return fact
}

// FactFor returns what is known of a function of a package that is not judged itself, or nil.
func FactFor(p *program.Program, fn *ssa.Function) *Fact {
	object, ok := fn.Object().(*types.Func)
	if !ok || p.Fact == nil {
		return nil
	}
	fact, _ := p.Fact(object).(*Fact)
	return fact
}

// imported says what a function of another package returns, by its fact.
func (f *Flow) imported(call *ssa.Call, callee *ssa.Function, index int, name string) (o Origin, ok bool) {
	fact := FactFor(f.program, callee)
	if fact == nil || index >= len(fact.Results) || fact.Results[index].State == Unknown {
		return Origin{}, false
	}
	known := fact.Results[index]
	if known.State != Param {
		return Origin{State: known.State, Steps: []Step{{Pos: call.Pos(), Text: "returned by " + name}}}, true
	}
	args := arguments(call.Common())
	if known.Param >= len(args) {
		return Origin{}, false
	}
	return f.value(args[known.Param]).then(call.Pos(), "through "+name), true
}
