package deadline

import (
	"errors"
	"net/http"
	"reflect"
	"runtime"
	"strings"
)

// Middleware returns an http.Handler that serves requests with next and notes those
// whose context has no deadline when they come in: net/http gives them none, whatever
// the timeouts of the http.Server, but [http.TimeoutHandler] or firebreakhttp.Handler
// around it do.
//
// The site of a request is the pattern of its route. Middleware knows it beforehand if
// next is an http.ServeMux, or has its method Handler, and else afterwards, if a
// ServeMux is further in; then Config.Unbounded is asked for "http.server" with the
// method as the target, instead of the pattern. At the level [Enforce] requests get a
// deadline; they are never refused, for it is not the fault of who sent them. Middleware
// panics if next is nil.
func (a *Auditor) Middleware(next http.Handler) http.Handler {
	if next == nil {
		panic(errors.New("deadline.Middleware: handler is nil, want one"))
	}
	m := &middleware{auditor: a, next: next, op: a.operations.get("http.server")}
	m.router, _ = next.(router)
	return m
}

// A router is a handler that tells which route a request takes, as http.ServeMux does.
type router interface {
	Handler(r *http.Request) (h http.Handler, pattern string)
}

type middleware struct {
	auditor *Auditor
	next    http.Handler
	router  router // next, if it tells its routes
	op      *operation
}

// ServeHTTP serves a request.
func (m *middleware) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.op.calls.Add(1)
	if _, ok := r.Context().Deadline(); ok {
		m.next.ServeHTTP(w, r)
		return
	}
	m.unbounded(w, r)
}

func (m *middleware) unbounded(w http.ResponseWriter, r *http.Request) {
	a := m.auditor
	handler, route := m.route(r)
	reason := a.reason(r.Context(), m.op, route)
	s := a.routeSite(m.op, reason, route, func() []Frame { return handlerFrames(handler) })
	later := m.router == nil // the route is known only then
	ctx, op, _ := a.begin(r.Context(), s, "", hook{tracks: true, adds: true, later: later})
	defer op.End()
	served := r
	if ctx != r.Context() {
		served = r.WithContext(ctx)
	}
	if later {
		defer func() {
			if route := served.Pattern; route != "" && namesRoutes(r) {
				if reason == "" {
					reason = a.reason(ctx, m.op, route)
				}
				op.moveTo(a.routeSite(m.op, reason, route, func() []Frame { return nil }))
			}
			op.count(ctx)
		}()
	}
	m.next.ServeHTTP(w, served)
	if served != r {
		if r.MultipartForm == nil {
			r.MultipartForm = served.MultipartForm // the server removes its files
		}
		if r.Pattern == "" {
			r.Pattern = served.Pattern // for others further out
		}
	}
}

// route returns who serves r, and the name of the route: the pattern, or else the
// method. Both are of closed sets, whatever is sent.
func (m *middleware) route(r *http.Request) (h http.Handler, name string) {
	if m.router != nil && namesRoutes(r) {
		if h, pattern := m.router.Handler(r); pattern != "" {
			return h, pattern
		}
	}
	switch r.Method {
	case "":
		return m.next, http.MethodGet
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodConnect, http.MethodOptions, http.MethodTrace:
		return m.next, r.Method
	default:
		return m.next, other
	}
}

// namesRoutes reports whether the pattern of r is of a closed set: for CONNECT a ServeMux
// may name the path.
func namesRoutes(r *http.Request) bool { return r.Method != http.MethodConnect }

// handlerFrames returns where h is, as far as that can be told.
func handlerFrames(h http.Handler) []Frame {
	v := reflect.ValueOf(h)
	if !v.IsValid() {
		return nil
	}
	if v.Kind() != reflect.Func {
		t := v.Type()
		if t.Kind() == reflect.Pointer && t.Elem().Implements(reflect.TypeFor[http.Handler]()) {
			t = t.Elem() // which has the method that was written
		}
		m, ok := t.MethodByName("ServeHTTP")
		if !ok {
			return nil
		}
		v = m.Func
	}
	f := runtime.FuncForPC(v.Pointer())
	if f == nil {
		return nil
	}
	file, line := f.FileLine(v.Pointer())
	return []Frame{newFrame(strings.TrimSuffix(f.Name(), "-fm"), file, line)} // of a method as a value
}
