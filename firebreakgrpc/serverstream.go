package firebreakgrpc

import (
	"context"
	"time"

	"google.golang.org/grpc"
)

// A serverStream is what the handler of a stream gets: it has the context of the policies,
// and notes when the answer begins. SendMsg and RecvMsg may be called at the same time.
type serverStream struct {
	grpc.ServerStream

	ctx    context.Context //nolint:containedctx // a stream has one
	served *served
}

// Context returns the context of the policies.
func (s *serverStream) Context() context.Context { return s.ctx }

// SendMsg sends a message.
func (s *serverStream) SendMsg(m any) error {
	s.served.answers()
	return s.ServerStream.SendMsg(m)
}

// RecvMsg receives a message.
func (s *serverStream) RecvMsg(m any) error {
	if _, answered := s.served.began.Time(); answered {
		return s.ServerStream.RecvMsg(m)
	}
	begin := time.Now()
	err := s.ServerStream.RecvMsg(m)
	s.served.waited.Add(int64(time.Since(begin)))
	return err
}

// answers notes that the answer begins, if it has not. For how long the caller was waited
// for until then says nothing of the server.
func (v *served) answers() {
	if _, answered := v.began.Time(); !answered {
		v.began.MarkAt(time.Now().Add(-time.Duration(v.waited.Load())))
	}
}
