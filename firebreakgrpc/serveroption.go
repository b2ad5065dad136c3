package firebreakgrpc

import (
	"context"
	"time"

	"github.com/firebreak-go/firebreak"
)

// DefaultMinTime is how long before its deadline a call is still served: in less time no
// answer gets back.
const DefaultMinTime = time.Millisecond

// A ServerOption changes a default of [ServerOptions] and of what that is made of.
//
// The functions that options take get the context of the call as it came in, with
// [google.golang.org/grpc/peer.FromContext] and
// [google.golang.org/grpc/metadata.FromIncomingContext], and the full name of the method,
// as in "/pkg.Service/Method", as the caller sent it: what anybody may have made up. In a
// tap they run while the connection waits for them, and must be quick.
type ServerOption func(*server)

// Trust says whose word counts: of calls for which from is true, the priority in the
// metadata firebreak-priority holds, and the time in request-timeout-ms or
// x-envoy-expected-rq-timeout-ms, if it is shorter than that of grpc-timeout, which holds
// for everyone. By default nobody is trusted, for a stranger would say that everything of
// his is critical. from must tell callers by what they cannot make up: the certificate in
// the peer's AuthInfo, the address of a proxy that sets these metadata itself.
func Trust(from func(ctx context.Context, fullMethod string) bool) ServerOption {
	return func(s *server) {
		if from == nil {
			s.problemf("Trust: function is nil, want one")
		}
		s.trusted = from
	}
}

// MinTime has calls refused that have less than d left until their deadline when they
// arrive, with DEADLINE_EXCEEDED: what takes at least that long could only be thrown away.
// d is over 0; the default is 1ms.
func MinTime(d time.Duration) ServerOption {
	return func(s *server) {
		if d <= 0 {
			s.problemf("MinTime is %v, want more than 0", d)
		}
		s.minTime = d
	}
}

// PriorityBy sets the priority of calls that say none, or whose word does not count (see
// [Trust]). By default it is [firebreak.PriorityDefault].
func PriorityBy(priority func(ctx context.Context, fullMethod string) firebreak.Priority) ServerOption {
	return func(s *server) {
		if priority == nil {
			s.problemf("PriorityBy: function is nil, want one")
		}
		s.priority = priority
	}
}

// Exempt has calls of methods for which match is true pass the policies that reject, and
// not count there, beside those of health checks and reflection, which always do. The
// timeouts hold for them. See [Methods]; several add up.
func Exempt(match func(fullMethod string) bool) ServerOption {
	return func(s *server) {
		if match == nil {
			s.problemf("Exempt: function is nil, want one")
		}
		s.exempt = append(s.exempt, match)
	}
}

// LongRunning has calls of methods for which match is true go through stack instead:
// subscriptions and other streams that last, which would take all places of the others
// and be cut by their timeout. That Stack wants a bulkhead of its own and, for streams
// without end, [timeout.Unbounded]. By default there are none; of several the first that
// matches counts. See [Methods].
func LongRunning(match func(fullMethod string) bool, stack *firebreak.Stack) ServerOption {
	return func(s *server) {
		if match == nil {
			s.problemf("LongRunning: function is nil, want one")
		}
		s.check("LongRunning: stack", stack)
		s.longRunning = append(s.longRunning, longRunning{match, stack})
	}
}

// stackOf returns the Stack for a method.
func (s *server) stackOf(method string) *firebreak.Stack {
	for i := range s.longRunning {
		if s.longRunning[i].match(method) {
			return s.longRunning[i].stack
		}
	}
	return s.stack
}

func (s *server) isExempt(method string) bool {
	if healthCheck(method) {
		return true
	}
	for _, match := range s.exempt {
		if match(method) {
			return true
		}
	}
	return false
}
