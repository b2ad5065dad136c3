// Package withgrpc shows firebreakhttp.Handler in front of a grpc.Server that serves
// HTTP, as it does where gRPC shares its port with other handlers.
//
// Calls pass through it whole: their status and trailers arrive, and streams are
// streams. What the Handler refuses, a client of gRPC sees as UNAVAILABLE. But the
// status of a call is in its trailers, and that of the HTTP answer is 200 however it
// ended: a breaker in the Handler's Stack sees no failure, and never opens. There the
// Handler is to shed and to bound, and no more; what goes by the outcome of calls
// belongs in the interceptors of package firebreakgrpc.
package withgrpc

import (
	"net/http"

	"google.golang.org/grpc"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/firebreakhttp"
)

// Server returns a server of gRPC, on HTTP/2 without TLS, whose calls go through stack.
func Server(calls *grpc.Server, stack *firebreak.Stack, options ...firebreakhttp.HandlerOption) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           firebreakhttp.Handler(calls, stack, options...),
		Protocols:         protocols,
		ReadHeaderTimeout: firebreakhttp.DefaultReadHeaderTimeout,
	}
}
