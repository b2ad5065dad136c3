package rules

import (
	"go/types"
	"strings"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/object"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// transports judges http.RoundTrippers: whether one bounds the requests that it sends.
type transports struct {
	pass *rule.Pass
	seen map[ssa.Value]bool
}

// boundedClient reports whether a client has a limit of its own: a Timeout, or a transport
// that limits connecting, the handshake and the wait for the header of the response.
func boundedClient(pass *rule.Pass, o *object.Object) bool {
	if o.Given("Timeout") == object.Something {
		return true
	}
	sets := o.Sets("Transport")
	if len(sets) == 0 {
		return defaultTransportBounded(pass)
	}
	judge := &transports{pass: pass, seen: make(map[ssa.Value]bool)}
	for _, set := range sets {
		if set.Value == nil || !judge.bounded(set.Value) {
			return false
		}
	}
	return true
}

// defaultTransportBounded reports whether the program gives http.DefaultTransport a limit
// for the header of a response.
func defaultTransportBounded(pass *rule.Pass) bool {
	for _, mention := range pass.Objects.Mentions("net/http", "DefaultTransport") {
		if len(mention.Sets("ResponseHeaderTimeout")) > 0 {
			return true
		}
	}
	for _, store := range pass.Objects.Replaced("net/http", "DefaultTransport") {
		judge := &transports{pass: pass, seen: make(map[ssa.Value]bool)}
		if judge.bounded(store.Val) {
			return true
		}
	}
	return false
}

// bounded reports whether a RoundTripper is bounded on all ways that v may take.
func (t *transports) bounded(v ssa.Value) bool {
	sources := t.pass.Objects.Sources(v)
	for _, source := range sources {
		if t.seen[source.Value] {
			continue
		}
		t.seen[source.Value] = true
		if !t.boundedSource(source) {
			return false
		}
	}
	return len(sources) > 0
}

func (t *transports) boundedSource(source object.Source) bool {
	switch source.Kind {
	case object.Constant: // nil
		return defaultTransportBounded(t.pass)
	case object.Variable:
		return isDefaultTransport(source.Value) && defaultTransportBounded(t.pass)
	case object.Library:
		call, ok := source.Value.(*ssa.Call)
		return ok && t.boundedCall(call, source.Index)
	case object.Struct:
		return t.boundedStruct(source.Value)
	case object.Function:
		fn, ok := functionOf(source.Value)
		return ok && limits(fn, 3)
	default:
		return false
	}
}

func isDefaultTransport(v ssa.Value) bool {
	load, ok := v.(*ssa.UnOp)
	if !ok {
		return false
	}
	global, ok := load.X.(*ssa.Global)
	return ok && global.Name() == "DefaultTransport" && global.Pkg.Pkg.Path() == "net/http"
}

// boundedCall judges what a function of a library returns.
func (t *transports) boundedCall(call *ssa.Call, index int) bool {
	fn := object.Callee(call.Common())
	name := object.FuncName(fn)
	if strings.Contains(name, "firebreak/firebreakhttp.") {
		return true
	}
	if fn == nil {
		return false
	}
	results := fn.Signature().Results()
	if index < results.Len() && object.TypeName(results.At(index).Type()) == "net/http.Transport" {
		// a clone of http.DefaultTransport, or of what is like it: the header is what lacks a limit
		return t.pass.Objects.Result(call, index).Given("ResponseHeaderTimeout") == object.Something
	}
	inner := false
	for _, arg := range object.Arguments(call.Common()) {
		if isRoundTripper(arg.Type()) {
			inner = true
			if !t.bounded(arg) {
				return false
			}
		}
	}
	return inner
}

// boundedStruct judges a struct: an http.Transport, or a RoundTripper with another inside.
func (t *transports) boundedStruct(addr ssa.Value) bool {
	name := object.TypeName(addr.Type())
	if name == "net/http.Transport" {
		for _, o := range t.pass.Objects.Objects("net/http", "Transport") {
			if o.Value == addr {
				return boundedTransport(o)
			}
		}
		return false
	}
	if roundTrip := t.method(addr.Type(), "RoundTrip"); roundTrip != nil && limits(roundTrip, 3) {
		return true
	}
	inner := false
	for _, store := range t.pass.Objects.FieldsOf(addr) {
		if !isRoundTripper(store.Val.Type()) {
			continue
		}
		inner = true
		if !t.bounded(store.Val) {
			return false
		}
	}
	return inner
}

// boundedTransport reports whether a transport limits all that comes before a body:
// connecting, the handshake, and the header.
func boundedTransport(o *object.Object) bool {
	return o.Given("ResponseHeaderTimeout") == object.Something && len(missingLimits(o)) == 0
}

// missingLimits returns the limits that a transport lacks which http.DefaultTransport has.
func missingLimits(o *object.Object) []string {
	var missing []string
	dials := false
	for _, field := range []string{"DialContext", "Dial", "DialTLS", "DialTLSContext"} {
		dials = dials || o.Given(field) == object.Something
	}
	if !dials {
		missing = append(missing, "DialContext")
	}
	if o.Given("TLSHandshakeTimeout") != object.Something && o.Given("DialTLS") != object.Something && o.Given("DialTLSContext") != object.Something {
		missing = append(missing, "TLSHandshakeTimeout")
	}
	return missing
}

func (t *transports) method(of types.Type, name string) *ssa.Function {
	return methodOf(t.pass, of, name)
}

// methodOf returns the method of a type of the program, or nil.
func methodOf(pass *rule.Pass, of types.Type, name string) *ssa.Function {
	if _, pointer := types.Unalias(of).(*types.Pointer); !pointer {
		of = types.NewPointer(of)
	}
	selection := types.NewMethodSet(of).Lookup(nil, name)
	if selection == nil || len(pass.Program.Packages) == 0 {
		return nil
	}
	fn, ok := selection.Obj().(*types.Func)
	if !ok {
		return nil
	}
	return pass.Program.Packages[0].SSA.Prog.FuncValue(fn)
}

// isRoundTripper reports whether t is http.RoundTripper, an http.Transport, or another type
// that sends requests.
func isRoundTripper(t types.Type) bool {
	switch object.TypeName(t) {
	case "net/http.RoundTripper", "net/http.Transport":
		return true
	}
	selection := types.NewMethodSet(t).Lookup(nil, "RoundTrip")
	return selection != nil
}

func functionOf(v ssa.Value) (*ssa.Function, bool) {
	switch v := v.(type) {
	case *ssa.Function:
		return v, true
	case *ssa.MakeClosure:
		fn, ok := v.Fn.(*ssa.Function)
		return fn, ok
	}
	return nil, false
}

// limits reports whether fn sets a deadline for what it does: in its own body, or in what
// it calls in the program, to a depth.
func limits(fn *ssa.Function, depth int) bool {
	if fn == nil || depth == 0 {
		return false
	}
	for _, block := range fn.Blocks {
		for _, instr := range block.Instrs {
			call, ok := instr.(ssa.CallInstruction)
			if !ok {
				continue
			}
			switch object.FuncName(object.Callee(call.Common())) {
			case "context.WithTimeout", "context.WithDeadline", "context.WithTimeoutCause", "context.WithDeadlineCause", "time.AfterFunc":
				return true
			}
			if callee := call.Common().StaticCallee(); callee != nil && limits(callee, depth-1) {
				return true
			}
		}
	}
	for _, inner := range fn.AnonFuncs {
		if limits(inner, depth-1) {
			return true
		}
	}
	return false
}
