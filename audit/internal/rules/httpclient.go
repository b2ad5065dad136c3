package rules

import (
	"fmt"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/ctxflow"
	"github.com/firebreak-go/firebreak/audit/internal/object"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
	"github.com/firebreak-go/firebreak/audit/internal/scope"
)

// A clientVerdict is what the uses of an http.Client say.
type clientVerdict struct {
	bad     []clientUse // uses that nothing bounds, in the order of the source
	escapes bool        // only what a library does with it is unbounded
}

// A clientUse is one use of a client that nothing bounds.
type clientUse struct {
	use    object.Use
	origin ctxflow.Origin // of the request or context; State is Unknown if a library got the client
	text   string
}

// judgeClient says what the uses of a client without a limit of its own are.
func judgeClient(pass *rule.Pass, o *object.Object) clientVerdict {
	var v clientVerdict
	var handed []clientUse // to libraries, which decide by themselves
	var products []clientUse
	productCalls := 0
	for _, use := range o.Uses {
		if pass.Scope.At(use.Pos()) != "" || byDesign(use) || keepsInContext(use) {
			continue
		}
		origin, counts := clientContext(pass, use)
		switch {
		case counts && isHTTPMethod(use):
			if one := (clientUse{use, origin, describe(pass, use, origin)}); isUnbounded(pass, origin) {
				v.bad = append(v.bad, one)
			}
		case counts && use.Product:
			productCalls++
			if isUnbounded(pass, origin) {
				products = append(products, clientUse{use, origin, describe(pass, use, origin)})
			}
		case counts && use.Kind == object.Passed && !makes(use):
			if isUnbounded(pass, origin) {
				v.bad = append(v.bad, clientUse{use, origin, describe(pass, use, origin)})
			}
		case counts && origin.State == ctxflow.Bounded:
			// given to a library together with a limit
		case escapes(use):
			handed = append(handed, clientUse{use: use, text: "handed to " + receiverText(use) + ", which sets no limit"})
		}
	}
	if len(handed) > 0 && (productCalls == 0 || len(products) > 0) {
		v.escapes = len(v.bad) == 0
		v.bad = append(v.bad, handed...)
		v.bad = append(v.bad, products...)
	}
	return v
}

// keepsInContext reports whether a use puts the client into a context for code of the
// program's own. Those of oauth2 look for a client there.
func keepsInContext(use object.Use) bool {
	if use.Name() != "context.WithValue" {
		return false
	}
	key := use.Call().Args[1]
	if made, ok := key.(*ssa.MakeInterface); ok {
		key = made.X
	}
	return !strings.Contains(object.TypeName(key.Type()), "golang.org/x/oauth2")
}

// isHTTPMethod reports whether a use sends a request by a method of the client itself.
func isHTTPMethod(use object.Use) bool {
	if use.Kind != object.Called || use.Func == nil {
		return false
	}
	switch use.Func.Name() {
	case "Do", "Get", "Head", "Post", "PostForm":
	default:
		return false
	}
	if use.Name() == "net/http.Client."+use.Func.Name() {
		return true
	}
	results := use.Func.Signature().Results()
	return !use.Product && results.Len() == 2 && object.TypeName(results.At(0).Type()) == "net/http.Response"
}

// clientContext says with what context a use sends its requests, and whether the use
// says so at all.
func clientContext(pass *rule.Pass, use object.Use) (origin ctxflow.Origin, counts bool) {
	common := use.Call()
	if common == nil || use.Kind != object.Called && use.Kind != object.Passed {
		return ctxflow.Origin{}, false
	}
	args := object.Arguments(common)
	for i, arg := range args {
		if i == use.Arg {
			continue
		}
		switch {
		case object.TypeName(arg.Type()) == "net/http.Request":
			return pass.Contexts.Request(arg, use.Instr), true
		case ctxflow.IsContext(arg.Type()):
			return pass.Contexts.Context(arg, use.Instr), true
		}
	}
	if isHTTPMethod(use) {
		return ctxflow.Origin{State: ctxflow.Root, Steps: []ctxflow.Step{{Pos: use.Pos(), Text: "a request without a context"}}}, true
	}
	return ctxflow.Origin{}, false
}

// isUnbounded reports whether a context is known to have no deadline: wherever it comes from,
// or, where it is a parameter, because a caller passes that of a request which is served, or
// one without a deadline while nobody is known who passes one that has. If some do, it is for
// the others to pass a better one: TA402 tells them.
func isUnbounded(pass *rule.Pass, o ctxflow.Origin) bool {
	return boundOf(pass, o, make(map[*ssa.Parameter]bool)) >= boundNone
}

// A bound says what is known of the deadline of a context.
type bound int

const (
	boundUnknown bound = iota
	boundSet
	boundNone     // whoever made it gave it none
	boundByClient // it is that of a request, which has none
)

func boundOf(pass *rule.Pass, o ctxflow.Origin, seen map[*ssa.Parameter]bool) bound {
	switch o.State {
	case ctxflow.Root:
		return boundNone
	case ctxflow.Request:
		return boundByClient
	case ctxflow.Bounded:
		return boundSet
	case ctxflow.Param:
		if o.Param == nil || seen[o.Param] || isAPI(pass, o.Param.Parent()) {
			return boundUnknown
		}
		seen[o.Param] = true
		return passedBound(pass, o.Param, seen)
	default:
		return boundUnknown
	}
}

// passedBound is boundOf for what the callers pass as param.
func passedBound(pass *rule.Pass, param *ssa.Parameter, seen map[*ssa.Parameter]bool) bound {
	joined := boundUnknown
	for _, arg := range pass.Objects.Passed(param) {
		if pass.Scope.Func(arg.Call.Parent()) != "" {
			continue
		}
		switch passed := boundOf(pass, pass.Contexts.Context(arg.Value, arg.Call), seen); {
		case passed == boundByClient:
			return boundByClient
		case passed == boundSet, joined == boundUnknown:
			joined = passed
		}
	}
	return joined
}

// isAPI reports whether fn is part of a library: no command of the program needs its package,
// so that others call it whom nobody knows.
func isAPI(pass *rule.Pass, fn *ssa.Function) bool {
	pkg := pass.Program.PackageOf(fn)
	return pkg == nil || pass.Scope.Kind(pkg) == scope.Library
}

// makes reports whether the function that a use passes the object to makes something of it.
func makes(use object.Use) bool {
	results := use.Call().Signature().Results()
	for result := range results.Variables() {
		switch t := result.Type(); {
		case object.TypeName(t) == "error", object.TypeName(t) == "net/http.Response", ctxflow.IsContext(t):
		default:
			if _, basic := t.Underlying().(*types.Basic); !basic {
				return true
			}
		}
	}
	return false
}

// escapes reports whether a use gives the object itself to a library.
func escapes(use object.Use) bool {
	if use.Product {
		return false
	}
	switch use.Kind {
	case object.Passed:
		return !isHarmless(use)
	case object.Stored:
		return true
	default:
		return false
	}
}

// isHarmless reports whether a library's function does nothing with what it is given that
// waits: it prints it, keeps it or compares it.
func isHarmless(use object.Use) bool {
	if use.Func == nil || use.Func.Pkg() == nil {
		return false
	}
	switch use.Func.Pkg().Path() {
	case "sync", "sync/atomic", "context":
		return true
	}
	return use.Inert()
}

// byDesign reports whether a use gives a client to a library whose calls wait for news as
// long as they must, or keep their connections alive with pings.
func byDesign(use object.Use) bool {
	var pkg *types.Package
	switch {
	case use.Func != nil:
		pkg = use.Func.Pkg()
	case use.Field != nil:
		pkg = use.Field.Pkg()
	}
	if pkg == nil {
		return false
	}
	for _, prefix := range []string{
		"github.com/hashicorp/consul/api", "github.com/hashicorp/nomad/api", "k8s.io/", "sigs.k8s.io/", "go.etcd.io/etcd", "helm.sh/helm",
		"github.com/openshift/", "tailscale.com/",
	} {
		if strings.HasPrefix(pkg.Path(), prefix) {
			return true
		}
	}
	return false
}

func receiverText(use object.Use) string {
	switch {
	case use.Field != nil:
		return use.Field.Pkg().Name() + " in field " + use.Field.Name()
	case use.Func != nil && use.Func.Pkg() != nil:
		return use.Func.Pkg().Name() + "." + use.Func.Name()
	case use.Kind == object.Stored:
		return "a variable of another package"
	default:
		return "a function value"
	}
}

// describe says in a few words what an unbounded use does.
func describe(pass *rule.Pass, use object.Use, origin ctxflow.Origin) string {
	what := "call"
	if use.Func != nil {
		what = use.Func.Name()
	}
	switch origin.State {
	case ctxflow.Request:
		return what + " with the context of the request that is served, which has no deadline"
	case ctxflow.Root:
		if start := origin.Start(); start.IsValid() && start != use.Pos() {
			return fmt.Sprintf("%s without a deadline (%s at %s)", what, origin.Steps[0].Text, short(pass, start))
		}
		return what + " without a deadline"
	default:
		return what + " with a context that no caller bounds"
	}
}

// short returns a position as file:line, without directories.
func short(pass *rule.Pass, pos token.Pos) string {
	at := pass.Program.Fset.Position(pos)
	return fmt.Sprintf("%s:%d", filepath.Base(at.Filename), at.Line)
}

// places returns the uses as places of a finding, with those where their requests are made.
func (v clientVerdict) places() []rule.Place {
	var all []rule.Place
	add := func(p rule.Place) {
		for _, known := range all {
			if known.Pos == p.Pos {
				return
			}
		}
		all = append(all, p)
	}
	for _, bad := range v.bad {
		add(rule.Place{Pos: bad.use.Pos(), Message: bad.text})
	}
	for _, bad := range v.bad {
		if start := bad.origin.Start(); start.IsValid() && strings.HasPrefix(bad.origin.Steps[0].Text, "http.NewRequest") {
			add(rule.Place{Pos: start, Message: "the request is made here without a context"})
		}
	}
	return slices.Clip(all)
}

// provenance returns where the context of the first bad use came from.
func (v clientVerdict) provenance() []rule.Place {
	var all []rule.Place
	for _, bad := range v.bad {
		for _, step := range bad.origin.Steps {
			all = append(all, rule.Place{Pos: step.Pos, Message: step.Text})
		}
		if len(all) > 0 {
			break
		}
	}
	return all
}

// enclosing returns the function that a call stands in, or nil at package level.
func enclosing(instr ssa.Instruction) *ssa.Function {
	fn := instr.Parent()
	if fn != nil && fn.Name() == "init" && fn.Synthetic != "" {
		return nil
	}
	return fn
}
