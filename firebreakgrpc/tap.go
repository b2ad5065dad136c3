package firebreakgrpc

import (
	"context"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/tap"

	"github.com/firebreak-go/firebreak"
)

// claimTime is for how long what a call was given in the tap is kept for it. A caller that
// takes longer to send its request has to be admitted again when that is there: else those
// who send only headers would take all places.
const claimTime = time.Second

// TapHandle returns the tap handle of [ServerOptions] alone. It decides on calls when
// their headers have arrived, before their requests are received and decoded, on the
// goroutine that reads the connection: it never waits. Policies decide there that can do
// so at once, from the outermost on ([firebreak.Stack.Reserve]); a call that would have to
// wait, in the queue of a shed.Shed or a bulkhead, does so in the interceptor, which makes
// up the rest. What a call was given is kept for the interceptor for a second at most, and
// given back when the call ends without getting there: a method that is not known, a
// request that cannot be decoded, a caller who has gone.
//
// A server has one tap only. To have another one, too, call this last:
//
//	admit := firebreakgrpc.TapHandle(stack)
//	grpc.InTapHandle(func(ctx context.Context, info *tap.Info) (context.Context, error) {
//		ctx, err := mine(ctx, info)
//		if err != nil {
//			return ctx, err
//		}
//		return admit(ctx, info)
//	})
//
// It is of no use without the interceptors of the same stack, and panics as ServerOptions
// does. In a grpc.Server that serves HTTP as an http.Handler it is not called.
func TapHandle(stack *firebreak.Stack, options ...ServerOption) tap.ServerInHandle {
	return newServer("TapHandle", stack, options).tap
}

// An arrival is the context of a call that passed the tap. It knows what was decided
// there.
type arrival struct {
	context.Context //nolint:containedctx // it is one

	call    served
	ticket  *firebreak.Ticket // of call.stack; nil if nothing was reserved
	timer   *time.Timer       // that gives it back, or nil
	stop    func() bool       // has it kept when the call ends
	claimed atomic.Bool
}

// arrivalKey is that of an arrival in its context.
type arrivalKey struct{}

// Value returns the arrival for its key.
func (a *arrival) Value(key any) any {
	if key == (arrivalKey{}) {
		return a
	}
	return a.Context.Value(key)
}

// tap decides on a call as far as it can at once.
func (s *server) tap(ctx context.Context, info *tap.Info) (context.Context, error) {
	method := info.FullMethodName
	if leftAlone(method) {
		return ctx, nil
	}
	a := &arrival{call: served{server: s, stack: s.stackOf(method), method: method, op: s.methods.name(method)}}
	v := &a.call
	a.Context, v.deadline = s.read(ctx, method, func(key string) []string { return info.Header[key] })
	v.ctx = a.Context
	c := v.newCall(s)
	rejection := s.deadOnArrival(v)
	if rejection == nil {
		a.ticket, rejection = v.stack.Reserve(v.ctx, c)
	}
	if rejection != nil {
		return ctx, v.refuseEarly(c, rejection)
	}
	if ticket := a.ticket; ticket != nil {
		giveBack := func() { ticket.Cancel() }
		a.timer, a.stop = time.AfterFunc(claimTime, giveBack), context.AfterFunc(ctx, giveBack)
	}
	return a, nil
}

// take returns the call of a method that is to be served now, with what the tap has
// decided if there was one.
func (s *server) take(ctx context.Context, method string) *served {
	a, ok := ctx.Value(arrivalKey{}).(*arrival)
	if !ok || !a.claimed.CompareAndSwap(false, true) { // it may be that of another call, which made this one
		v := &served{server: s, method: method}
		v.ctx, v.deadline = s.read(ctx, method, incomingMetadata(ctx))
		v.stack = s.stackOf(method)
		return v
	}
	v := &a.call
	v.ctx = ctx
	if a.ticket != nil {
		a.timer.Stop()
		a.stop()
		v.ticket = a.ticket
	}
	if stack := s.stackOf(method); stack != v.stack { // the tap is not of these interceptors
		v.stack = stack
		if v.ticket != nil {
			v.ticket.Cancel()
			v.ticket = nil
		}
	}
	return v
}
