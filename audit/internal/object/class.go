package object

import (
	"go/types"
	"strings"

	"golang.org/x/tools/go/ssa"
)

// classes are the types whose objects are looked for.
var classes = map[string]bool{
	"net/http.Client": true, "net/http.Transport": true, "net/http.Server": true,
	"net/http/httputil.ReverseProxy": true,
	"net.Dialer":                     true, "crypto/tls.Dialer": true,
	"golang.org/x/crypto/ssh.ClientConfig":    true,
	"github.com/gorilla/websocket.Dialer":     true,
	"github.com/valyala/fasthttp.Client":      true,
	"github.com/valyala/fasthttp.HostClient":  true,
	"github.com/valyala/fasthttp.Server":      true,
	"github.com/gofiber/fiber/v2.Config":      true,
	"github.com/gofiber/fiber/v3.Config":      true,
	"github.com/redis/go-redis/v9.Options":    true,
	"github.com/go-redis/redis/v8.Options":    true,
	"github.com/firebreak-go/firebreak.Stack": true,
}

// className returns the class of the struct type t, or "".
func className(t types.Type) string {
	named, ok := types.Unalias(t).(*types.Named)
	if !ok {
		return ""
	}
	name := TypeName(named)
	if classes[name] {
		return name
	}
	return ""
}

// TypeName returns the import path and name of t, or of what it points to, such as
// "net/http.Client", or "".
func TypeName(t types.Type) string {
	named, ok := types.Unalias(deref(t)).(*types.Named)
	if !ok {
		return ""
	}
	object := named.Obj()
	if object.Pkg() == nil {
		return object.Name()
	}
	return vendorless(object.Pkg().Path()) + "." + object.Name()
}

// FuncName returns the import path, receiver and name of fn: "net/http.Get",
// "net/http.Client.Do".
func FuncName(fn *types.Func) string {
	if fn == nil {
		return ""
	}
	if recv := fn.Signature().Recv(); recv != nil {
		if name := TypeName(recv.Type()); name != "" {
			return name + "." + fn.Name()
		}
		return fn.Name()
	}
	if fn.Pkg() == nil {
		return fn.Name()
	}
	return vendorless(fn.Pkg().Path()) + "." + fn.Name()
}

func vendorless(path string) string {
	if _, after, ok := strings.Cut(path, "/vendor/"); ok {
		return after
	}
	return path
}

func deref(t types.Type) types.Type {
	if pointer, ok := types.Unalias(t).(*types.Pointer); ok {
		return pointer.Elem()
	}
	return t
}

// fieldOf returns the field of the struct t, or of the struct that it points to.
func fieldOf(t types.Type, index int) *types.Var {
	shape, ok := deref(t).Underlying().(*types.Struct)
	if !ok {
		return nil
	}
	return shape.Field(index).Origin()
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

// Arguments returns what a call gives, its receiver first.
func Arguments(common *ssa.CallCommon) []ssa.Value {
	if common.IsInvoke() {
		return append([]ssa.Value{common.Value}, common.Args...)
	}
	return common.Args
}

// resultValues returns the values that hold result index of a call.
func resultValues(call *ssa.Call, index int) []ssa.Value {
	if call.Common().Signature().Results().Len() == 1 {
		return []ssa.Value{call}
	}
	var found []ssa.Value
	for _, user := range *call.Referrers() {
		if extract, ok := user.(*ssa.Extract); ok && extract.Index == index {
			found = append(found, extract)
		}
	}
	return found
}
