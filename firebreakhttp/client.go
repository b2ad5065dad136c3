package firebreakhttp

import (
	"net"
	"net/http"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/retry"
	"github.com/firebreak-go/firebreak/timeout"
)

// Defaults of NewClient.
const (
	// DefaultTimeout bounds a call: all its attempts, the waits between them, and
	// the reading of the response body.
	DefaultTimeout = timeout.Default

	// DefaultAttemptTimeout bounds an attempt, the reading of its body included.
	DefaultAttemptTimeout = 10 * time.Second
)

// Limits of the connections of NewClient.
const (
	// dialTimeout is enough for one lost SYN, which is sent again after 1s, and
	// again 2s later.
	dialTimeout = 3100 * time.Millisecond

	// tlsTimeout bounds the TLS handshake.
	tlsTimeout = 5 * time.Second

	// pingAfter and pingTimeout find HTTP/2 connections that are dead, but were
	// never closed: all calls to a host share one, and each would run into its
	// timeout until the kernel gives the connection up, a quarter of an hour later.
	pingAfter   = 15 * time.Second
	pingTimeout = 5 * time.Second
)

// NewClient returns an http.Client for a third party: with a timeout of 30s for a
// call and 10s for an attempt, and per host up to three attempts within a retry
// budget, a circuit breaker, and 256 calls in flight. The name shows in telemetry.
//
// It has connections of its own, which take 3.1s at most to be made and 5s for their
// TLS handshake; one of HTTP/2 that is quiet for 15s is asked whether it lives. Each
// redirect is a call of its own. The timeouts cover the reading of response bodies:
// for long downloads and streams compose a Stack with a longer timeout, or with
// timeout.Unbounded.
func NewClient(name string, options ...Option) *http.Client {
	return &http.Client{Transport: Transport(newBase(), defaultStack(name), options...)}
}

func defaultStack(name string) *firebreak.Stack {
	perHost := firebreak.Keyed(firebreak.ByTarget, func(string) firebreak.Policy {
		return firebreak.New(name,
			retry.New(retry.Config{}),
			breaker.New(breaker.Config{}),
			bulkhead.New(bulkhead.Config{}),
		)
	})
	return firebreak.New(name, timeout.New(DefaultTimeout), perHost, timeout.New(DefaultAttemptTimeout))
}

// newBase returns a transport with a limit on each phase, and as many idle
// connections as calls may be in flight to a host: the default of two would have
// a busy client dial all the time.
func newBase() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          1024,
		MaxIdleConnsPerHost:   bulkhead.DefaultMaxCalls,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   tlsTimeout,
		ExpectContinueTimeout: time.Second,
		HTTP2:                 &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
	}
}
