package firebreakgrpc

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/firebreak-go/firebreak"
)

// otherMethod is the name of methods that nobody is known to serve: names come from
// outside, and there is no end of them.
const otherMethod = "_OTHER"

// maxMethods bounds the methods that are remembered.
const maxMethods = 1000

// methods are those that were served. Who asks before decoding, when gRPC has not looked
// for the method yet, learns from them which names are of a closed set.
type methods struct {
	seen atomic.Pointer[map[string]struct{}] // replaced, never changed
	mu   sync.Mutex                          // serializes replacements
}

// name returns method, or otherMethod if it was not served before.
func (m *methods) name(method string) string {
	if m.has(method) {
		return method
	}
	return otherMethod
}

func (m *methods) has(method string) bool {
	seen := m.seen.Load()
	if seen == nil {
		return false
	}
	_, ok := (*seen)[method]
	return ok
}

// served notes that method is one that gRPC has found, and returns it.
func (m *methods) served(method string) string {
	if !m.has(method) {
		m.add(method)
	}
	return method
}

func (m *methods) add(method string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	added := make(map[string]struct{})
	if seen := m.seen.Load(); seen != nil {
		if len(*seen) >= maxMethods {
			return
		}
		maps.Copy(added, *seen)
	}
	added[method] = struct{}{}
	m.seen.Store(&added)
}

// healthCheck reports whether a method is one by which orchestrators and load balancers
// find out whether a server is well.
func healthCheck(method string) bool {
	return method == "/grpc.health.v1.Health/Check" || method == "/grpc.health.v1.Health/List"
}

// leftAlone reports whether a method is a stream that belongs to the server itself and
// lasts as long as its caller.
func leftAlone(method string) bool {
	return method == "/grpc.health.v1.Health/Watch" ||
		method == "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo" ||
		method == "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
}

// ByMethod returns the method of a call that a server serves, as in
// "/pkg.Service/Method", as the key function of a [firebreak.Keyed] that gives each method
// a bulkhead of its own. Methods that are not registered share one key.
func ByMethod(c firebreak.Call) string { return c.Op }

// Methods returns a function that reports whether a method is one of those named, for
// [Exempt], [LongRunning] and [ForMethods]: "/pkg.Service/Method", or "/pkg.Service/*" for
// all of a service.
//
// Methods panics with all problems if there are no names, or if they are not valid.
func Methods(names ...string) func(fullMethod string) bool {
	match, err := named(names)
	if err != nil {
		panic(fmt.Errorf("firebreakgrpc.Methods: %w", err))
	}
	return match
}

// named is Methods with an error for all problems.
func named(names []string) (match func(fullMethod string) bool, _ error) {
	methods, services := make(map[string]bool), make(map[string]bool)
	var problems []error
	if len(names) == 0 {
		problems = append(problems, errors.New("no names, want one or more"))
	}
	for _, name := range names {
		service, method := split(name)
		switch {
		case service == "" || method == "" || strings.Contains(service, "/"):
			problems = append(problems, fmt.Errorf(`name is %q, want "/pkg.Service/Method" or "/pkg.Service/*"`, name))
		case method == "*":
			services[service] = true
		default:
			methods[name] = true
		}
	}
	return func(fullMethod string) bool {
		if methods[fullMethod] {
			return true
		}
		if len(services) == 0 {
			return false
		}
		service, _ := split(fullMethod)
		return services[service]
	}, errors.Join(problems...)
}

// split returns the parts of a full name, or nothing if it is none.
func split(name string) (service, method string) {
	i := strings.LastIndexByte(name, '/')
	if i < 1 || name[0] != '/' {
		return "", ""
	}
	return name[1:i], name[i+1:]
}
