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
	runFrameworks(pass)
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

// runFrameworks reports servers of frameworks that are configured by a struct, and are not.
func runFrameworks(pass *rule.Pass) {
	limited := echoLimited(pass)
	for instr, call := range calls(pass) {
		name := object.FuncName(object.Callee(call.Common()))
		args := object.Arguments(call.Common())
		var operation, fix string
		switch {
		case echoStarts[name] && !limited && !(len(args) > 1 && isLoopback(pass, args[1])):
			operation, fix = "echo.Echo."+object.Callee(call.Common()).Name(), "set Server.ReadHeaderTimeout of the Echo before"
		case (name == fiberV2+".New" || name == fiberV3+".New") && !fiberLimited(pass, strings.TrimSuffix(name, ".New"), args):
			operation, fix = "fiber.New", "set ReadTimeout in its Config"
		default:
			continue
		}
		pass.Report(rule.Finding{
			Pos: start(pass, call), End: end(pass, call), Func: enclosing(instr), Severity: inFunc(pass, instr.Parent(), rule.Medium), Operation: operation,
			Message: operation + " serves without any limit: a client that sends its header slowly holds a connection for ever; " + fix,
		})
	}
	for _, o := range pass.Objects.Objects("github.com/valyala/fasthttp", "Server") {
		if o.Given("ReadTimeout") == object.Something || len(o.Uses) == 0 {
			continue
		}
		pass.Report(rule.Finding{
			Pos: o.Pos, End: o.End, Func: o.Func, Severity: inKind(pass, o.Package, rule.Medium), Operation: "fasthttp.Server{}",
			Message: "this fasthttp.Server has no ReadTimeout: a client that sends its request slowly holds a connection for ever; set ReadTimeout",
			Fixes:   setField(pass, o, "ReadTimeout", pass.Settings.HeaderTimeout),
		})
	}
}

const (
	fiberV2 = "github.com/gofiber/fiber/v2"
	fiberV3 = "github.com/gofiber/fiber/v3"
	echoV4  = "github.com/labstack/echo/v4"
)

var echoStarts = map[string]bool{
	echoV4 + ".Echo.Start": true, echoV4 + ".Echo.StartTLS": true, echoV4 + ".Echo.StartAutoTLS": true,
	"github.com/labstack/echo.Echo.Start": true, "github.com/labstack/echo.Echo.StartTLS": true,
}

// echoLimited reports whether the program limits the server of an Echo, which it makes by
// itself: e.Server.ReadTimeout = d.
func echoLimited(pass *rule.Pass) bool {
	for _, field := range []string{"ReadTimeout", "ReadHeaderTimeout"} {
		for _, store := range pass.Objects.Assigned("net/http", "Server", field) {
			addr, ok := store.Addr.(*ssa.FieldAddr)
			if !ok {
				continue
			}
			load, ok := addr.X.(*ssa.UnOp)
			if !ok {
				continue
			}
			holder, ok := load.X.(*ssa.FieldAddr)
			if ok && strings.HasPrefix(object.TypeName(holder.X.Type()), "github.com/labstack/echo") && pass.Objects.Given(store.Val) == object.Something {
				return true
			}
		}
	}
	return false
}

// fiberLimited reports whether the configuration of an App limits how long a request may
// take to be read, or comes from where that is not known.
func fiberLimited(pass *rule.Pass, path string, args []ssa.Value) bool {
	if len(args) == 0 {
		return false
	}
	for _, config := range sliceElements(args[0]) {
		for _, source := range pass.Objects.Sources(config) {
			if source.Kind != object.Struct {
				return true
			}
			for _, o := range pass.Objects.Objects(path, "Config") {
				if o.Value == source.Value && o.Given("ReadTimeout") == object.Something {
					return true
				}
			}
		}
	}
	return false
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
