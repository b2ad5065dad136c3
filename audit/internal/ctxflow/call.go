package ctxflow

import (
	"go/types"
	"slices"
	"strings"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/catalog"
)

// call says what result index of a call is.
func (f *Flow) call(call *ssa.Call, index int) Origin {
	common := call.Common()
	if o, ok := f.library(call); ok {
		return o
	}
	name := CalleeName(common)
	if callee := common.StaticCallee(); callee != nil {
		if len(callee.Blocks) > 0 && f.program.PackageOf(callee) != nil {
			return f.inlined(call, callee, index, name)
		}
		if o, ok := f.imported(call, callee, index, name); ok {
			return o
		}
	}
	return f.derived(call, index, name)
}

// library knows the functions of the standard library and of frameworks.
func (f *Flow) library(call *ssa.Call) (o Origin, ok bool) {
	common := call.Common()
	begin := func(state State, text string) (Origin, bool) {
		return Origin{State: state, Steps: []Step{{Pos: call.Pos(), Text: text}}}, true
	}
	fn := Callee(common)
	if fn == nil || fn.Pkg() == nil {
		return Origin{}, false
	}
	path, name := fn.Pkg().Path(), fn.Name()
	switch path {
	case "context", "golang.org/x/net/context":
		switch name {
		case "Background", "TODO":
			return begin(Root, "context."+name+"()")
		case "WithTimeout", "WithTimeoutCause", "WithDeadline", "WithDeadlineCause":
			return begin(Bounded, "context."+name)
		case "WithoutCancel":
			return begin(Root, "context.WithoutCancel drops the deadline")
		case "WithCancel", "WithCancelCause":
			if timed(call) {
				return begin(Bounded, "context."+name+", which a timer calls")
			}
		}
	case "net/http":
		switch {
		case name == "NewRequest" && len(common.Args) > 0:
			return begin(Root, "http.NewRequest has context.Background()")
		case receiver(fn) == "Request" && name == "Context":
			return f.value(common.Args[0]), true
		case receiver(fn) == "Request" && (name == "WithContext" || name == "Clone"):
			return f.value(common.Args[1]).then(call.Pos(), "Request."+name), true
		}
	case "net/http/httptest":
		if name == "NewRequest" {
			return begin(Root, "httptest.NewRequest has context.Background()")
		}
	}
	if o, ok := beginnings[path+"."+name]; ok {
		return begin(o.state, o.text)
	}
	if recv := fn.Signature().Recv(); recv != nil {
		if t := receiverValue(common); t != nil && (isServed(t) || isServerStream(t) && name == "Context") {
			return begin(Request, "the request that is served")
		}
	}
	return Origin{}, false
}

type beginning struct {
	state State
	text  string
}

// beginnings are functions of other modules that give a context without being given one.
var beginnings = map[string]beginning{
	"sigs.k8s.io/controller-runtime/pkg/manager/signals.SetupSignalHandler": {Root, "signals.SetupSignalHandler has no deadline"},
	"sigs.k8s.io/controller-runtime.SetupSignalHandler":                     {Root, "SetupSignalHandler has no deadline"},
	"k8s.io/apiserver/pkg/server.SetupSignalContext":                        {Root, "SetupSignalContext has no deadline"},
	"knative.dev/pkg/signals.NewContext":                                    {Root, "signals.NewContext has no deadline"},
}

// inlined says what a function of the program returns, given the arguments of call.
func (f *Flow) inlined(call *ssa.Call, callee *ssa.Function, index int, name string) Origin {
	o := f.result(callee, index)
	if o.State == Param && o.Param.Parent() == callee {
		if arg := argument(call.Common(), callee, o.Param); arg != nil {
			return f.value(arg).then(call.Pos(), "through "+name)
		}
	}
	if o.State == Unknown {
		if given := f.derived(call, index, name); given.State == Bounded {
			return given
		}
	}
	return o.then(call.Pos(), "returned by "+name)
}

// result says what fn returns as result index, in terms of its parameters.
func (f *Flow) result(fn *ssa.Function, index int) Origin {
	key := result{fn, index}
	if o, ok := f.results[key]; ok {
		return o
	}
	o, final := f.once(key, func() Origin {
		joined := Origin{State: nothing}
		for _, block := range fn.Blocks {
			if back, ok := block.Instrs[len(block.Instrs)-1].(*ssa.Return); ok && index < len(back.Results) {
				joined = join(joined, f.value(back.Results[index]))
			}
		}
		return joined
	})
	if final {
		f.results[key] = o
	}
	return o
}

// derived says what a function that is not known returns: it passes on the context that it
// is given, and if its name says so, with a deadline.
func (f *Flow) derived(call *ssa.Call, index int, name string) Origin {
	common := call.Common()
	results := common.Signature().Results()
	if index >= results.Len() {
		return Origin{}
	}
	if t := results.At(index).Type(); !IsContext(t) && !IsRequest(t) {
		return f.holder(t)
	}
	given, joined := false, Origin{State: nothing}
	for _, arg := range arguments(common) {
		if IsContext(arg.Type()) || IsRequest(arg.Type()) || isServed(arg.Type()) {
			given, joined = true, join(joined, f.value(arg))
		}
	}
	switch {
	case !given:
		return Origin{}
	case namesLimit(name), f.limits(call):
		return Origin{State: Bounded, Steps: append(slices.Clip(joined.Steps), Step{Pos: call.Pos(), Text: name})}
	default:
		return joined.then(call.Pos(), name)
	}
}

// limits reports whether call is of a function that sets a deadline, as the catalog knows.
func (f *Flow) limits(call ssa.CallInstruction) bool {
	var versions func(string) string
	if pkg := f.program.PackageOf(call.Parent()); pkg != nil {
		versions = pkg.Versions
	}
	entry := f.catalog.Find(Callee(call.Common()), versions)
	return entry != nil && entry.Is == catalog.Limits
}

// namesLimit reports whether a function of that name sets a deadline.
func namesLimit(name string) bool {
	name = strings.ToLower(name[strings.LastIndexByte(name, '.')+1:])
	return strings.Contains(name, "timeout") || strings.Contains(name, "deadline")
}

// Callee returns the function or method that a call names, or nil.
func Callee(common *ssa.CallCommon) *types.Func {
	if common.IsInvoke() {
		return common.Method
	}
	callee := common.StaticCallee()
	if callee == nil {
		return nil
	}
	if origin := callee.Origin(); origin != nil {
		callee = origin
	}
	fn, _ := callee.Object().(*types.Func)
	return fn
}

// receiver returns the name of the type of which fn is a method, or "".
func receiver(fn *types.Func) string {
	recv := fn.Signature().Recv()
	if recv == nil {
		return ""
	}
	if named, ok := types.Unalias(deref(recv.Type())).(*types.Named); ok {
		return named.Obj().Name()
	}
	return ""
}

func receiverValue(common *ssa.CallCommon) types.Type {
	if common.IsInvoke() {
		return common.Value.Type()
	}
	if common.Signature().Recv() != nil && len(common.Args) > 0 {
		return common.Args[0].Type()
	}
	return nil
}

// arguments returns what a call gives, its receiver included.
func arguments(common *ssa.CallCommon) []ssa.Value {
	if common.IsInvoke() {
		return append([]ssa.Value{common.Value}, common.Args...)
	}
	return common.Args
}

// argument returns what a call gives for the parameter param of callee, or nil.
func argument(common *ssa.CallCommon, callee *ssa.Function, param *ssa.Parameter) ssa.Value {
	args := arguments(common)
	for i, p := range callee.Params {
		if p == param && i < len(args) {
			return args[i]
		}
	}
	return nil
}

// CalleeName returns what a reader calls the function of a call: "context.WithCancel",
// "pgx.Conn.Query".
func CalleeName(common *ssa.CallCommon) string {
	fn := Callee(common)
	if fn == nil {
		return "a function value"
	}
	name := fn.Name()
	if recv := receiver(fn); recv != "" {
		name = recv + "." + name
	}
	if fn.Pkg() != nil {
		name = fn.Pkg().Name() + "." + name
	}
	return name
}
