package rules

import (
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/object"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// serveFunc is TA202.
var serveFunc = &rule.Rule{
	ID:    "TA202",
	Name:  "http-serve-func",
	Title: "http.ListenAndServe and its like make a server without any limit",
	Level: rule.Warning,
	Run:   runServeFunc,
}

func runServeFunc(pass *rule.Pass) {
	for instr, call := range calls(pass) {
		fn := object.Callee(call.Common())
		serve, ok := serveFuncs[object.FuncName(fn)]
		if !ok || !serve.reachable(pass, call) {
			continue
		}
		name := serve.name
		pass.Report(rule.Finding{
			Pos: start(pass, call), End: end(pass, call), Func: enclosing(instr), Severity: inFunc(pass, instr.Parent(), rule.Medium), Operation: name,
			Fixes:   serve.fixes(pass, call),
			Message: name + " serves without any limit: a client that sends its header slowly holds a connection for ever; " + serve.fix,
		})
	}
}

// A serveCall is a function that serves by a server which nobody can configure.
type serveCall struct {
	name string
	fix  string
	addr int // index of the address among the arguments, receiver included, or -1
	ln   int // index of the listener, or -1
}

const ownServer = "use an http.Server with ReadHeaderTimeout"

var serveFuncs = map[string]serveCall{
	"net/http.ListenAndServe":                       {"http.ListenAndServe", ownServer, 0, -1},
	"net/http.ListenAndServeTLS":                    {"http.ListenAndServeTLS", ownServer, 0, -1},
	"net/http.Serve":                                {"http.Serve", ownServer, -1, 0},
	"net/http.ServeTLS":                             {"http.ServeTLS", ownServer, -1, 0},
	"github.com/gin-gonic/gin.Engine.Run":           {"gin.Engine.Run", "give the Engine to an http.Server with ReadHeaderTimeout", -1, -1},
	"github.com/gin-gonic/gin.Engine.RunTLS":        {"gin.Engine.RunTLS", "give the Engine to an http.Server with ReadHeaderTimeout", 1, -1},
	"github.com/gin-gonic/gin.Engine.RunListener":   {"gin.Engine.RunListener", "give the Engine to an http.Server with ReadHeaderTimeout", -1, 1},
	"github.com/valyala/fasthttp.ListenAndServe":    {"fasthttp.ListenAndServe", "use a fasthttp.Server with ReadTimeout", 0, -1},
	"github.com/valyala/fasthttp.ListenAndServeTLS": {"fasthttp.ListenAndServeTLS", "use a fasthttp.Server with ReadTimeout", 0, -1},
	"github.com/valyala/fasthttp.Serve":             {"fasthttp.Serve", "use a fasthttp.Server with ReadTimeout", -1, 0},
}

func (s serveCall) fixes(pass *rule.Pass, call ssa.CallInstruction) []analysis.SuggestedFix {
	if s.fix != ownServer {
		return nil
	}
	return ownServerFix(pass, call)
}

// reachable reports whether others can reach the server over a network.
func (s serveCall) reachable(pass *rule.Pass, call ssa.CallInstruction) bool {
	args := object.Arguments(call.Common())
	if s.addr >= 0 && s.addr < len(args) && isLoopback(pass, args[s.addr]) {
		return false
	}
	if s.ln >= 0 && s.ln < len(args) && !isNetwork(pass, args[s.ln]) {
		return false
	}
	if strings.HasSuffix(s.name, "Engine.Run") { // its addresses are a slice
		for _, addr := range sliceElements(args[len(args)-1]) {
			if isLoopback(pass, addr) {
				return false
			}
		}
	}
	return true
}

// sliceElements returns what is put into the slice of a variadic call.
func sliceElements(v ssa.Value) []ssa.Value {
	slice, ok := v.(*ssa.Slice)
	if !ok || slice.X.Referrers() == nil {
		return nil
	}
	var found []ssa.Value
	for _, user := range *slice.X.Referrers() {
		element, isElement := user.(*ssa.IndexAddr)
		if !isElement || element.Referrers() == nil {
			continue
		}
		for _, inner := range *element.Referrers() {
			if store, isStore := inner.(*ssa.Store); isStore && store.Addr == element {
				found = append(found, store.Val)
			}
		}
	}
	return found
}
