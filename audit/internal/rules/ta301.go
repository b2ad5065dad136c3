package rules

import (
	"fmt"
	"go/types"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/object"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// dial is TA301.
var dial = &rule.Rule{
	ID:    "TA301",
	Name:  "dial-no-timeout",
	Title: "a connection is dialled without a limit",
	Level: rule.Warning,
	Run:   runDial,
}

func runDial(pass *rule.Pass) {
	for instr, call := range calls(pass) {
		fn := object.Callee(call.Common())
		if d, ok := dialFuncs[object.FuncName(fn)]; ok {
			d.judge(pass, instr, call)
		}
	}
	for _, o := range pass.Objects.Objects("net", "Dialer") {
		judgeDialer(pass, o, "net.Dialer")
	}
}

// A dialCall is a function that dials without a limit.
type dialCall struct {
	name    string
	fix     string
	network int // index of the network among the arguments, or -1 if it is TCP
	address int
}

var dialFuncs = map[string]dialCall{
	"net.Dial":                        {"net.Dial", "use net.DialTimeout, or a net.Dialer with DialContext", 0, 1},
	"net.DialTCP":                     {"net.DialTCP", "use a net.Dialer with Timeout", 0, 2},
	"net/rpc.Dial":                    {"rpc.Dial", "dial with net.DialTimeout and use rpc.NewClient", 0, 1},
	"net/rpc.DialHTTP":                {"rpc.DialHTTP", "dial with net.DialTimeout and use rpc.NewClient", 0, 1},
	"net/rpc.DialHTTPPath":            {"rpc.DialHTTPPath", "dial with net.DialTimeout and use rpc.NewClient", 0, 1},
	"net/rpc/jsonrpc.Dial":            {"jsonrpc.Dial", "dial with net.DialTimeout and use jsonrpc.NewClient", 0, 1},
	"net/textproto.Dial":              {"textproto.Dial", "dial with net.DialTimeout and use textproto.NewConn", 0, 1},
	"golang.org/x/net/websocket.Dial": {"websocket.Dial", "use a websocket.Config with a Dialer that has a Timeout", -1, 0},
}

func (d dialCall) judge(pass *rule.Pass, instr ssa.Instruction, call ssa.CallInstruction) {
	args := call.Common().Args
	if d.network >= 0 && !waits(pass, args[d.network]) {
		return
	}
	if isLoopback(pass, args[d.address]) || isLocalAddr(pass, args[d.address]) || isDialHook(pass, instr.Parent()) {
		return
	}
	var fixes []analysis.SuggestedFix
	if d.name == "net.Dial" {
		fixes = withLimit(pass, call, "DialTimeout", pass.Settings.DialTimeout)
	}
	forName := ", and for its name as well"
	if d.name == "net.DialTCP" { // it is given the address
		forName = ""
	}
	pass.Report(rule.Finding{
		Fixes: fixes,
		Pos:   start(pass, call), End: end(pass, call), Func: enclosing(instr), Severity: inFunc(pass, instr.Parent(), rule.Medium), Operation: d.name,
		Message: d.name + " waits for the peer as long as the system does, about two minutes" + forName + "; " + d.fix,
	})
}

// judgeDialer reports a dialer without a limit where it dials without a deadline.
func judgeDialer(pass *rule.Pass, o *object.Object, class string) {
	if o.Given("Timeout") == object.Something || o.Given("Deadline") == object.Something {
		return
	}
	bad := badDials(pass, o)
	if len(bad.places) == 0 {
		return
	}
	var fixes []analysis.SuggestedFix
	if class == "net.Dialer" {
		fixes = setField(pass, o, "Timeout", pass.Settings.DialTimeout)
	}
	pass.Report(rule.Finding{
		Pos: o.Pos, End: o.End, Func: o.Func, Severity: inKind(pass, o.Package, rule.Medium), Operation: class + "{}",
		Message: fmt.Sprintf("this %s has no Timeout: %s at %s; set Timeout, or pass a context with a deadline", class, bad.places[0].Message, short(pass, bad.places[0].Pos)),
		Uses:    bad.places, Provenance: bad.provenance, Fixes: fixes,
	})
}

// dials are the places where a dialer dials without a deadline.
type dials struct{ places, provenance []rule.Place }

func badDials(pass *rule.Pass, o *object.Object) dials {
	var bad dials
	for _, use := range o.Uses {
		if use.Product || use.Kind != object.Called || use.Func == nil || pass.Scope.At(use.Pos()) != "" || isDialHook(pass, use.Instr.Parent()) {
			continue
		}
		args := object.Arguments(use.Call())
		switch name := use.Func.Name(); {
		case name == "Dial" && len(args) == 3:
			if waits(pass, args[1]) && !isLoopback(pass, args[2]) {
				bad.places = append(bad.places, rule.Place{Pos: use.Pos(), Message: "Dial without a deadline"})
			}
		case name == "DialContext" && len(args) == 4:
			origin := pass.Contexts.Context(args[1], use.Instr)
			if !isUnbounded(pass, origin) || !waits(pass, args[2]) || isLoopback(pass, args[3]) {
				continue
			}
			bad.places = append(bad.places, rule.Place{Pos: use.Pos(), Message: describe(pass, use, origin)})
			for _, step := range origin.Steps {
				bad.provenance = append(bad.provenance, rule.Place{Pos: step.Pos, Message: step.Text})
			}
		}
	}
	return bad
}

// isLocalAddr reports whether an address is that of a listener of the program itself.
func isLocalAddr(pass *rule.Pass, addr ssa.Value) bool {
	local := false
	for _, source := range pass.Objects.Sources(addr) {
		if source.Kind == object.Constant {
			continue
		}
		call, ok := source.Value.(*ssa.Call)
		if !ok {
			return false
		}
		switch fn := object.Callee(call.Common()); {
		case fn == nil:
			return false
		case fn.Name() == "Addr":
			local = true
		case fn.Name() == "String" && isLocalAddr(pass, object.Arguments(call.Common())[0]):
			local = true
		default:
			return false
		}
	}
	return local
}

// isDialHook reports whether fn is a function literal that a transport, a resolver or
// another library dials by: the limits of that library hold for it.
func isDialHook(pass *rule.Pass, fn *ssa.Function) bool {
	if fn == nil || fn.Parent() == nil {
		return false
	}
	for _, use := range pass.Objects.ValueUses(fn) {
		switch use := use.(type) {
		case *ssa.Store:
			if field, ok := use.Addr.(*ssa.FieldAddr); ok && isForeignField(pass, field) {
				return true
			}
		case ssa.CallInstruction:
			callee := use.Common().StaticCallee()
			if callee != nil && pass.Program.PackageOf(callee) == nil && strings.Contains(callee.Name(), "Dial") {
				return true
			}
		}
	}
	return false
}

func isForeignField(pass *rule.Pass, addr *ssa.FieldAddr) bool {
	named, ok := types.Unalias(typeBehind(addr.X.Type())).(*types.Named)
	return ok && named.Obj().Pkg() != nil && pass.Program.PackageFor(named.Obj().Pkg()) == nil
}

func typeBehind(t types.Type) types.Type {
	if pointer, ok := types.Unalias(t).(*types.Pointer); ok {
		return pointer.Elem()
	}
	return t
}
