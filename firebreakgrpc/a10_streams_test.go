package firebreakgrpc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakgrpc"
	"github.com/firebreak-go/firebreak/timeout"
)

var errUnavailable = status.Error(codes.Unavailable, "no")

// begun tells the client that the stream has begun.
func begun(stream grpc.ServerStream) error { return stream.SendHeader(nil) }

// open opens a stream and sends one message on it, and no more if only the server streams.
func open(ctx context.Context, conn grpc.ClientConnInterface, method string, options ...grpc.CallOption) (grpc.ClientStream, error) {
	if !streams[method].ClientStreams {
		return watch(ctx, conn, method, options...)
	}
	stream, err := conn.NewStream(ctx, streams[method], method, options...)
	if err != nil {
		return nil, err
	}
	if err := stream.SendMsg(wrapperspb.String("penguin")); err != nil && !errors.Is(err, io.EOF) { // RecvMsg tells how it ended
		return nil, err
	}
	return stream, nil
}

// "Slot and permit until the stream is finished: EOF, error, context end without draining,
// ClientConn.Close, failure to open. B: released when NewStream returns, or leaked when the
// caller cancels without draining."
func TestA10_177_SlotUntilTheStreamIsFinished(t *testing.T) {
	for _, method := range []string{feed, orders, stock, haggle} {
		for name, end := range map[string]func(t *testing.T, conn *grpc.ClientConn, stream grpc.ClientStream, finish chan<- error, cancel func()){
			"EOF": func(t *testing.T, _ *grpc.ClientConn, stream grpc.ClientStream, finish chan<- error, _ func()) {
				t.Helper()
				finish <- nil
				if _, err := read(stream); err != nil && method != stock { // that has sent nothing
					t.Errorf("read: %v", err)
				}
			},
			"error": func(t *testing.T, _ *grpc.ClientConn, stream grpc.ClientStream, finish chan<- error, _ func()) {
				t.Helper()
				finish <- status.Error(codes.Internal, "no")
				_, err := read(stream)
				wantStatus(t, err, codes.Internal)
			},
			"context": func(_ *testing.T, _ *grpc.ClientConn, _ grpc.ClientStream, _ chan<- error, cancel func()) { cancel() },
			"connection": func(_ *testing.T, conn *grpc.ClientConn, _ grpc.ClientStream, _ chan<- error, _ func()) {
				conn.Close()
			},
		} {
			t.Run(method[len("/test.Shop/"):]+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					finish := make(chan error)
					s := &shop{stream: func(_ visit, stream grpc.ServerStream) error {
						if err := begun(stream); err != nil {
							return err
						}
						select {
						case err := <-finish:
							return err
						case <-stream.Context().Done():
							return stream.Context().Err()
						}
					}}
					b, r := bulkhead.New(bulkhead.Config{MaxCalls: 1}), new(recorder)
					conn := s.serve(t, through(b, r)...)
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					stream, err := open(ctx, conn, method)
					if err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
					wantTaken(t, b, 1, "while the stream is open")
					_, err = open(ctx, conn, method)
					wantStatus(t, err, codes.ResourceExhausted)
					time.Sleep(30 * time.Second)
					wantTaken(t, b, 1, "half a minute later")
					r.wantClasses(t)
					end(t, conn, stream, finish, cancel)
					synctest.Wait()
					wantTaken(t, b, 0, "after the end")
				})
			})
		}
	}
}

// "Failure above us. S: another inner interceptor rejects before grpc-go: OnFinish never runs.
// R: release on streamer error; once-guard both. B: slot lost for every call another
// interceptor rejects."
func TestA10_178_InnerInterceptorRejects(t *testing.T) {
	reject := func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, grpc.Streamer, ...grpc.CallOption) (grpc.ClientStream, error) {
		return nil, status.Error(codes.Unauthenticated, "no token")
	}
	for name, inner := range map[string]grpc.StreamClientInterceptor{
		"rejects": reject,
		"rejects what gRPC has opened": func(
			ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption,
		) (grpc.ClientStream, error) {
			ctx, cancel := context.WithCancel(ctx)
			if _, err := streamer(ctx, desc, cc, method, opts...); err != nil {
				t.Error(err)
			}
			cancel() // OnFinish runs, too
			return nil, status.Error(codes.Unauthenticated, "no token")
		},
	} {
		for _, method := range []string{feed, stock, haggle} {
			synctest.Test(t, func(t *testing.T) {
				b, r := bulkhead.New(bulkhead.Config{MaxCalls: 1}), new(recorder)
				conn := new(shop).serve(t, append(through(atOnce(), b, r), grpc.WithChainStreamInterceptor(inner))...)
				for range 3 {
					_, err := open(t.Context(), conn, method)
					if code := status.Code(err); code != codes.Unauthenticated && code != codes.Canceled {
						t.Errorf("%s: got %v, want that there is no token", name, err)
					}
					synctest.Wait()
					wantTaken(t, b, 0, name)
				}
				if _, outcomes := r.seen(); len(outcomes) != 3 {
					t.Errorf("%s: %d outcomes of three calls", name, len(outcomes))
				}
			})
		}
	}
}

// What another interceptor has made in place of a stream of gRPC ends, too: when it is read
// to its end, when it fails, or when its context ends.
func TestA10_178_StreamOfAnotherInterceptor(t *testing.T) {
	for name, end := range map[string]func(s *cannedStream, stream grpc.ClientStream, cancel func()) error{
		"EOF":     func(_ *cannedStream, stream grpc.ClientStream, _ func()) error { _, err := read(stream); return err },
		"context": func(_ *cannedStream, _ grpc.ClientStream, cancel func()) error { cancel(); return nil },
		"send fails": func(s *cannedStream, stream grpc.ClientStream, _ func()) error {
			s.err = errUnavailable
			return stream.SendMsg(nil)
		},
		"fails": func(s *cannedStream, stream grpc.ClientStream, _ func()) error {
			s.err = errUnavailable
			return stream.RecvMsg(nil)
		},
		"header": func(s *cannedStream, stream grpc.ClientStream, _ func()) error {
			s.err = errUnavailable
			_, err := stream.Header()
			return err
		},
		"its own end": func(s *cannedStream, stream grpc.ClientStream, _ func()) error {
			s.left = 0
			_, err := read(stream)
			return err
		},
	} {
		for _, method := range []string{feed, haggle} {
			synctest.Test(t, func(t *testing.T) {
				b := bulkhead.New(bulkhead.Config{MaxCalls: 1})
				canned := &cannedStream{left: 2}
				conn := new(shop).serve(t, append(through(b), grpc.WithChainStreamInterceptor(func(
					ctx context.Context, _ *grpc.StreamDesc, _ *grpc.ClientConn, _ string, _ grpc.Streamer, _ ...grpc.CallOption,
				) (grpc.ClientStream, error) {
					canned.ctx = ctx
					return canned, nil
				}))...)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				stream, err := conn.NewStream(ctx, streams[method], method)
				if err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				wantTaken(t, b, 1, name+": while it is open")
				if err := end(canned, stream, cancel); err != nil && canned.err == nil {
					t.Errorf("%s: %v", name, err)
				}
				synctest.Wait()
				wantTaken(t, b, 0, name+": after its end")
			})
		}
	}
}

// Where the server sends one message, that is the end.
func TestA10_178_OneMessageOfAnotherInterceptor(t *testing.T) {
	b, r := bulkhead.New(bulkhead.Config{MaxCalls: 1}), new(recorder)
	conn := new(shop).serve(t, append(through(b, r), grpc.WithChainStreamInterceptor(func(
		ctx context.Context, _ *grpc.StreamDesc, _ *grpc.ClientConn, _ string, _ grpc.Streamer, _ ...grpc.CallOption,
	) (grpc.ClientStream, error) {
		return &cannedStream{ctx: ctx, left: 1}, nil
	}))...)
	stream, err := conn.NewStream(t.Context(), streams[stock], stock)
	if err != nil {
		t.Fatal(err)
	}
	wantTaken(t, b, 1, "while it is open")
	if err := stream.RecvMsg(new(value)); err != nil {
		t.Fatal(err)
	}
	wantTaken(t, b, 0, "after the message")
	r.wantClasses(t, firebreak.Success)
}

// cannedStream is a stream that an interceptor makes up.
type cannedStream struct {
	ctx  context.Context
	left int   // messages
	err  error // what it fails with
}

func (s *cannedStream) Header() (metadata.MD, error) { return nil, s.err }
func (s *cannedStream) Trailer() metadata.MD         { return nil }
func (s *cannedStream) CloseSend() error             { return nil }
func (s *cannedStream) Context() context.Context     { return s.ctx }
func (s *cannedStream) SendMsg(any) error            { return s.err }

func (s *cannedStream) RecvMsg(any) error {
	if s.left--; s.left < 0 && s.err == nil {
		return io.EOF
	}
	return s.err
}

// "Unary and stream share the policy object. B: two bulkheads of N instead of one: 2N calls."
func TestA10_179_UnaryAndStreamsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stack := stackOf(bulkhead.New(bulkhead.Config{MaxCalls: 1}))
		for name, options := range map[string][]grpc.DialOption{
			"DialOptions": firebreakgrpc.DialOptions(stack),
			"interceptors": {
				grpc.WithUnaryInterceptor(firebreakgrpc.UnaryClientInterceptor(stack)),
				grpc.WithStreamInterceptor(firebreakgrpc.StreamClientInterceptor(stack)),
			},
		} {
			s := &shop{stream: func(_ visit, stream grpc.ServerStream) error {
				<-stream.Context().Done()
				return stream.Context().Err()
			}}
			conn := s.serve(t, options...)
			ctx, cancel := context.WithCancel(t.Context())
			stream, err := open(ctx, conn, haggle)
			if err != nil {
				t.Fatal(err)
			}
			_, err = ask(t.Context(), conn, lookup)
			if wantStatus(t, err, codes.ResourceExhausted); !errors.Is(err, bulkhead.ErrFull) {
				t.Errorf("%s: got %v, want that it is full", name, err)
			}
			cancel()
			_, err = read(stream)
			wantStatus(t, err, codes.Canceled)
			synctest.Wait() // the end of the context may still be under way
			if _, err = ask(t.Context(), conn, lookup); err != nil {
				t.Errorf("%s: after the stream: %v", name, err)
			}
		}
	})
}

// "Breaker result at the end; EOF = success; SendMsg's io.EOF is no result (status is in
// RecvMsg); CloseSend is no end. B: stream counted as success when it opens."
func TestA10_180_ResultAtTheEnd(t *testing.T) {
	for _, test := range []struct {
		method string
		err    error
		want   firebreak.Class
	}{
		{feed, nil, firebreak.Success},
		{stock, nil, firebreak.Success},
		{haggle, nil, firebreak.Success},
		{feed, status.Error(codes.Internal, "no"), firebreak.Failure},
		{stock, status.Error(codes.Internal, "no"), firebreak.Failure},
		{haggle, errUnavailable, firebreak.Failure},
		{haggle, status.Error(codes.NotFound, "no"), firebreak.Success},
		{haggle, status.Error(codes.ResourceExhausted, "no"), firebreak.Overload},
	} {
		t.Run(fmt.Sprint(test.method, " ", status.Code(test.err)), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				finish := make(chan struct{})
				s := &shop{stream: func(_ visit, stream grpc.ServerStream) error {
					if err := tell(stream, "one"); err != nil {
						return err
					}
					<-finish
					return test.err
				}}
				r := new(recorder)
				stream, err := open(t.Context(), s.serve(t, through(r)...), test.method)
				if err != nil {
					t.Fatal(err)
				}
				if test.method != stock {
					if err := stream.RecvMsg(new(value)); err != nil {
						t.Fatal(err)
					}
				}
				if err := stream.CloseSend(); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				r.wantClasses(t) // it is open
				close(finish)
				synctest.Wait()
				_, err = read(stream)
				wantStatus(t, err, status.Code(test.err))
				synctest.Wait()
				r.wantClasses(t, test.want)
			})
		})
	}
	synctest.Test(t, func(t *testing.T) { // io.EOF of SendMsg
		s := &shop{stream: func(visit, grpc.ServerStream) error { return status.Error(codes.Internal, "no") }}
		r := new(recorder)
		stream, err := open(t.Context(), s.serve(t, through(r)...), haggle)
		for err == nil {
			synctest.Wait()
			err = stream.SendMsg(wrapperspb.String("more"))
		}
		if err != io.EOF { //nolint:errorlint // as gRPC returns it
			t.Errorf("SendMsg: %v, want io.EOF", err)
		}
		r.wantClasses(t)
		_, err = read(stream)
		wantStatus(t, err, codes.Internal)
		r.wantClasses(t, firebreak.Failure)
	})
	for _, mistake := range []any{"not a message", wrapperspb.String("one too many")} { // the caller's own
		r := new(recorder)
		stream, err := open(t.Context(), new(shop).serve(t, through(r)...), haggle)
		if err != nil {
			t.Fatal(err)
		}
		if mistake != "not a message" {
			if err := stream.CloseSend(); err != nil {
				t.Fatal(err)
			}
		}
		wantStatus(t, stream.SendMsg(mistake), codes.Internal)
		r.wantClasses(t, firebreak.Ignored)
	}
	b := breaker.New(breaker.Config{ConsecutiveFailures: 2})
	s := &shop{stream: func(_ visit, stream grpc.ServerStream) error {
		return errors.Join(begun(stream), status.Error(codes.Internal, "no"))
	}}
	conn := s.serve(t, through(b)...)
	for range 2 {
		stream, err := open(t.Context(), conn, feed)
		if err != nil {
			t.Fatal(err)
		}
		_, err = read(stream)
		wantStatus(t, err, codes.Internal)
	}
	if b.State() != breaker.Open {
		t.Errorf("after two streams that failed the breaker is %v, want open", b.State())
	}
}

// "Never restart after a message or header was shown. B: go-grpc-middleware delivers 'debit
// 100, debit 200, debit 100, debit 200', clean EOF."
func TestA10_181_NoRestartAfterAMessage(t *testing.T) {
	for name, sent := range map[string]func(stream grpc.ServerStream) error{
		"messages": func(stream grpc.ServerStream) error { return tell(stream, "debit 100", "debit 200") },
		"a header": begun,
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &shop{stream: func(_ visit, stream grpc.ServerStream) error {
				return errors.Join(sent(stream), errUnavailable)
			}}
			s.stream = func(_ visit, stream grpc.ServerStream) error {
				if err := sent(stream); err != nil {
					return err
				}
				return errUnavailable
			}
			stream, err := open(t.Context(), s.serve(t, through(atOnce())...), feed)
			if err != nil {
				t.Fatal(err)
			}
			if name == "a header" {
				if md, err := stream.Header(); err != nil || md == nil {
					t.Errorf("the header is %v (%v), want one", md, err)
				}
			}
			got, err := read(stream)
			wantStatus(t, err, codes.Unavailable)
			want := []string{"debit 100", "debit 200"}
			if name == "a header" {
				want = nil
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s (-want +got):\n%s", name, d)
			}
			s.wantVisits(t, feed, 1)
		})
	}
}

// "May restart a server stream that failed before that: resend the one message, CloseSend,
// new stream. B: server streams never retried although nothing was delivered."
func TestA10_182_RestartBeforeTheFirstMessage(t *testing.T) {
	for _, over := range []string{"memory", "TCP"} {
		var asked []string
		s := &shop{stream: func(v visit, stream grpc.ServerStream) error {
			m := new(value)
			if err := stream.RecvMsg(m); err != nil {
				return err
			}
			if err := stream.RecvMsg(new(value)); !errors.Is(err, io.EOF) {
				t.Errorf("after the message there is %v, want the end", err)
			}
			asked = append(asked, m.GetValue()+" "+strings.Join(v.header("grpc-previous-rpc-attempts"), ","))
			if v.number < 3 {
				return errUnavailable
			}
			return tell(stream, "one", "two")
		}}
		serve := s.serve
		if over == "TCP" {
			serve = s.serveTCP
		}
		r := new(recorder)
		var finished []error
		stream, err := open(t.Context(), serve(t, through(atOnce(), r)...), feed, grpc.OnFinish(func(err error) { finished = append(finished, err) }))
		if err != nil {
			t.Fatal(err)
		}
		got, err := read(stream)
		if d := cmp.Diff([]string{"one", "two"}, got); err != nil || d != "" {
			t.Errorf("%s: %v (-want +got):\n%s", over, err, d)
		}
		if d := cmp.Diff([]string{"penguin ", "penguin 1", "penguin 2"}, asked); d != "" {
			t.Errorf("%s: what the server was asked (-want +got):\n%s", over, d)
		}
		r.wantClasses(t, firebreak.Failure, firebreak.Failure, firebreak.Success)
		if len(finished) != 1 || finished[0] != nil {
			t.Errorf("%s: OnFinish ran with %v, want once with nil", over, finished)
		}
	}
}

// What is not idempotent is not restarted, nor what fails in another way; and the last
// failure is what its caller gets, in RecvMsg as of any stream.
func TestA10_182_WhatIsNotRestarted(t *testing.T) {
	for _, test := range []struct {
		method string
		code   codes.Code
		want   int
	}{{feed, codes.Unavailable, 3}, {orders, codes.Unavailable, 1}, {feed, codes.Internal, 1}, {feed, codes.NotFound, 1}} {
		s := &shop{stream: func(v visit, stream grpc.ServerStream) error {
			stream.SetTrailer(metadata.Pairs("number", fmt.Sprint(v.number)))
			return status.Error(test.code, fmt.Sprint(v.number))
		}}
		var finished []error
		var trailer metadata.MD
		stream, err := open(t.Context(), s.serve(t, through(atOnce())...), test.method,
			grpc.OnFinish(func(err error) { finished = append(finished, err) }), grpc.Trailer(&trailer))
		if err != nil {
			t.Fatal(err)
		}
		_, err = read(stream)
		wantStatus(t, err, test.code)
		last := fmt.Sprint(test.want)
		if got := status.Convert(err).Message(); got != last {
			t.Errorf("the message is %q, want %q of the last attempt", got, last)
		}
		for name, md := range map[string]metadata.MD{"Trailer": stream.Trailer(), "grpc.Trailer": trailer} {
			if d := cmp.Diff([]string{last}, md.Get("number")); d != "" {
				t.Errorf("%s (-want +got):\n%s", name, d)
			}
		}
		if md, err := stream.Header(); md != nil || err != nil {
			t.Errorf("Header: %v and %v, want neither", md, err)
		}
		if again := stream.RecvMsg(new(value)); again != err && status.Code(again) != test.code { //nolint:errorlint // the very same
			t.Errorf("RecvMsg once more: %v, want %v", again, err)
		}
		if len(finished) != 1 || status.Code(finished[0]) != test.code {
			t.Errorf("OnFinish ran with %v, want once with the failure", finished)
		}
		s.wantVisits(t, test.method, test.want)
	}
}

// 166: "Header/Trailer/Peer options hold the last attempt's values", also if that had none.
func TestA9_166_OptionsOfStreams(t *testing.T) {
	s := &shop{stream: func(_ visit, stream grpc.ServerStream) error {
		stream.SetTrailer(metadata.Pairs("number", "1"))
		return errUnavailable
	}}
	opened := 0
	inner := func(
		ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption,
	) (grpc.ClientStream, error) {
		if opened++; opened > 1 {
			return nil, errUnavailable
		}
		return streamer(ctx, desc, cc, method, opts...)
	}
	var trailer metadata.MD
	var from peer.Peer
	stream, err := open(t.Context(), s.serve(t, append(through(atOnce()), grpc.WithChainStreamInterceptor(inner))...), feed, grpc.Trailer(&trailer), grpc.Peer(&from))
	if err != nil {
		t.Fatal(err)
	}
	_, err = read(stream)
	if wantStatus(t, err, codes.Unavailable); opened != 3 {
		t.Errorf("the stream was opened %d times, want 3", opened)
	}
	if len(trailer) > 0 || from.Addr != nil {
		t.Errorf("trailer %v and peer %v are those of the first attempt", trailer, from)
	}
}

// An empty stream is one that has succeeded.
func TestA10_182_EmptyStream(t *testing.T) {
	s := &shop{stream: func(visit, grpc.ServerStream) error { return nil }}
	r := new(recorder)
	conn := s.serve(t, through(atOnce(), r)...)
	for range 2 {
		stream, err := open(t.Context(), conn, feed)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := read(stream); err != nil || got != nil {
			t.Errorf("got %v and %v, want the end", got, err)
		}
	}
	r.wantClasses(t, firebreak.Success, firebreak.Success)
}

// "Client and bidi streams pass untouched when retry is configured. B: Unimplemented for every
// bidi call of the connection."
func TestA10_183_WhatTheClientStreamsIsSentOnce(t *testing.T) {
	for _, method := range []string{stock, haggle} {
		s := &shop{stream: func(visit, grpc.ServerStream) error { return errUnavailable }}
		stream, err := open(t.Context(), s.serve(t, through(atOnce())...), method)
		if err != nil {
			t.Fatal(err)
		}
		_, err = read(stream)
		wantStatus(t, err, codes.Unavailable)
		s.wantVisits(t, method, 1)

		opened := 0
		conn := new(shop).serve(t, append(through(atOnce()), grpc.WithChainStreamInterceptor(func(
			context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, grpc.Streamer, ...grpc.CallOption,
		) (grpc.ClientStream, error) {
			opened++
			return nil, errUnavailable
		}))...)
		_, err = open(t.Context(), conn, method)
		if wantStatus(t, err, codes.Unavailable); opened != 1 {
			t.Errorf("%s was opened %d times, want once", method, opened)
		}
	}
	conn := new(shop).serve(t, through(atOnce())...)
	stream, err := conn.NewStream(t.Context(), streams[haggle], haggle)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"ten", "five", "seven"} {
		m := new(value)
		if err := errors.Join(stream.SendMsg(wrapperspb.String(text)), stream.RecvMsg(m)); err != nil || m.GetValue() != text {
			t.Errorf("got %q and %v, want %q", m.GetValue(), err, text)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Error(err)
	}
	if got, err := read(stream); err != nil || got != nil {
		t.Errorf("at the end there is %v and %v", got, err)
	}
}

// "Header(), Context(), Trailer() commit (grpc-go does the same); Header returning nil,nil
// means failed: RecvMsg tells. B: restart after the application has acted on headers."
func TestA10_184_Commit(t *testing.T) {
	for name, test := range map[string]struct {
		look func(t *testing.T, stream grpc.ClientStream)
		want int // visits
	}{
		"Context": {func(t *testing.T, stream grpc.ClientStream) {
			t.Helper()
			ctx := stream.Context()
			if ctx.Err() != nil {
				t.Errorf("the context has ended with %v", ctx.Err())
			}
			time.Sleep(2 * time.Second)
			if ctx.Err() == nil {
				t.Error("the context lives on after the stream has failed")
			}
		}, 1},
		"Trailer": {func(_ *testing.T, stream grpc.ClientStream) { stream.Trailer() }, 1},
		"Header": {func(t *testing.T, stream grpc.ClientStream) { // it waits for one
			t.Helper()
			if md, err := stream.Header(); md != nil || err != nil {
				t.Errorf("the header is %v (%v), want none", md, err)
			}
		}, 3},
		"nothing": {func(*testing.T, grpc.ClientStream) {}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &shop{stream: func(visit, grpc.ServerStream) error {
					time.Sleep(time.Second)
					return errUnavailable
				}}
				stream, err := open(t.Context(), s.serve(t, through(atOnce())...), feed)
				if err != nil {
					t.Fatal(err)
				}
				test.look(t, stream)
				_, err = read(stream)
				wantStatus(t, err, codes.Unavailable)
				s.wantVisits(t, feed, test.want)
			})
		})
	}
}

// What looks at a stream between two attempts gets the second.
func TestA10_184_CommitBetweenAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shop{stream: func(v visit, stream grpc.ServerStream) error {
			if v.number == 1 {
				return comeBack(codes.Unavailable, nil)
			}
			time.Sleep(time.Second)
			return errUnavailable
		}}
		waiting := policyFunc(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
			if c.Attempt == 2 {
				time.Sleep(time.Second)
			}
			return next(ctx, c)
		})
		stream, err := open(t.Context(), s.serve(t, through(atOnce(), waiting)...), feed)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(500 * time.Millisecond) // the second attempt is to come
		if err := stream.Context().Err(); err != nil {
			t.Errorf("the context of the stream has ended with %v: it is that of the first attempt", err)
		}
		_, err = read(stream)
		wantStatus(t, err, codes.Unavailable)
		s.wantVisits(t, feed, 2)
	})
}

// "Send and Recv from two goroutines: no lock across either. B: mutex around SendMsg blocks
// RecvMsg: flow-control dead-lock."
func TestA10_185_SendAndReceiveAtOnce(t *testing.T) {
	const messages = 50
	large := wrapperspb.String(strings.Repeat("x", 32<<10)) // flow control has it wait
	s := &shop{stream: func(_ visit, stream grpc.ServerStream) error {
		for {
			m := new(value)
			if err := stream.RecvMsg(m); err != nil {
				return nil // the end
			}
			if err := stream.SendMsg(m); err != nil { // which waits for the client to read
				return err
			}
		}
	}}
	stream, err := s.serveTCP(t, through(atOnce())...).NewStream(t.Context(), streams[haggle], haggle)
	if err != nil {
		t.Fatal(err)
	}
	var sending sync.WaitGroup
	sending.Go(func() {
		for range messages {
			if err := stream.SendMsg(large); err != nil {
				t.Errorf("send: %v", err)
			}
		}
		if err := stream.CloseSend(); err != nil {
			t.Error(err)
		}
	})
	got, err := read(stream)
	sending.Wait()
	if err != nil || len(got) != messages {
		t.Errorf("got %d messages and %v, want %d", len(got), err, messages)
	}

	// A stream that only the server sends on: its message waits for a server that does not
	// read, while the client receives.
	s = &shop{stream: func(_ visit, stream grpc.ServerStream) error {
		if err := tell(stream, "first"); err != nil {
			return err
		}
		return stream.RecvMsg(new(value))
	}}
	stream, err = s.serveTCP(t, through(atOnce())...).NewStream(t.Context(), streams[feed], feed)
	if err != nil {
		t.Fatal(err)
	}
	sending.Go(func() {
		if err := stream.SendMsg(wrapperspb.String(strings.Repeat("x", 1<<20))); err != nil {
			t.Errorf("send: %v", err)
		}
	})
	if got, err := read(stream); err != nil || len(got) != 1 {
		t.Errorf("got %v and %v, want the first message", got, err)
	}
	sending.Wait()
}

// "No leak after cancel without drain. A caller who neither drains nor cancels leaks by grpc's
// contract: document." In a bubble of synctest no goroutine may be left at its end.
func TestA10_186_NoLeakAfterCancel(t *testing.T) {
	for _, method := range []string{feed, orders, stock, haggle} {
		for name, server := range map[string]func(stream grpc.ServerStream) error{
			"that says nothing":       func(stream grpc.ServerStream) error { <-stream.Context().Done(); return nil },
			"that has begun":          func(stream grpc.ServerStream) error { err := begun(stream); <-stream.Context().Done(); return err },
			"that sends without end":  func(stream grpc.ServerStream) error { return tell(stream, make([]string, 10_000)...) },
			"that fails at each time": func(grpc.ServerStream) error { return errUnavailable },
		} {
			synctest.Test(t, func(t *testing.T) {
				b, r := bulkhead.New(bulkhead.Config{}), new(recorder)
				s := &shop{stream: func(_ visit, stream grpc.ServerStream) error { return server(stream) }}
				conn := s.serve(t, through(atOnce(), b, r)...)
				ctx, cancel := context.WithCancel(t.Context())
				const opened = 20
				for range opened {
					if _, err := open(ctx, conn, method); err != nil {
						t.Fatalf("%s %s: %v", method, name, err)
					}
				}
				cancel()
				synctest.Wait()
				wantTaken(t, b, 0, method+" "+name)
				if calls, outcomes := r.seen(); len(outcomes) != len(calls) || len(calls) < opened {
					t.Errorf("%s %s: %d attempts, of which %d have ended", method, name, len(calls), len(outcomes))
				}
				conn.Close()
				synctest.Wait()
				if open := s.inHand(); open != 0 {
					t.Errorf("%s %s: the server has %d streams in hand", method, name, open)
				}
			})
		}
	}
}

// The same over TCP, by the number of goroutines.
func TestA10_186_NoLeakOverTCP(t *testing.T) {
	s := &shop{stream: func(_ visit, stream grpc.ServerStream) error { <-stream.Context().Done(); return nil }}
	b := bulkhead.New(bulkhead.Config{})
	conn := s.serveTCP(t, through(atOnce(), b, timeout.New(10*time.Second))...)
	if _, err := ask(t.Context(), conn, lookup); err != nil { // the connection is there
		t.Fatal(err)
	}
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(t.Context())
	for range 50 {
		for _, method := range []string{feed, stock, haggle} {
			if _, err := open(ctx, conn, method); err != nil {
				t.Fatal(err)
			}
		}
	}
	cancel()
	for end := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		inHand := s.inHand()
		if runtime.NumGoroutine() <= before && taken(b) == 0 && inHand == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d goroutines before, %d after; %d places taken, %d streams on the server", before, runtime.NumGoroutine(), taken(b), inHand)
		}
	}
}

// "clientStreamWrapper (1.85) calls CloseSend itself after SendMsg of server streams and reads
// twice for client streams: wrappers must tolerate both."
func TestA10_187_OuterWrapper(t *testing.T) {
	s := &shop{stream: func(v visit, stream grpc.ServerStream) error {
		if v.method == feed && v.number == 1 {
			return errUnavailable
		}
		return echo(stream, v.method == feed)
	}}
	r := new(recorder)
	outer := func(
		ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption,
	) (grpc.ClientStream, error) {
		stream, err := streamer(ctx, desc, cc, method, opts...)
		return twice{stream, desc}, err
	}
	conn := s.serve(t, append([]grpc.DialOption{grpc.WithChainStreamInterceptor(outer)}, through(atOnce(), r)...)...)
	stream, err := open(t.Context(), conn, feed) // which calls CloseSend, too
	if err != nil {
		t.Fatal(err)
	}
	if got, err := read(stream); err != nil || len(got) != 1 || got[0] != "penguin" {
		t.Errorf("feed: %q and %v, want penguin", got, err)
	}
	stream, err = open(t.Context(), conn, stock)
	if err != nil {
		t.Fatal(err)
	}
	m := new(value)
	if err := errors.Join(stream.CloseSend(), stream.RecvMsg(m)); err != nil || m.GetValue() != "penguin" {
		t.Errorf("stock: %q and %v, want penguin", m.GetValue(), err)
	}
	r.wantClasses(t, firebreak.Failure, firebreak.Success, firebreak.Success)
}

// twice is a stream that does what gRPC may do around one.
type twice struct {
	grpc.ClientStream

	desc *grpc.StreamDesc
}

func (s twice) SendMsg(m any) error {
	err := s.ClientStream.SendMsg(m)
	if !s.desc.ClientStreams && err == nil {
		return s.CloseSend()
	}
	return err
}

func (s twice) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if err != nil || s.desc.ServerStreams {
		return err
	}
	if err := s.ClientStream.RecvMsg(new(value)); err != io.EOF { //nolint:errorlint // as gRPC looks for it
		return fmt.Errorf("after the message there is %w, want io.EOF", err)
	}
	return nil
}

// "Refused stream has status and Kind. Retry wait cancel ends at once. B: bare error: code
// Unknown."
func TestA10_188_RefusedStream(t *testing.T) {
	for _, method := range []string{feed, stock, haggle} {
		b := breaker.New(breaker.Config{})
		b.ForceOpen()
		s := new(shop)
		stream, err := open(t.Context(), s.serve(t, through(atOnce(), b)...), method)
		if wantStatus(t, err, codes.Unavailable); !errors.Is(err, breaker.ErrOpen) || stream != nil {
			t.Errorf("got %v and %v, want that the circuit is open", stream, err)
		}
		if _, ok := errors.AsType[*firebreak.RejectedError](err); !ok {
			t.Errorf("%v is no RejectedError", err)
		}
		s.wantVisits(t, method, 0)
	}
	synctest.Test(t, func(t *testing.T) {
		var at time.Time
		s := &shop{stream: func(visit, grpc.ServerStream) error {
			at = time.Now()
			return comeBack(codes.Unavailable, nil)
		}}
		slow := policyFunc(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
			_, err := next(ctx, c)
			if _, err := c.Wait(ctx, time.Hour, nil); err != nil { // as a retry waits
				return nil, err
			}
			return nil, err
		})
		ctx, cancel := context.WithCancel(t.Context())
		stream, err := open(ctx, s.serve(t, firebreakgrpc.DialOptions(firebreak.New("shop", timeout.Unbounded("test"), slow))...), feed)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, cancel)
		_, err = read(stream)
		if wantStatus(t, err, codes.Canceled); time.Since(at) != time.Second || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v after %v, want the caller's end after 1s", err, time.Since(at))
		}
	})
}

// slowEnd has the end of each span take some time.
type slowEnd struct{ sdktrace.SpanProcessor }

func (p slowEnd) OnEnd(s sdktrace.ReadOnlySpan) {
	time.Sleep(time.Millisecond)
	p.SpanProcessor.OnEnd(s)
}

// An attempt whose end another goroutine is still telling has failed all the same, and is
// made again.
func TestStreamWhoseEndTakesTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shop{stream: func(v visit, stream grpc.ServerStream) error {
			if v.number == 1 {
				<-stream.Context().Done()
				return nil
			}
			return tell(stream, "news")
		}}
		unhurried := policyFunc(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
			result, err := next(ctx, c)
			time.Sleep(time.Second) // what is still told is told by then
			return result, err
		})
		r := newTraces(sdktrace.WithSpanProcessor(slowEnd{sdktrace.NewSimpleSpanProcessor(tracetest.NewNoopExporter())}))
		conn := s.serve(t, r.through(atOnce(), timeout.New(2*time.Second), unhurried)...)
		stream, err := open(t.Context(), conn, feed)
		if err != nil {
			t.Fatal(err)
		}
		got, err := read(stream)
		if wantStatus(t, err, codes.OK); len(got) != 1 {
			t.Errorf("got %q, want one message", got)
		}
		s.wantVisits(t, feed, 2)
	})
}

// "Per-try timeout on streams means time to first message; a total timeout is the stream's
// life. B: WithPerRetryTimeout ignored for streams."
func TestA10_189_TimeoutsOfStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shop{stream: func(v visit, stream grpc.ServerStream) error {
			if v.number == 1 && v.method == feed {
				<-stream.Context().Done() // the first attempt hangs
				return nil
			}
			for range 100 {
				if err := tell(stream, "news"); err != nil {
					return err
				}
				time.Sleep(time.Second)
			}
			return nil
		}}
		for _, method := range []string{feed, haggle} {
			stack := firebreak.New("shop", timeout.New(30*time.Second), atOnce(), timeout.New(2*time.Second))
			conn := s.serve(t, firebreakgrpc.DialOptions(stack)...)
			begin := time.Now()
			stream, err := open(t.Context(), conn, method)
			if err != nil {
				t.Fatal(err)
			}
			got, err := read(stream)
			wantStatus(t, err, codes.DeadlineExceeded)
			expired, ok := errors.AsType[*firebreak.TimeoutError](err)
			if !ok || expired.Scope != "call" || errors.Is(err, context.Canceled) {
				t.Errorf("%s ended with %v, want the timeout of the call", method, err)
			}
			took, want := time.Since(begin), 30
			if method == feed {
				want = 28
			}
			if took != 30*time.Second || len(got) < want-1 || len(got) > want+1 {
				t.Errorf("%s took %v and brought %d messages, want 30s and about %d", method, took, len(got), want)
			}
		}
		s.wantVisits(t, feed, 2)
		s.wantVisits(t, haggle, 1)

		// Each attempt hangs.
		s.stream = func(_ visit, stream grpc.ServerStream) error { <-stream.Context().Done(); return nil }
		r := new(recorder)
		conn := s.serve(t, through(atOnce(), r, timeout.New(2*time.Second))...)
		stream, err := open(t.Context(), conn, feed)
		if err != nil {
			t.Fatal(err)
		}
		_, err = read(stream)
		wantStatus(t, err, codes.DeadlineExceeded)
		if expired, ok := errors.AsType[*firebreak.TimeoutError](err); !ok || expired.Scope != "attempt" || errors.Is(err, context.Canceled) {
			t.Errorf("the stream ended with %v, want the timeout of an attempt", err)
		}
		r.wantClasses(t, firebreak.Failure, firebreak.Failure, firebreak.Failure)
	})
}

// Of what the client sends on, the time of an attempt is that until it is open.
func TestA10_189_OpeningIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, method := range []string{feed, stock, haggle} {
			blocked := func(ctx context.Context, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
			conn := connect(t, blocked, through(atOnce(), timeout.New(2*time.Second))...)
			begin := time.Now()
			_, err := open(t.Context(), conn, method, grpc.WaitForReady(true))
			wantStatus(t, err, codes.DeadlineExceeded)
			want := 2 * time.Second
			if method == feed {
				want = 6 * time.Second // three of them
			}
			if took := time.Since(begin).Round(time.Millisecond); took != want {
				t.Errorf("%s took %v, want %v", method, took, want)
			}
			conn.Close()
		}
	})
}

// "Failed attempt's stream is finished (cancel its own context) before a new one opens, or two
// run. B: old stream still holds a server slot while the new one runs. T: Server counts open
// streams during a retry: at most 1."
func TestA10_190_OneStreamAtATime(t *testing.T) {
	for name, fail := range map[string]func(stream grpc.ServerStream) error{
		"fails": func(grpc.ServerStream) error { return errUnavailable },
		"hangs": func(stream grpc.ServerStream) error { <-stream.Context().Done(); return stream.Context().Err() },
	} {
		synctest.Test(t, func(t *testing.T) {
			s := new(shop)
			s.stream = func(v visit, stream grpc.ServerStream) error {
				for _, other := range s.seen() {
					if other.number != v.number && other.ctx.Err() == nil {
						t.Errorf("%s: stream %d is open while %d begins", name, other.number, v.number)
					}
				}
				if v.number < 3 {
					return fail(stream)
				}
				return tell(stream, "news")
			}
			conn := s.serve(t, through(atOnce(), timeout.New(time.Second))...)
			stream, err := watch(t.Context(), conn, feed)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := read(stream); err != nil || len(got) != 1 {
				t.Errorf("%s: got %v and %v, want the news", name, got, err)
			}
			s.wantVisits(t, feed, 3)
		})
	}
}

// So is one that a policy gives up, whatever it stands in.
func TestA10_190_DiscardedStreamIsFinished(t *testing.T) {
	for _, method := range []string{feed, stock, haggle} {
		synctest.Test(t, func(t *testing.T) {
			s := &shop{stream: func(_ visit, stream grpc.ServerStream) error {
				if err := begun(stream); err != nil {
					return err
				}
				<-stream.Context().Done()
				return nil
			}}
			r := new(recorder)
			discarding := policyFunc(func(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
				result, err := next(ctx, c)
				firebreak.Discard(result)
				return nil, errors.Join(err, status.Error(codes.Aborted, "given up"))
			})
			stack := firebreak.New("shop", timeout.Unbounded("test"), discarding, r)
			stream, err := open(t.Context(), s.serve(t, firebreakgrpc.DialOptions(stack)...), method)
			if err == nil { // it was open before it was given up
				_, err = read(stream)
			}
			wantStatus(t, err, codes.Aborted)
			synctest.Wait()
			if n := s.inHand(); n > 0 {
				t.Errorf("%s: the server has %d streams in hand", method, n)
			}
			r.wantClasses(t, firebreak.Ignored)
		})
	}
}

// "Replay buffer: at most the one message of a server stream; do not copy grpc-go's 256 KiB
// replay." It is the message itself, however large, and it is let go when the stream has
// begun.
func TestA10_191_TheOneMessage(t *testing.T) {
	const size = 1 << 20 // more than gRPC would keep
	s := &shop{stream: func(v visit, stream grpc.ServerStream) error {
		m := new(value)
		if err := stream.RecvMsg(m); err != nil {
			return err
		}
		if v.number < 3 {
			return errUnavailable
		}
		return tell(stream, fmt.Sprint(len(m.GetValue())))
	}}
	var sent []any
	var closed int
	inner := func(
		ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption,
	) (grpc.ClientStream, error) {
		stream, err := streamer(ctx, desc, cc, method, opts...)
		return sending{stream, &sent, &closed}, err
	}
	conn := s.serve(t, append(through(atOnce()), grpc.WithChainStreamInterceptor(inner))...)
	stream, err := conn.NewStream(t.Context(), streams[feed], feed)
	if err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	func() {
		m := wrapperspb.String(strings.Repeat("x", size))
		runtime.AddCleanup(m, func(struct{}) { close(gone) }, struct{}{})
		if err := errors.Join(stream.SendMsg(m), stream.CloseSend()); err != nil {
			t.Fatal(err)
		}
		first := new(value)
		if err := stream.RecvMsg(first); err != nil || first.GetValue() != fmt.Sprint(size) {
			t.Fatalf("got %q and %v, want %d", first.GetValue(), err, size)
		}
		if len(sent) != 3 || sent[0] != m || sent[1] != m || sent[2] != m {
			t.Errorf("%d messages were sent, want three times the same", len(sent))
		}
		if closed != 3 {
			t.Errorf("%d streams were closed for sending, want 3", closed)
		}
		clear(sent)
	}()
	for end := time.Now().Add(10 * time.Second); ; runtime.GC() {
		select {
		case <-gone:
			if _, err := read(stream); err != nil {
				t.Error(err)
			}
			return
		default:
		}
		if time.Now().After(end) {
			t.Fatal("the message is kept after the stream has begun")
		}
	}
}

// sending notes what is sent.
type sending struct {
	grpc.ClientStream

	sent   *[]any
	closed *int
}

func (s sending) CloseSend() error {
	*s.closed++
	return s.ClientStream.CloseSend()
}

func (s sending) SendMsg(m any) error {
	*s.sent = append(*s.sent, m)
	return s.ClientStream.SendMsg(m)
}

// A panic of an interceptor further in reaches the caller, and releases everything.
func TestA10_177_Panic(t *testing.T) {
	for _, method := range []string{feed, stock, haggle} {
		for name, inner := range map[string]grpc.StreamClientInterceptor{
			"open": func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, grpc.Streamer, ...grpc.CallOption) (grpc.ClientStream, error) {
				panic("test")
			},
			"header": func(
				ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption,
			) (grpc.ClientStream, error) {
				stream, err := streamer(ctx, desc, cc, method, opts...)
				return panicking{stream}, err
			},
		} {
			b, r := bulkhead.New(bulkhead.Config{MaxCalls: 1}), new(recorder)
			conn := new(shop).serve(t, append(through(atOnce(), b), grpc.WithChainStreamInterceptor(inner))...)
			var finished []error
			func() {
				defer func() {
					if p := recover(); p != "test" {
						t.Errorf("%s of %s: the panic was %v, want that of the interceptor", name, method, p)
					}
				}()
				stream, err := open(t.Context(), conn, method, grpc.OnFinish(func(err error) { finished = append(finished, err) }))
				if err == nil && name == "header" {
					_, err = stream.Header()
				}
				t.Errorf("%s of %s: there was no panic, but %v", name, method, err)
			}()
			if method == feed || name == "open" {
				wantTaken(t, b, 0, name+" of "+method)
				if len(finished) != 1 || !errors.Is(finished[0], firebreak.ErrNoReturn) {
					t.Errorf("%s of %s: OnFinish ran with %v, want once with %v", name, method, finished, firebreak.ErrNoReturn)
				}
			}
			r.wantClasses(t)
		}
	}
	exiting := func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, grpc.Streamer, ...grpc.CallOption) (grpc.ClientStream, error) {
		runtime.Goexit()
		return nil, nil
	}
	b := bulkhead.New(bulkhead.Config{MaxCalls: 1})
	conn := new(shop).serve(t, append(through(b), grpc.WithChainStreamInterceptor(exiting))...)
	var calls sync.WaitGroup
	calls.Go(func() {
		_, err := open(t.Context(), conn, feed)
		t.Errorf("the goroutine of the caller goes on with %v", err)
	})
	calls.Wait()
	wantTaken(t, b, 0, "after Goexit")
}

// panicking is a stream whose header panics.
type panicking struct{ grpc.ClientStream }

func (panicking) Header() (metadata.MD, error) { panic("test") }
