package firebreakgrpc

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/firebreak-go/firebreak"
)

// streamCall is a call of a method that streams.
type streamCall struct {
	client   *client
	cc       *grpc.ClientConn
	desc     *grpc.StreamDesc
	streamer grpc.Streamer
	method   string
	opts     []grpc.CallOption
	finish   []func(error) // of the caller's options

	repeated bool
	server   *restartable // what the caller has of a stream that only the server sends on
}

// stream opens a stream through the Stack. It is a grpc.StreamClientInterceptor.
func (t *client) stream(
	ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	s := &streamCall{client: t, cc: cc, desc: desc, streamer: streamer, method: method}
	c := t.call(cc, method, opts)
	c.Request, c.Streams = s, true
	s.opts, s.finish = callbacks(opts)
	if desc.ServerStreams && !desc.ClientStreams {
		return t.serverStream(ctx, c, s)
	}
	c.Idempotent = false // what the client streams is not kept
	returned := false
	defer func() {
		if !returned {
			finished(s.finish, firebreak.ErrNoReturn)
		}
	}()
	result, err := t.stackOf(method).Do(ctx, c, openOnce)
	returned = true
	return s.opened(result, err)
}

// opened returns the stream that the Stack returned, or the error for the caller.
func (s *streamCall) opened(result any, err error) (grpc.ClientStream, error) {
	if err == nil {
		switch cs := result.(type) {
		case *attemptStream:
			if len(s.finish) > 0 {
				cs.OnDone(func(o firebreak.Outcome) { finished(s.finish, surface(o.Err)) })
			}
			return cs, nil
		case grpc.ClientStream: // of a policy of the user's
			finished(s.finish, nil)
			return cs, nil
		}
		err = status.Errorf(codes.Internal, "firebreakgrpc: a policy returned a %T, want a stream", result)
	}
	firebreak.Discard(result)
	err = surface(err)
	finished(s.finish, err)
	return nil, err
}

func streamOf(c firebreak.Call) *streamCall {
	s, ok := c.Request.(*streamCall)
	if !ok {
		panic(fmt.Sprintf("firebreakgrpc: a policy changed Call.Request to a %T", c.Request))
	}
	return s
}

// openOnce opens a stream that the client sends on: it is what the Stack's chain ends
// in.
func openOnce(ctx context.Context, c firebreak.Call) (any, error) {
	x, err := streamOf(c).open(ctx, c, true)
	if err != nil {
		return nil, err
	}
	return x, nil
}

// attemptStream is the stream of one attempt. It is the result that the policies see, and
// ends when the stream has: it was read to its end, it failed, its context ended, or its
// connection was closed.
type attemptStream struct {
	firebreak.Lifetime
	grpc.ClientStream

	attempt clientAttempt
	call    firebreak.Call
	single  bool // the server sends one message
	cancel  context.CancelFunc
	stop    func() bool // of what waits for the end of the context
	isOpen  atomic.Bool
	over    atomic.Bool // gRPC is done with it: it has its trailer, if there is one

	judged   sync.Once
	note     *firebreak.AttemptError // how it ended; nil after a success
	released atomic.Bool

	mu      sync.Mutex // guards the fields below
	sent    sync.Cond  // sending has become less
	sending int        // calls of SendMsg
	failure error      // with which the stream ended meanwhile
}

// open opens the stream of one attempt. once says that there must not be another.
func (s *streamCall) open(ctx context.Context, c firebreak.Call, once bool) (*attemptStream, error) {
	if s.repeated {
		forget(s.opts)
	}
	s.repeated = true
	x := &attemptStream{call: c, single: !s.desc.ServerStreams}
	x.sent.L = &x.mu
	ctx, x.cancel = context.WithCancel(ctx)
	x.attempt.once = once
	x.attempt.begin(ctx, c, s.client, s.cc)
	x.stop = context.AfterFunc(ctx, x.contextEnded) // not all that stand in for gRPC watch it
	returned := false
	defer func() {
		if !returned {
			x.conclude(firebreak.ErrNoReturn)
		}
	}()
	// OnFinish says how gRPC ended it, also where the caller does not read to the end.
	cs, err := s.streamer(&x.attempt, s.desc, s.cc, s.method, x.attempt.withOptions(s.opts, grpc.OnFinish(x.finished))...)
	returned = true
	if err == nil && cs == nil {
		err = status.Error(codes.Internal, "firebreakgrpc: an interceptor returned neither a stream nor an error")
	}
	if err != nil { // also of an interceptor further in: then gRPC knows nothing of it
		x.conclude(err)
		return nil, x.failed()
	}
	x.ClientStream = cs
	x.isOpen.Store(true)
	x.contextEnded() // it may have been before
	return x, nil
}

// finished is called by gRPC when the stream has ended. While a message is sent it may be
// that message that has ended it: then the failure is the caller's own, and SendMsg says
// so.
func (x *attemptStream) finished(err error) {
	x.over.Store(true)
	x.mu.Lock()
	later := err != nil && x.sending > 0
	if later {
		x.failure = err
	}
	x.mu.Unlock()
	if !later {
		x.conclude(err)
	}
}

// contextEnded ends the stream if the context of the attempt has ended. One that is not
// open says itself how it failed.
func (x *attemptStream) contextEnded() {
	if err := x.attempt.Err(); err != nil && x.isOpen.Load() {
		x.conclude(err)
	}
}

// settle waits until it is known how a stream ended that ended while a message was sent.
func (x *attemptStream) settle() {
	x.mu.Lock()
	for x.failure != nil && x.sending > 0 {
		x.sent.Wait()
	}
	failure := x.failure
	x.mu.Unlock()
	if failure != nil {
		x.conclude(failure)
	}
}

// conclude ends the stream with err, which is nil or io.EOF after a success. What ended
// it first is what counts.
func (x *attemptStream) conclude(err error) {
	x.judged.Do(func() {
		if err != nil && err != io.EOF { //nolint:errorlint // one that is wrapped is no end
			x.note = x.attempt.failure(x.call, err)
		}
	})
	x.release()
}

// concludeSending ends the stream with err of a message that cannot be sent.
func (x *attemptStream) concludeSending(err error) {
	x.judged.Do(func() {
		x.note = x.attempt.failure(x.call, err)
		x.note.Class, x.note.Repeat = firebreak.Ignored, firebreak.RepeatNever
	})
	x.release()
}

// ended ends the stream with err, and returns it as its caller gets it.
func (x *attemptStream) ended(err error) error {
	x.conclude(err)
	if err == nil || err == io.EOF || x.note == nil { //nolint:errorlint // one that is wrapped is no end
		return err
	}
	if s, known := status.FromError(err); !endsWithContext(s.Code(), err, known) {
		return err
	}
	return surface(x.note)
}

// release gives back what is held for the stream.
func (x *attemptStream) release() {
	if x.released.Swap(true) {
		return
	}
	o := firebreak.Outcome{}
	if x.note != nil {
		o = x.call.Outcome(x.note)
	}
	x.stop()
	x.cancel()
	if x.note == nil {
		x.attempt.trace.end(nil, codes.OK)
	} else {
		x.attempt.trace.fail(x.note)
	}
	x.End(o)
}

// failed returns how the stream ended, as an error, or nil after a success.
func (x *attemptStream) failed() error {
	if x.note == nil {
		return nil
	}
	return x.note
}

// Discard ends a stream that nobody will read.
func (x *attemptStream) Discard() {
	err := x.call.Err(&x.attempt)
	if err == nil {
		err = context.Canceled
	}
	x.conclude(err)
}

// Header returns the header that the server sent, as soon as it is there.
func (x *attemptStream) Header() (metadata.MD, error) {
	md, err := x.ClientStream.Header()
	if err != nil {
		return md, x.ended(err)
	}
	return md, nil
}

// SendMsg sends m. An io.EOF says that the stream has ended; how, RecvMsg tells.
func (x *attemptStream) SendMsg(m any) error {
	x.mu.Lock()
	x.sending++
	x.mu.Unlock()
	err, returned := error(nil), false
	defer func() {
		switch {
		case !returned:
			x.conclude(firebreak.ErrNoReturn)
		case err != nil && err != io.EOF: //nolint:errorlint // as gRPC returns it
			x.concludeSending(err)
		}
		x.mu.Lock()
		x.sending--
		x.sent.Broadcast()
		failure := x.failure
		x.mu.Unlock()
		if failure != nil {
			x.conclude(failure)
		}
	}()
	err = x.ClientStream.SendMsg(m)
	returned = true
	return err
}

// RecvMsg receives the next message into m.
func (x *attemptStream) RecvMsg(m any) error {
	err := x.ClientStream.RecvMsg(m)
	if err != nil || x.single {
		x.over.Store(true)
		return x.ended(err)
	}
	return nil
}
