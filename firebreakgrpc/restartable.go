package firebreakgrpc

import (
	"context"
	"io"
	"runtime"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/firebreak-go/firebreak"
)

// restartable is a stream that only the server sends on, as its caller has it. Until the
// header of the server has arrived it may be opened anew, with the caller's one message:
// nothing of it was shown yet.
//
// The call is made in a goroutine that ends when the stream has begun or failed, so that
// the caller gets the stream at once, and can send the message. No lock is held while
// the caller sends or receives.
type restartable struct {
	call *streamCall
	ctx  context.Context //nolint:containedctx // of the caller, for a stream that never was

	mu        sync.Mutex // guards the fields below
	changed   sync.Cond
	current   *attemptStream    // open; nil while there is none
	last      *attemptStream    // opened last
	message   any               // the caller's
	sent      bool              // the caller has given message
	closed    bool              // the caller will send no other
	committed bool              // the caller has seen something of current: there is to be no other
	opened    bool              // the caller has the stream
	decided   bool              // it has begun, or failed for good
	stream    grpc.ClientStream // that has begun
	err       error             // with which it failed
	panicked  any               // with which the goroutine ended, or nil
	exited    bool              // the goroutine was ended by runtime.Goexit
}

// serverStream opens a stream that only the server sends on.
func (t *client) serverStream(ctx context.Context, c firebreak.Call, call *streamCall) (grpc.ClientStream, error) {
	s := &restartable{call: call, ctx: ctx}
	s.changed.L = &s.mu
	call.server = s
	go s.run(ctx, c)
	s.mu.Lock()
	for !s.opened && !s.decided {
		s.changed.Wait()
	}
	err, opened := s.err, s.opened
	s.mu.Unlock()
	if opened { // what came after that the stream tells
		return s, nil
	}
	s.raise()
	if err != nil {
		return nil, err
	}
	return s, nil
}

// run makes the call.
func (s *restartable) run(ctx context.Context, c firebreak.Call) {
	var stream grpc.ClientStream
	err := firebreak.ErrNoReturn
	returned := false
	defer func() {
		var panicked any
		if !returned {
			panicked = recover() // it is raised where the caller is
			finished(s.call.finish, err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.decided, s.stream, s.err = true, stream, err
		s.panicked, s.exited = panicked, !returned && panicked == nil
		s.message = nil
		s.changed.Broadcast()
	}()
	result, callErr := s.call.client.stackOf(s.call.method).Do(ctx, c, beginServerStream)
	stream, err = s.call.opened(result, callErr)
	returned = true
}

// raise has a panic in the goroutine of the call reach its caller.
func (s *restartable) raise() {
	s.mu.Lock()
	panicked, exited := s.panicked, s.exited
	s.mu.Unlock()
	if panicked != nil {
		panic(panicked)
	}
	if exited {
		runtime.Goexit()
	}
}

// beginServerStream makes one attempt: it opens a stream and waits until it has begun. It
// is what the Stack's chain ends in.
func beginServerStream(ctx context.Context, c firebreak.Call) (any, error) {
	call := streamOf(c)
	s := call.server
	x, err := call.open(ctx, c, false)
	if err != nil {
		return nil, err
	}
	begun := false
	defer func() {
		if !begun {
			s.close()
			x.Discard()
		}
	}()
	s.give(x)
	md, err := x.ClientStream.Header()
	if err != nil {
		x.conclude(err)
	}
	if md == nil {
		x.settle()
		x.contextEnded() // gRPC may be about to say so
	}
	if md == nil && x.released.Load() && x.failed() != nil { // Ended may be to come: another goroutine is at it
		note := *x.note
		if s.isCommitted() {
			note.Repeat = firebreak.RepeatNever
		}
		return nil, &note
	}
	begun = true // or ended, with nothing to tell
	return x, nil
}

// give makes x the stream that the caller has, with what the caller has sent so far.
func (s *restartable) give(x *attemptStream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sent, closed := false, false
	for {
		switch {
		case s.sent && !sent:
			sent = true
			m := s.message
			s.unlocked(func() { _ = x.SendMsg(m) }) // what becomes of it the header tells
		case s.closed && !closed:
			closed = true
			s.unlocked(func() { _ = x.CloseSend() })
		default:
			s.current, s.last, s.opened = x, x, true
			s.changed.Broadcast()
			return
		}
	}
}

// unlocked runs f without the lock that is held.
func (s *restartable) unlocked(f func()) {
	s.mu.Unlock()
	defer s.mu.Lock()
	f()
}

// close takes the stream that has failed from the caller.
func (s *restartable) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = nil
}

func (s *restartable) isCommitted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.committed
}

// begun waits until the stream has begun or failed.
func (s *restartable) begun() (grpc.ClientStream, error) {
	s.mu.Lock()
	for !s.decided {
		s.changed.Wait()
	}
	stream, err := s.stream, s.err
	s.mu.Unlock()
	s.raise()
	return stream, err
}

// commit sees to it that no other stream follows the one that there is, and returns that,
// or the last one if it failed for good. It is nil if there was none.
func (s *restartable) commit() *attemptStream {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.committed = true
	for s.current == nil && !s.decided {
		s.changed.Wait()
	}
	return s.last
}

// SendMsg sends m. It is kept until the stream has begun.
func (s *restartable) SendMsg(m any) error {
	s.mu.Lock()
	again := s.sent
	if !again && !s.decided {
		s.message = m
	}
	s.sent = true
	x, decided, stream := s.current, s.decided, s.stream
	s.mu.Unlock()
	switch {
	case decided && stream != nil:
		return stream.SendMsg(m)
	case decided: // it has failed; RecvMsg tells how
		return nil
	case x != nil:
		err := x.SendMsg(m)
		if err == io.EOF { //nolint:errorlint // as gRPC returns it
			return nil // RecvMsg tells how it ended, or there will be another
		}
		return err
	case again:
		return status.Error(codes.Internal, "firebreakgrpc: SendMsg called a second time on a stream that only the server sends on")
	default:
		return nil // the stream to come gets it
	}
}

// CloseSend says that there is nothing more to send.
func (s *restartable) CloseSend() error {
	s.mu.Lock()
	s.closed = true
	x, stream := s.current, s.stream
	s.mu.Unlock()
	switch {
	case stream != nil:
		return stream.CloseSend()
	case x != nil:
		return x.CloseSend()
	default:
		return nil
	}
}

// RecvMsg receives the next message into m.
func (s *restartable) RecvMsg(m any) error {
	stream, err := s.begun()
	if err != nil {
		return err
	}
	return stream.RecvMsg(m)
}

// Header returns the header of the server, as soon as it is there. It returns neither a
// header nor an error if the stream has failed: RecvMsg tells how.
func (s *restartable) Header() (metadata.MD, error) {
	if stream, err := s.begun(); err == nil {
		return stream.Header()
	}
	return nil, nil //nolint:nilnil // as gRPC does
}

// Trailer returns the trailer of the server, if the stream has ended.
func (s *restartable) Trailer() metadata.MD {
	x := s.commit()
	s.mu.Lock()
	stream := s.stream
	s.mu.Unlock()
	switch {
	case stream != nil && stream != grpc.ClientStream(x): // of a policy of the user's
		return stream.Trailer()
	case x != nil && x.over.Load():
		return x.Trailer()
	default:
		return nil
	}
}

// Context returns the context of the stream.
func (s *restartable) Context() context.Context {
	x := s.commit()
	s.mu.Lock()
	stream := s.stream
	s.mu.Unlock()
	switch {
	case stream != nil:
		return stream.Context()
	case x != nil:
		return x.Context()
	default:
		return s.ctx
	}
}
