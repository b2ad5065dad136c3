package ctxflow

import "go/types"

// IsContext reports whether t is context.Context, by any of its names.
func IsContext(t types.Type) bool {
	return isNamed(t, "context", "Context") || isNamed(t, "golang.org/x/net/context", "Context")
}

// IsRequest reports whether t is *http.Request.
func IsRequest(t types.Type) bool {
	_, pointer := types.Unalias(t).(*types.Pointer)
	return pointer && isNamed(t, "net/http", "Request")
}

// served are the types of what a handler of a framework is given. Their contexts are those
// of the request.
var served = map[[2]string]bool{
	{"github.com/gin-gonic/gin", "Context"}:          true,
	{"github.com/labstack/echo", "Context"}:          true,
	{"github.com/labstack/echo/v4", "Context"}:       true,
	{"github.com/labstack/echo/v5", "Context"}:       true,
	{"github.com/gofiber/fiber", "Ctx"}:              true,
	{"github.com/gofiber/fiber/v2", "Ctx"}:           true,
	{"github.com/gofiber/fiber/v3", "Ctx"}:           true,
	{"github.com/valyala/fasthttp", "RequestCtx"}:    true,
	{"github.com/kataras/iris/v12", "Context"}:       true,
	{"github.com/emicklei/go-restful/v3", "Request"}: true,
	{"google.golang.org/grpc", "ServerStream"}:       true,
}

func isServed(t types.Type) bool {
	named, ok := types.Unalias(deref(t)).(*types.Named)
	if !ok || named.Obj().Pkg() == nil {
		return false
	}
	return served[[2]string{named.Obj().Pkg().Path(), named.Obj().Name()}]
}

// isServerStream reports whether t is what a streaming method of a gRPC server is given.
func isServerStream(t types.Type) bool {
	methods := types.NewMethodSet(t)
	return methods.Lookup(nil, "SendHeader") != nil && methods.Lookup(nil, "RecvMsg") != nil
}

func isResponseWriter(t types.Type) bool { return isNamed(t, "net/http", "ResponseWriter") }

// isNamed reports whether t, or what it points to, is the type name of the package path.
func isNamed(t types.Type, path, name string) bool {
	named, ok := types.Unalias(deref(t)).(*types.Named)
	return ok && named.Obj().Name() == name && named.Obj().Pkg() != nil && named.Obj().Pkg().Path() == path
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
