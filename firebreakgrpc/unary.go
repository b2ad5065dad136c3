package firebreakgrpc

import (
	"context"
	"fmt"
	"reflect"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/firebreak-go/firebreak"
)

// unaryCall is a call of a unary method.
type unaryCall struct {
	client     *client
	cc         *grpc.ClientConn
	invoker    grpc.UnaryInvoker
	method     string
	req, reply any
	opts       []grpc.CallOption
	clean      reflect.Value // what reply held before, if no codec of protobuf resets it

	repeated atomic.Bool
	first    clientAttempt // in one piece with the rest
}

// unary sends a call through the Stack. It is a grpc.UnaryClientInterceptor.
func (t *client) unary(
	ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption,
) (err error) {
	u := &unaryCall{client: t, cc: cc, invoker: invoker, method: method, req: req, reply: reply}
	c := t.call(cc, method, opts)
	c.Request = u
	var finish []func(error)
	u.opts, finish = callbacks(opts)
	if len(finish) > 0 {
		err = firebreak.ErrNoReturn
		defer func() { finished(finish, err) }()
	}
	if c.Idempotent {
		u.keepClean()
	}
	result, err := t.stackOf(method).Do(ctx, c, sendUnary)
	if err != nil {
		firebreak.Discard(result)
		return surface(err)
	}
	return u.take(result)
}

// finished runs the functions for the end of a call.
func finished(finish []func(error), err error) {
	for _, f := range finish {
		if f != nil {
			f(err)
		}
	}
}

// sendUnary makes one attempt: it is what the Stack's chain ends in.
func sendUnary(ctx context.Context, c firebreak.Call) (any, error) {
	u, ok := c.Request.(*unaryCall)
	if !ok {
		panic(fmt.Sprintf("firebreakgrpc: a policy changed Call.Request to a %T", c.Request))
	}
	a := &u.first
	if u.repeated.Swap(true) {
		a = new(clientAttempt)
		u.reset()
	}
	a.begin(ctx, c, u.client, u.cc)
	returned := false
	defer func() {
		if !returned {
			a.trace.end(firebreak.ErrNoReturn, codes.Unknown)
		}
	}()
	err := u.invoker(a, u.method, u.req, u.reply, u.cc, a.withOptions(u.opts)...)
	returned = true
	if err == nil {
		a.trace.end(nil, codes.OK)
		return u.reply, nil
	}
	err = a.failure(c, err)
	a.trace.fail(err)
	return nil, err
}

// keepClean remembers what reply holds, so that what a failed attempt put there does not
// mix with what the next one does. The codec of protobuf begins anew by itself.
func (u *unaryCall) keepClean() {
	if _, ok := u.reply.(proto.Message); ok {
		return
	}
	if v := reflect.ValueOf(u.reply); v.Kind() == reflect.Pointer && !v.IsNil() {
		u.clean = reflect.New(v.Type().Elem()).Elem()
		u.clean.Set(v.Elem())
	}
}

// reset has nothing left of the attempt before: neither in reply, nor where the caller
// wants header, trailer and peer, of which an attempt may have none.
func (u *unaryCall) reset() {
	if m, ok := u.reply.(proto.Message); ok {
		proto.Reset(m)
	} else if u.clean.IsValid() {
		reflect.ValueOf(u.reply).Elem().Set(u.clean)
	}
	forget(u.opts)
}

// forget empties what options of the caller's were filled with.
func forget(opts []grpc.CallOption) {
	for _, opt := range opts {
		switch o := opt.(type) {
		case grpc.HeaderCallOption:
			*o.HeaderAddr = metadata.MD(nil)
		case grpc.TrailerCallOption:
			*o.TrailerAddr = metadata.MD(nil)
		case grpc.PeerCallOption:
			*o.PeerAddr = peer.Peer{}
		}
	}
}

// take makes reply what the Stack returned. That is reply itself, unless a policy of the
// user's has answered.
func (u *unaryCall) take(result any) error {
	if result != nil && reflect.TypeOf(result).Comparable() && result == u.reply {
		return nil
	}
	to, toOK := u.reply.(proto.Message)
	from, fromOK := result.(proto.Message)
	if toOK && fromOK && to.ProtoReflect().Descriptor() == from.ProtoReflect().Descriptor() {
		proto.Reset(to)
		proto.Merge(to, from)
		return nil
	}
	r, v := reflect.ValueOf(u.reply), reflect.ValueOf(result)
	if v.IsValid() && v.Kind() == reflect.Pointer && v.Type() == r.Type() && !v.IsNil() {
		r.Elem().Set(v.Elem())
		return nil
	}
	firebreak.Discard(result)
	return status.Errorf(codes.Internal, "firebreakgrpc: a policy returned a %T, want a %T", result, u.reply)
}
