package firebreakhttp

import (
	"net/http"
	"time"

	"github.com/firebreak-go/firebreak"
)

// A HandlerOption changes a default of [Handler] or [NewServer].
type HandlerOption func(*handler)

// Trust says whose word counts: for requests for which from is true, the deadline in
// Request-Timeout-Ms, X-Envoy-Expected-Rq-Timeout-Ms or Grpc-Timeout holds, if it is
// earlier than the server's own, and the priority in Firebreak-Priority. The time counts
// from the arrival of the request; of several the earliest counts; what is not a time
// over 0 is ignored. By default nobody is trusted, for a stranger would say that
// everything of his is critical. from must tell callers by what they cannot make up: a
// client certificate, the address of a proxy that sets these headers itself.
func Trust(from func(*http.Request) bool) HandlerOption {
	return func(h *handler) {
		if from == nil {
			h.problemf("Trust: function is nil, want one")
		}
		h.trusted = from
	}
}

// MinTime has requests refused that have less than d left until their deadline when
// they arrive: what takes at least that long could only be thrown away. d is over 0. By
// default those are refused whose deadline has passed.
func MinTime(d time.Duration) HandlerOption {
	return func(h *handler) {
		if d <= 0 {
			h.problemf("MinTime is %v, want more than 0", d)
		}
		h.minTime = d
	}
}

// PriorityBy sets the priority of requests that say none, or whose word does not count
// (see [Trust]). By default it is [firebreak.PriorityDefault].
func PriorityBy(priority func(*http.Request) firebreak.Priority) HandlerOption {
	return func(h *handler) {
		if priority == nil {
			h.problemf("PriorityBy: function is nil, want one")
		}
		h.priority = priority
	}
}

// Exempt has requests for which match is true pass the policies that reject, and not
// count there: health checks, which have to be answered just when nothing else is. The
// timeouts hold for them. match must go by the route ([Routes]) or the listener, never
// by what a stranger can send. By default there are none; several add up.
func Exempt(match func(*http.Request) bool) HandlerOption {
	return func(h *handler) {
		if match == nil {
			h.problemf("Exempt: function is nil, want one")
		}
		h.exempt = append(h.exempt, match)
	}
}

// LongRunning has requests for which match is true go through stack instead: event
// streams, WebSockets and long polls, which would take all places of the others and be
// cut by their timeout. That Stack wants a bulkhead of its own and, for streams without
// end, [timeout.Unbounded]. ReadTimeout and WriteTimeout of the http.Server are lifted
// for them. By default there are none; of several the first that matches counts.
func LongRunning(match func(*http.Request) bool, stack *firebreak.Stack) HandlerOption {
	return func(h *handler) {
		if match == nil {
			h.problemf("LongRunning: function is nil, want one")
		}
		h.checkStack("LongRunning: stack", stack)
		h.longRunning = append(h.longRunning, longRunning{match, stack})
	}
}
