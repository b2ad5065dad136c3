package firebreakhttp

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/firebreak-go/firebreak"
)

// A router is a handler that tells which route a request takes, as http.ServeMux does.
type router interface {
	Handler(r *http.Request) (h http.Handler, pattern string)
}

// op returns the name of the call: the pattern of the route, or else the method. Both
// are of a closed set, whatever is sent.
func (h *handler) op(r *http.Request) string {
	if h.router != nil && r.Method != http.MethodConnect { // for that a ServeMux may return the path
		if _, pattern := h.router.Handler(r); pattern != "" {
			return pattern
		}
	}
	return operation(r.Method)
}

// ByRoute returns the route of a call that a [Handler] serves, as the key function of a
// [firebreak.Keyed] that gives each route a bulkhead of its own: the pattern, or the
// method if the handler does not tell its routes.
func ByRoute(c firebreak.Call) string { return c.Op }

// Routes returns a function that reports whether a request takes one of the routes that
// the patterns of an http.ServeMux name, for [Exempt] and [LongRunning]. A request whose
// path is not clean takes none.
//
// Routes panics with all problems if there are no patterns, or if they are not valid or
// in conflict with each other.
func Routes(patterns ...string) func(*http.Request) bool {
	s := &routes{mux: http.NewServeMux(), plain: make(map[string]bool)}
	var problems []error
	if len(patterns) == 0 {
		problems = append(problems, errors.New("no patterns, want one or more"))
	}
	for _, pattern := range patterns {
		if err := s.add(pattern); err != nil {
			problems = append(problems, err)
		}
	}
	if len(problems) > 0 {
		panic(fmt.Errorf("firebreakhttp.Routes: %w", errors.Join(problems...)))
	}
	return s.match
}

// routes is a set of routes.
type routes struct {
	mux   *http.ServeMux
	plain map[string]bool // paths of the patterns that are a path, with or without a method
	wild  bool            // there are others
}

// route is what a route leads to, and not a redirection.
type route struct{ http.Handler }

func (s *routes) add(pattern string) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("pattern %q is not valid: %v", pattern, p)
		}
	}()
	s.mux.Handle(pattern, route{})
	path := pattern[strings.LastIndexAny(pattern, " \t")+1:]
	if strings.HasPrefix(path, "/") && !strings.HasSuffix(path, "/") && !strings.Contains(path, "{") {
		s.plain[path] = true
	} else {
		s.wild = true
	}
	return nil
}

func (s *routes) match(r *http.Request) bool {
	if r.URL == nil || !s.wild && !s.plain[r.URL.Path] {
		return false // most requests: it costs next to nothing
	}
	h, _ := s.mux.Handler(r)
	_, ok := h.(route)
	return ok
}
