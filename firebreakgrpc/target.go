package firebreakgrpc

import (
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/resolver"
)

// maxTarget is the longest target; longer ones, which no DNS name is, are one.
const (
	maxTarget = 262
	tooLong   = "(too long)"
)

// target returns what cc is connected to, in one spelling.
func target(cc *grpc.ClientConn) string {
	if cc == nil {
		return "" // of an interceptor that is called by hand
	}
	return endpoint(cc.Target())
}

// endpoint returns the host and, if it is not 443, the port of a target of gRPC, without
// the scheme that says how to find it: "dns:///Payments.:443" is "payments". Of other
// kinds it is what the scheme stands before.
func endpoint(target string) string {
	if scheme, rest, ok := strings.Cut(target, "://"); ok && isScheme(scheme) {
		if _, path, ok := strings.Cut(rest, "/"); ok {
			rest = path // without the authority: who is asked
		}
		target = rest
	} else if scheme, rest, ok := strings.Cut(target, ":"); ok && isScheme(scheme) {
		target = rest
	}
	if len(target) > maxTarget {
		return tooLong
	}
	target = strings.ToLower(target)
	for before := ""; target != before; { // until there is nothing left to take off
		before = target
		target = strings.TrimRight(strings.TrimSuffix(target, ":443"), ".:")
		target = strings.ReplaceAll(target, ".:", ":")
	}
	if len(target) > maxTarget { // some letters are longer in lower case
		return tooLong
	}
	return target
}

// isScheme reports whether gRPC finds what stands behind scheme: "payments:50051" has
// none.
func isScheme(scheme string) bool { return resolver.Get(scheme) != nil }
