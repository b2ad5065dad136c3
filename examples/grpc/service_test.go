package main

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/firebreak-go/firebreak/examples/grpc/shoppb"
)

// once calls each method once, of a server in the mode, with the options of the client.
func once(t *testing.T, m mode, options []grpc.DialOption, check func(of method, s *side, err error)) {
	t.Helper()
	for of := range methods {
		synctest.Test(t, func(t *testing.T) {
			s := newVirtualSide(t, "one", 1, nil, options)
			s.service.enter(0, m)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			var call uint64
			for !troubled(call, 1) || troubled(call, 2) {
				call++ // the first that has trouble once
			}
			check(of, s, s.call(ctx, of, call))
			if err := s.close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestEachMethodAnswers(t *testing.T) {
	for _, options := range [][]grpc.DialOption{plainOptions(false), clientOptions(newStack())} {
		once(t, well, options, func(of method, s *side, err error) {
			if n := s.service.counted(0).runs[of]; err != nil || n != 1 {
				t.Errorf("%s: got %v after %d attempts, want an answer after 1", of, err, n)
			}
		})
	}
}

// What is to be made again is; what is not, is not: with grpc-go's own means all is.
func TestFailing(t *testing.T) {
	once(t, failing, plainOptions(false), func(of method, s *side, err error) {
		c := s.service.counted(0)
		if err != nil || c.runs[of] != 2 || c.repeats != 1 || c.early != 0 {
			t.Errorf("plain %s: got %v, %+v, want an answer of the second attempt, not early", of, err, c)
		}
		if of == placeOrder && (c.orders != 2 || c.again != 1) {
			t.Errorf("plain: got %d orders, %d of them again, want 2 and 1", c.orders, c.again)
		}
	})
	once(t, failing, clientOptions(newStack()), func(of method, s *side, err error) {
		c := s.service.counted(0)
		switch of {
		case getItem, listItems:
			if err != nil || c.runs[of] != 2 || c.repeats != 1 || c.early != 0 {
				t.Errorf("%s: got %v, %+v, want an answer of the second attempt, not early", of, err, c)
			}
		default:
			if status.Code(err) != codes.Unavailable || c.runs[of] != 1 || c.orders > 1 || c.again > 0 {
				t.Errorf("%s: got %v, %+v, want UNAVAILABLE after one attempt", of, err, c)
			}
		}
	})
}

// A handler that hangs is let go when its attempt ends.
func TestSlow(t *testing.T) {
	once(t, slow, plainOptions(false), func(of method, s *side, err error) {
		synctest.Wait()
		c := s.service.counted(0)
		if outcomeOf(err) != late || len(c.hung) != 1 || c.hung[0] != patience {
			t.Errorf("plain %s: got %v, hung for %v, want it late, and %v", of, err, c.hung, patience)
		}
	})
	once(t, slow, clientOptions(newStack()), func(of method, s *side, err error) {
		synctest.Wait()
		c := s.service.counted(0)
		want, hung := good, attemptTime
		switch of {
		case placeOrder:
			want = late
		case quotePrices:
			want, hung = late, patience*95/100 // the client streams: there is no attempt to be ended
		default:
		}
		if outcomeOf(err) != want || len(c.hung) != 1 || c.hung[0] != hung {
			t.Errorf("%s: got %v, hung for %v, want outcome %v, and %v", of, err, c.hung, want, hung)
		}
	})
}

func TestDown(t *testing.T) {
	once(t, down, plainOptions(false), func(of method, s *side, err error) {
		if n := s.service.counted(0).runs[of]; status.Code(err) != codes.Unavailable || n != 3 || outcomeOf(err) != failed {
			t.Errorf("%s: got %v after %d attempts, want UNAVAILABLE after 3", of, err, n)
		}
	})
}

func TestTroubledIsOneInFive(t *testing.T) {
	n := 0
	for call := range uint64(10000) {
		if troubled(call, 1) {
			n++
		}
	}
	if n < 1900 || n > 2100 {
		t.Errorf("got %d of 10000 attempts in trouble, want one in %d", n, oneIn)
	}
}

func TestOutcomeOf(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want outcome
	}{
		{nil, good},
		{status.Error(codes.ResourceExhausted, ""), refused},
		{status.Error(codes.DeadlineExceeded, ""), late},
		{status.Error(codes.Canceled, ""), late},
		{status.Error(codes.Unavailable, ""), failed},
		{errors.New("other"), failed},
	} {
		if got := outcomeOf(tt.err); got != tt.want {
			t.Errorf("%v: got outcome %d, want %d", tt.err, got, tt.want)
		}
	}
}

// A stream that is cut short is no good answer, however it ends.
func TestShortStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := newVirtualSide(t, "one", 1, []grpc.ServerOption{grpc.StreamInterceptor(
			func(any, grpc.ServerStream, *grpc.StreamServerInfo, grpc.StreamHandler) error { return nil },
		)}, nil)
		for _, m := range []method{listItems, quotePrices} {
			if err := on.call(t.Context(), m, 1); err == nil || outcomeOf(err) != failed {
				t.Errorf("%s: got %v of a stream without messages, want an error", m, err)
			}
		}
		if err := on.close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// What the descriptor of the generated code says is what the example is about.
func TestIdempotencyLevels(t *testing.T) {
	all := shoppb.File_examples_grpc_shoppb_shop_proto.Services().ByName("Shop").Methods()
	for m := range methods {
		options, ok := all.ByName(protoreflect.Name(m.String())).Options().(*descriptorpb.MethodOptions)
		if got := options.GetIdempotencyLevel() == descriptorpb.MethodOptions_NO_SIDE_EFFECTS; !ok || got != (m != placeOrder) {
			t.Errorf("%s has no side effects: got %t, want %t", m, got, m != placeOrder)
		}
	}
}

func TestFromLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:80": true, "127.1.2.3:80": true, "[::1]:80": true, "192.0.2.1:80": false, "[2001:db8::1]:80": false,
	} {
		from, err := net.ResolveTCPAddr("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if got := fromLoopback(peer.NewContext(t.Context(), &peer.Peer{Addr: from}), ""); got != want {
			t.Errorf("%s: got %t, want %t", address, got, want)
		}
	}
	if fromLoopback(t.Context(), "") {
		t.Error("nobody: got true, want false")
	}
	if fromLoopback(peer.NewContext(t.Context(), &peer.Peer{Addr: &net.UnixAddr{Name: "socket"}}), "") {
		t.Error("a socket: got true, want false")
	}
}
