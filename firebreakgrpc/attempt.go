package firebreakgrpc

import (
	"context"
	"slices"
	"strconv"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/firebreak-go/firebreak"
)

// clientAttempt is one attempt of a call. It is the context under which it is made, so that
// the watcher finds it.
type clientAttempt struct {
	context.Context //nolint:containedctx // it is one, with a value more

	client  *client
	cc      *grpc.ClientConn
	number  int           // from 2 on it was made before
	seen    atomic.Uint32 // what the watcher saw: bits of the constants below
	once    bool          // it must not be made again
	trailer metadata.MD   // of the answer
	trace   attemptTrace
	space   [8]grpc.CallOption // of withOptions, for the usual number
}

// What the watcher sees of an attempt.
const (
	seenBegin   = 1 << iota // gRPC has it in hand
	seenHeader              // its header may have left
	seenPayload             // its message may have left
	seenAnswer              // there is an answer
)

type attemptKey struct{}

// Value returns the attempt itself for attemptKey.
func (a *clientAttempt) Value(key any) any {
	if key == (attemptKey{}) {
		return a
	}
	return a.Context.Value(key)
}

// attemptOf returns the attempt that ctx belongs to, or nil.
func attemptOf(ctx context.Context) *clientAttempt {
	a, _ := ctx.Value(attemptKey{}).(*clientAttempt)
	return a
}

// begin makes a ready to be made under ctx.
func (a *clientAttempt) begin(ctx context.Context, c firebreak.Call, t *client, cc *grpc.ClientConn) {
	a.client, a.cc, a.number = t, cc, c.Attempt
	traced := a.trace.begin(ctx, c, t)
	if c.Attempt > 1 || t.propagate || traced {
		md, ok := metadata.FromOutgoingContext(ctx) // a copy of the caller's own
		if !ok {
			md = make(metadata.MD)
		}
		if c.Attempt > 1 {
			md.Set(attemptsKey, strconv.Itoa(c.Attempt-1))
		}
		if t.propagate {
			setPriority(md, firebreak.PriorityOf(ctx))
		}
		ctx = metadata.NewOutgoingContext(ctx, md)
		a.trace.carrier = md
	}
	if traced && !t.watched {
		ctx = a.trace.start(ctx, a)
	}
	a.Context = ctx
}

func setPriority(md metadata.MD, p firebreak.Priority) {
	md.Delete(PriorityKey)
	if p != firebreak.PriorityDefault {
		md.Set(PriorityKey, p.String())
	}
}

// withOptions returns the options of the attempt: those of the call, and ours. They are
// in memory of the attempt's own, for interceptors further in append to them.
func (a *clientAttempt) withOptions(opts []grpc.CallOption, more ...grpc.CallOption) []grpc.CallOption {
	all := append(a.space[:0], opts...)
	all = append(all, grpc.Trailer(&a.trailer))
	all = append(all, more...)
	return slices.Clip(all)
}

// unsent reports whether it is proved that nothing left. Without a watcher nothing is.
func (a *clientAttempt) unsent() bool {
	seen := a.seen.Load()
	return seen&seenBegin != 0 && seen&seenHeader == 0
}

// unspoken reports whether it is proved that no message left, and nothing came back.
func (a *clientAttempt) unspoken() bool {
	seen := a.seen.Load()
	return seen&seenBegin != 0 && seen&(seenPayload|seenAnswer) == 0
}
