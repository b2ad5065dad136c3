// Package sink says which calls wait for somebody until their context ends.
//
// What is known of a library decides first. A call of a library that nobody knows is
// likely to wait if it looks like one that does: it takes a context, returns an error,
// bears the name of something that is done to a peer, and its package can reach the
// network.
package sink

import (
	"go/types"
	"strings"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/catalog"
	"github.com/firebreak-go/firebreak/audit/internal/ctxflow"
	"github.com/firebreak-go/firebreak/audit/internal/program"
)

// A Kind says what a call waits for.
type Kind int

// The kinds.
const (
	Library  Kind = iota // a peer, as is known of the library
	Likely               // a peer, by the look of the call
	RPC                  // the answer to a unary call of gRPC or Connect
	Database             // a database/sql query
	Shutdown             // requests that a server still serves
)

// A Call is one that waits until its context ends.
type Call struct {
	Kind    Kind
	Name    string    // "pgx.Conn.Query"
	Context ssa.Value // that it is given
	Entry   catalog.Entry
}

// A Finder knows the calls of a Program. It is not safe for concurrent use.
type Finder struct {
	program  *program.Program
	catalog  *catalog.Catalog
	modules  map[string]bool
	networks map[*types.Package]bool
	calls    map[ssa.CallInstruction]*Call
	reaches  map[param]*Reach
}

// New returns the Finder of p.
func New(p *program.Program, known *catalog.Catalog) *Finder {
	f := &Finder{
		program:  p,
		catalog:  known,
		modules:  make(map[string]bool),
		networks: make(map[*types.Package]bool),
		calls:    make(map[ssa.CallInstruction]*Call),
		reaches:  make(map[param]*Reach),
	}
	for _, pkg := range p.Packages {
		if pkg.Module != "" {
			f.modules[pkg.Module] = true
		}
	}
	return f
}

// Of returns what call waits for, or nil if it does not wait, has a bound of its own, or
// is of a function of the Program.
func (f *Finder) Of(call ssa.CallInstruction) *Call {
	known, ok := f.calls[call]
	if !ok {
		known = f.judge(call)
		f.calls[call] = known
	}
	return known
}

func (f *Finder) judge(call ssa.CallInstruction) *Call {
	common := call.Common()
	fn := ctxflow.Callee(common)
	if fn == nil || fn.Pkg() == nil {
		return nil
	}
	index := contextIndex(fn)
	if index < 0 {
		return nil
	}
	if kind, ok := rpc(fn); ok {
		if kind == stream {
			return nil
		}
		return f.made(RPC, common, fn, index, catalog.Entry{
			Is: catalog.Blocks, Severity: "high",
			Note: "the call has no limit, and a peer that is gone is noticed by TCP only",
		})
	}
	if f.isOwn(fn) || isKubernetes(fn) {
		return nil
	}
	entry := f.catalog.Find(fn, f.versionsFor(call))
	switch {
	case entry == nil:
		if f.looksBlocking(fn) {
			return f.made(Likely, common, fn, index, catalog.Entry{Is: catalog.Blocks})
		}
		return nil
	case entry.Is != catalog.Blocks:
		return nil
	}
	if entry.Context != nil {
		index = *entry.Context
	}
	kind := Library
	switch {
	case fn.Pkg().Path() == "database/sql" || fn.Pkg().Path() == "github.com/jmoiron/sqlx":
		kind = Database
	case strings.HasPrefix(fn.Name(), "Shutdown"):
		kind = Shutdown
	}
	return f.made(kind, common, fn, index, *entry)
}

func (f *Finder) made(kind Kind, common *ssa.CallCommon, fn *types.Func, index int, entry catalog.Entry) *Call {
	if fn.Signature().Recv() != nil && !common.IsInvoke() {
		index++
	}
	if index >= len(common.Args) {
		return nil
	}
	return &Call{Kind: kind, Name: ctxflow.CalleeName(common), Context: common.Args[index], Entry: entry}
}

// versionsFor returns what knows the versions of the module that call stands in.
func (f *Finder) versionsFor(call ssa.CallInstruction) func(string) string {
	if pkg := f.program.PackageOf(call.Parent()); pkg != nil {
		return pkg.Versions
	}
	return nil
}

// isOwn reports whether fn is of the program under audit: what it does is seen.
func (f *Finder) isOwn(fn *types.Func) bool {
	if f.program.Owns(fn.Pkg()) {
		return true
	}
	path := fn.Pkg().Path()
	for module := range f.modules {
		if path == module || strings.HasPrefix(path, module+"/") {
			return true
		}
	}
	return false
}

// contextIndex returns the index of the first parameter of fn that is a context, the
// receiver not counted, or -1.
func contextIndex(fn *types.Func) int {
	params := fn.Signature().Params()
	for i := range params.Len() {
		if ctxflow.IsContext(params.At(i).Type()) {
			return i
		}
	}
	return -1
}

// A shape is what a remote call returns.
type shape int

const (
	unary shape = iota
	stream
)

// rpc reports whether fn is a remote call as the generators of gRPC and Connect write
// them, by its parameters.
func rpc(fn *types.Func) (shape, bool) {
	sig := fn.Signature()
	params, results := sig.Params(), sig.Results()
	if params.Len() < 2 || !ctxflow.IsContext(params.At(0).Type()) || results.Len() != 2 {
		return unary, false
	}
	last := params.At(params.Len() - 1).Type()
	slice, _ := last.Underlying().(*types.Slice)
	switch {
	case sig.Variadic() && slice != nil && isNamed(slice.Elem(), "google.golang.org/grpc", "CallOption"):
	case isNamed(last, "connectrpc.com/connect", "Request") && fn.Pkg().Path() != "connectrpc.com/connect":
	default:
		return unary, false
	}
	methods := types.NewMethodSet(results.At(0).Type())
	for _, name := range []string{"RecvMsg", "CloseSend", "Recv", "Receive"} {
		if methods.Lookup(nil, name) != nil {
			return stream, true
		}
	}
	return unary, true
}

// isKubernetes reports whether fn is a method of a client that was generated for the
// Kubernetes API, or of one that is made like these: its requests are watched over by
// pings.
func isKubernetes(fn *types.Func) bool {
	for param := range fn.Signature().Params().Variables() {
		t := param.Type()
		if slice, ok := t.Underlying().(*types.Slice); ok {
			t = slice.Elem()
		}
		named, ok := types.Unalias(deref(t)).(*types.Named)
		if !ok || named.Obj().Pkg() == nil || !strings.HasSuffix(named.Obj().Name(), "Option") && !strings.HasSuffix(named.Obj().Name(), "Options") {
			continue
		}
		path := named.Obj().Pkg().Path()
		if path == "k8s.io/apimachinery/pkg/apis/meta/v1" || path == "sigs.k8s.io/controller-runtime/pkg/client" {
			return true
		}
	}
	return false
}

func deref(t types.Type) types.Type {
	if pointer, ok := types.Unalias(t).(*types.Pointer); ok {
		return pointer.Elem()
	}
	return t
}

func isNamed(t types.Type, path, name string) bool {
	named, ok := types.Unalias(deref(t)).(*types.Named)
	return ok && named.Obj().Name() == name && named.Obj().Pkg() != nil && named.Obj().Pkg().Path() == path
}
