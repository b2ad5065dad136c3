package firebreakhttp

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/shed"
	"github.com/firebreak-go/firebreak/timeout"
)

// Defaults of NewServer.
const (
	// DefaultHandlerTimeout bounds the time of a handler, from when the request is let
	// in.
	DefaultHandlerTimeout = timeout.Default

	// DefaultReadHeaderTimeout bounds the reading of a request's header. It is enough
	// for a packet that is lost and lost again.
	DefaultReadHeaderTimeout = 5 * time.Second

	// DefaultIdleTimeout is for how long a connection is kept between requests: longer
	// than clients and proxies keep it, which is mostly 60s or 90s, so that they close
	// it and do not run into the server's doing so.
	DefaultIdleTimeout = 120 * time.Second

	// DefaultMaxHeaderBytes bounds a request's header. Clients that mean well send a few
	// kB, those with many cookies some more.
	DefaultMaxHeaderBytes = 64 << 10
)

// aroundHandler is what a request may take beside the time of its handler: a wait in the
// queue, what comes of a body that nobody reads, what is left of the answer.
const aroundHandler = 30 * time.Second

// A ServerOption changes a default of [NewServer]. Each [HandlerOption] is one.
type ServerOption interface{ configure(s *serverConfig) }

type serverConfig struct {
	stack   *firebreak.Stack
	options []HandlerOption
}

func (o HandlerOption) configure(s *serverConfig) { s.options = append(s.options, o) }

type stackOption struct{ stack *firebreak.Stack }

func (o stackOption) configure(s *serverConfig) { s.stack = o.stack }

// WithStack sets what requests go through, and the name under which they show in
// telemetry. The default is
//
//	firebreak.New("server", shed.New(shed.Config{}), timeout.New(30*time.Second))
//
// of which NewServer closes the limiter at the beginning of [http.Server.Shutdown]: what
// waits is served, what comes is refused. With a limiter in a Stack of your own, have
// its Close called in the same way, with [http.Server.RegisterOnShutdown].
func WithStack(stack *firebreak.Stack) ServerOption { return stackOption{stack} }

// NewServer returns an http.Server that answers what it can and refuses the rest, the
// least important first, before it collapses. It limits by itself how many requests are
// in flight; there is no limit to set. A handler has 30s, and is waited for no longer,
// whatever it does: see [Handler].
//
// GET and HEAD of /healthz, /livez, /readyz and /health are never refused. If handler is
// an http.ServeMux, that holds for those that are a route of it. Streams, WebSockets and
// long polls need [LongRunning].
//
// A header may take 5s and have 64 kB; an idle connection is kept for 120s. How long a
// client takes to send its body and to receive the answer is bounded by the handler's
// time; ReadTimeout and WriteTimeout are 30s longer than that, for what comes before
// and after it, and 0 if the Stack has no timeout. They do not cut requests that are
// LongRunning. All fields can be changed before the server is started.
//
// NewServer panics with all problems if handler or an option is nil or not valid.
func NewServer(addr string, handler http.Handler, options ...ServerOption) *http.Server {
	limiter := shed.New(shed.Config{})
	cfg := serverConfig{stack: firebreak.New("server", limiter, timeout.New(DefaultHandlerTimeout))}
	own := cfg.stack
	var problems []error
	for i, option := range options {
		if option == nil {
			problems = append(problems, fmt.Errorf("option %d is nil, want a ServerOption", i+1))
			continue
		}
		option.configure(&cfg)
	}
	h := newHandler(handler, cfg.stack, append(cfg.options, Exempt(healthChecks(handler))))
	if problems = append(problems, h.problems...); len(problems) > 0 {
		panic(fmt.Errorf("firebreakhttp.NewServer: %w", errors.Join(problems...)))
	}
	server := &http.Server{
		Addr:              addr,
		Handler:           h,
		ReadHeaderTimeout: DefaultReadHeaderTimeout,
		IdleTimeout:       DefaultIdleTimeout,
		MaxHeaderBytes:    DefaultMaxHeaderBytes,
	}
	if bound := boundOf(cfg.stack); bound > 0 {
		server.ReadTimeout, server.WriteTimeout = bound+aroundHandler, bound+aroundHandler
	}
	if cfg.stack == own {
		server.RegisterOnShutdown(limiter.Close)
	}
	return server
}

// boundOf returns the longest time that stack gives a handler, or 0 if it has no end.
func boundOf(stack *firebreak.Stack) time.Duration {
	var first func(d firebreak.Description) (time.Duration, bool)
	first = func(d firebreak.Description) (time.Duration, bool) {
		if d.Kind == firebreak.KindTimeout {
			return d.Timeout, true
		}
		for _, inner := range d.Inner {
			if bound, ok := first(inner); ok {
				return bound, true
			}
		}
		return 0, false
	}
	if bound, ok := first(stack.Describe()); ok {
		return bound
	}
	return timeout.Default
}

// healthChecks returns a function that reports whether a request is a health check, as
// orchestrators and load balancers make them. What a router sends elsewhere is none: a
// stranger would get around the limit with the path alone.
func healthChecks(next http.Handler) func(*http.Request) bool {
	router, _ := next.(router)
	return func(r *http.Request) bool {
		if r.Method != http.MethodGet && r.Method != http.MethodHead || r.URL == nil {
			return false
		}
		switch r.URL.Path {
		case "/healthz", "/livez", "/readyz", "/health":
		default:
			return false
		}
		if router == nil {
			return true
		}
		_, pattern := router.Handler(r)
		return routeOf(pattern) == r.URL.Path
	}
}
