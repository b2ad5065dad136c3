package object

import (
	"go/types"
	"slices"
	"strings"

	"golang.org/x/tools/go/ssa"
)

// call follows i into a call.
func (f *flow) call(i item, instr ssa.CallInstruction, frames map[frame]*frame) {
	common := instr.Common()
	if builtin, ok := common.Value.(*ssa.Builtin); ok {
		if result, isValue := instr.(ssa.Value); isValue && builtin.Name() == "append" {
			next := i
			next.value = result
			f.push(next)
		}
		return
	}
	if !common.IsInvoke() && common.Value == i.value {
		f.use(i, Use{Kind: Called, Instr: instr, Arg: -1}) // a function that was made of the object
		f.results(i, instr, true)
		return
	}
	for n, arg := range Arguments(common) {
		if arg == i.value {
			f.argument(i, instr, n, frames)
		}
	}
}

// argument follows i as argument n of a call.
func (f *flow) argument(i item, instr ssa.CallInstruction, n int, frames map[frame]*frame) {
	common := instr.Common()
	var callees []*ssa.Function
	switch {
	case common.IsInvoke():
		if n == 0 && !i.product {
			f.use(i, Use{Kind: Called, Instr: instr, Func: common.Method})
			return
		}
		if n > 0 {
			callees = f.table.implementations(common.Method)
		}
	case common.StaticCallee() != nil:
		callee := common.StaticCallee()
		if origin := callee.Origin(); origin != nil {
			callee = origin
		}
		if f.table.judged(callee) {
			callees = []*ssa.Function{callee}
		}
	default:
		callees = f.table.index.bySig[signatureKey(common.Signature())]
	}
	for _, callee := range callees {
		if n < len(callee.Params) {
			next := i
			next.value = callee.Params[n]
			next.frame = enter(i.frame, instr, frames)
			f.push(next)
		}
	}
	if len(callees) > 0 {
		return
	}
	f.foreign(i, instr, n)
}

// foreign follows i as argument n of a call of a library's function.
func (f *flow) foreign(i item, instr ssa.CallInstruction, n int) {
	common := instr.Common()
	fn := Callee(common)
	receives := fn != nil && fn.Signature().Recv() != nil
	if n == 0 && receives {
		f.use(i, Use{Kind: Called, Instr: instr, Func: fn})
		if i.product && gives(fn) {
			f.results(i, instr, true)
		}
		return
	}
	f.use(i, Use{Kind: Passed, Instr: instr, Func: fn, Arg: n})
	if isInert(fn) {
		return
	}
	if !i.product || fn == nil || constructs(fn.Name()) {
		f.results(i, instr, false)
	}
	if receives && !common.IsInvoke() {
		f.holder(i, common.Args[0])
	}
}

// gives reports whether a method of a library's client gives a part of the client, or
// configures it, rather than making a call.
func gives(fn *types.Func) bool {
	given := 0
	for result := range fn.Signature().Results().Variables() {
		if TypeName(result.Type()) == "error" {
			return false
		}
		if carries(result.Type()) {
			given++
		}
	}
	if given != 1 {
		return false
	}
	for param := range fn.Signature().Params().Variables() {
		if name := TypeName(param.Type()); name == "context.Context" || name == "net/http.Request" {
			return false
		}
	}
	return true
}

// constructs reports whether the name of a function says that it makes something of its
// arguments.
func constructs(name string) bool {
	for _, prefix := range []string{"New", "With", "Open", "Create", "Make", "Must", "Build", "Dial", "Connect", "Wrap", "Option", "From", "Client", "Default", "Set", "Use"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// isInert reports whether a library's function does nothing with its arguments that could
// matter to a limit: it prints, compares or encodes them.
func isInert(fn *types.Func) bool {
	if fn == nil || fn.Pkg() == nil {
		return false
	}
	path := fn.Pkg().Path()
	switch path {
	case "fmt", "log", "errors", "reflect", "runtime", "expvar", "encoding/json", "testing":
		return true
	}
	for _, prefix := range inertLibraries {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}

var inertLibraries = []string{
	"log/", "go.uber.org/zap", "github.com/sirupsen/logrus", "github.com/rs/zerolog", "k8s.io/klog", "github.com/go-logr/", "github.com/golang/glog",
	"github.com/go-kit/log", "github.com/go-kit/kit/log", "github.com/hashicorp/go-hclog", "github.com/prometheus/client_golang", "github.com/prometheus/common/promlog", "go.opentelemetry.io/otel/",
	"github.com/pkg/errors", "github.com/mitchellh/mapstructure", "github.com/davecgh/go-spew", "github.com/google/go-cmp",
	"go.uber.org/atomic", "golang.org/x/sync", "golang.org/x/exp/slog",
}

// results follows what a library returns that was given i.
func (f *flow) results(i item, instr ssa.CallInstruction, product bool) {
	call, ok := instr.(*ssa.Call)
	if !ok {
		return
	}
	results := call.Common().Signature().Results()
	for n := range results.Len() {
		t := results.At(n).Type()
		if !carries(t) {
			continue
		}
		next := item{product: true, frame: i.frame}
		if !product && !i.product && !i.container && types.Identical(t, i.value.Type()) && !types.IsInterface(t) {
			next.product = false // what takes and gives an *http.Server decorates it
		}
		for _, value := range resultValues(call, n) {
			next.value = value
			f.push(next)
		}
	}
}

// carries reports whether a value of type t can hold a client that its maker was given.
func carries(t types.Type) bool {
	switch under := t.Underlying().(type) {
	case *types.Basic:
		return false
	case *types.Slice:
		return carries(under.Elem())
	case *types.Map, *types.Chan:
		return false
	}
	switch TypeName(t) {
	case "error", "context.Context", "net/http.Response", "net/http.Request", "time.Time", "net/url.URL", "net/http.Header":
		return false
	}
	return true
}

// enter returns the frame of a function that is called from within outer.
func enter(outer *frame, call ssa.CallInstruction, frames map[frame]*frame) *frame {
	depth := 1
	for at := outer; at != nil; at = at.outer {
		if at.call == call {
			return at // recursion
		}
		depth++
	}
	if depth > maxFrames {
		return nil
	}
	key := frame{call: call, outer: outer, depth: depth}
	if known := frames[key]; known != nil {
		return known
	}
	made := &key
	frames[key] = made
	return made
}

// back follows i to the callers of the function that returns it.
func (f *flow) back(i item, ret *ssa.Return) {
	fn := ret.Parent()
	for n, result := range ret.Results {
		if result != i.value {
			continue
		}
		if i.frame != nil && callsOnly(i.frame.call, fn) {
			f.returned(i, i.frame.call, n, i.frame.outer)
			continue
		}
		callers := f.table.callers(fn)
		for _, call := range callers {
			f.returned(i, call, n, nil)
		}
		if len(callers) == 0 {
			f.use(i, Use{Kind: Handed, Instr: ret})
		}
	}
}

// callsOnly reports whether call calls fn and nothing else.
func callsOnly(call ssa.CallInstruction, fn *ssa.Function) bool {
	callee := call.Common().StaticCallee()
	if callee == nil {
		return false
	}
	return callee == fn || callee.Origin() == fn
}

func (f *flow) returned(i item, instr ssa.CallInstruction, n int, outer *frame) {
	call, ok := instr.(*ssa.Call)
	if !ok {
		return
	}
	for _, value := range resultValues(call, n) {
		next := i
		next.value, next.frame = value, outer
		f.push(next)
	}
}

// callers returns the calls of fn that are known: direct ones, those through an interface
// that its receiver satisfies, and those of function values of its type if it is used as one.
func (t *Table) callers(fn *ssa.Function) []ssa.CallInstruction {
	if found, ok := t.called[fn]; ok {
		return found
	}
	found := slices.Clone(t.program.Callers(fn))
	x := t.indexed()
	if recv := fn.Signature.Recv(); recv != nil {
		for _, call := range x.invokes[fn.Name()] {
			if satisfies(recv.Type(), call.Common().Value.Type()) {
				found = append(found, call)
			}
		}
	}
	if len(x.values[fn]) > 0 {
		found = append(found, x.dynamic[signatureKey(fn.Signature)]...)
	}
	t.called[fn] = found
	return found
}

// implementations returns the methods of the program that a call of the interface method
// may reach.
func (t *Table) implementations(method *types.Func) []*ssa.Function {
	recv := method.Signature().Recv()
	if recv == nil {
		return nil
	}
	if found, ok := t.reached[method]; ok {
		return found
	}
	var found []*ssa.Function
	for _, fn := range t.indexed().methods[method.Name()] {
		if satisfies(fn.Signature.Recv().Type(), recv.Type()) {
			found = append(found, fn)
		}
	}
	t.reached[method] = found
	return found
}

func satisfies(t, iface types.Type) bool {
	shape, ok := iface.Underlying().(*types.Interface)
	if !ok || shape.NumMethods() == 0 {
		return false
	}
	if types.Implements(t, shape) {
		return true
	}
	_, pointer := types.Unalias(t).(*types.Pointer)
	return !pointer && types.Implements(types.NewPointer(t), shape)
}

// An Arg is what one call gives for a parameter.
type Arg struct {
	Value ssa.Value
	Call  ssa.CallInstruction
}

// Passed returns what the calls that are known give for a parameter.
func (t *Table) Passed(p *ssa.Parameter) []Arg {
	fn := p.Parent()
	index := slices.Index(fn.Params, p)
	var found []Arg
	for _, call := range t.callers(fn) {
		if args := Arguments(call.Common()); index >= 0 && index < len(args) {
			found = append(found, Arg{Value: args[index], Call: call})
		}
	}
	return found
}
