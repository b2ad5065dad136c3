package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/firebreak-go/firebreak/examples/grpc/shoppb"
	"github.com/firebreak-go/firebreak/examples/internal/database"
)

// A service is a shop that gets into trouble. Each call needs one query of its database,
// which it makes for nobody of whom it knows that he has left.
type service struct {
	shoppb.UnimplementedShopServer

	db *database.DB

	mu     sync.Mutex // guards the fields below
	phase  int
	mode   mode
	counts []counts // per phase
	calls  map[uint64]*fate
}

// counts are what a service counts in a phase.
type counts struct {
	runs    [methods]int // attempts whose handler ran
	orders  int          // orders that were placed
	again   int          // of them, those that had been placed before
	repeats int          // attempts after a pushback
	early   int          // of them, those that came before it was over
	hung    []time.Duration
}

// A fate is what a service knows of a call.
type fate struct {
	attempts uint64
	placed   bool
	failed   time.Time // when it was told to come back after pushback; zero if it was not
}

func newService(phases int) *service {
	return &service{
		db:     database.New(false),
		counts: make([]counts, phases),
		calls:  make(map[uint64]*fate),
	}
}

// enter begins phase n.
func (s *service) enter(n int, m mode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.phase, s.mode = n, m
}

// counted returns what was counted in phase n.
func (s *service) counted(n int) counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[n]
}

// begin counts an attempt and returns the trouble that it is to have, or well.
func (s *service) begin(m method, call uint64) (mode, *counts) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &s.counts[s.phase]
	c.runs[m]++
	f := s.calls[call]
	if f == nil {
		f = new(fate)
		s.calls[call] = f
	}
	f.attempts++
	if !f.failed.IsZero() {
		c.repeats++
		if time.Since(f.failed) < pushback {
			c.early++
		}
		f.failed = time.Time{}
	}
	if (s.mode == slow || s.mode == failing) && !troubled(call, f.attempts) {
		return well, c
	}
	return s.mode, c
}

// troubled reports whether the attempt of the call is one of those in trouble. Both sides
// have it with the same calls.
func troubled(call, attempt uint64) bool {
	return rand.New(rand.NewPCG(call, attempt)).IntN(oneIn) == 0
}

// serve does what each method does before it answers.
func (s *service) serve(ctx context.Context, m method, call uint64) error {
	trouble, c := s.begin(m, call)
	switch trouble {
	case down:
		return status.Error(codes.Unavailable, "the shop is closed")
	case slow:
		begin := time.Now()
		<-ctx.Done()
		s.hung(c, time.Since(begin))
		return status.FromContextError(ctx.Err()).Err()
	default: // it does its work first
	}
	if err := s.db.Query(ctx); err != nil {
		return status.FromContextError(err).Err() // mostly to nobody
	}
	if m == placeOrder {
		s.placed(c, call)
	}
	if trouble == failing {
		s.pushedBack(call)
		_ = grpc.SetTrailer(ctx, metadata.Pairs("grpc-retry-pushback-ms", strconv.FormatInt(pushback.Milliseconds(), 10))) // a call that is over has none
		return status.Error(codes.Unavailable, "the answer was lost")
	}
	return nil
}

func (s *service) hung(c *counts, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.hung = append(c.hung, d)
}

func (s *service) placed(c *counts, call uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.orders++
	if s.calls[call].placed {
		c.again++
	}
	s.calls[call].placed = true
}

func (s *service) pushedBack(call uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[call].failed = time.Now()
}

// GetItem implements [shoppb.ShopServer].
func (s *service) GetItem(ctx context.Context, r *shoppb.GetItemRequest) (*shoppb.Item, error) {
	if err := s.serve(ctx, getItem, r.GetCall()); err != nil {
		return nil, err
	}
	return &shoppb.Item{Sku: r.GetSku(), Stock: 7}, nil
}

// PlaceOrder implements [shoppb.ShopServer].
func (s *service) PlaceOrder(ctx context.Context, r *shoppb.PlaceOrderRequest) (*shoppb.Order, error) {
	if err := s.serve(ctx, placeOrder, r.GetCall()); err != nil {
		return nil, err
	}
	return &shoppb.Order{Id: strconv.FormatUint(r.GetCall(), 10)}, nil
}

// ListItems implements [shoppb.ShopServer].
func (s *service) ListItems(r *shoppb.ListItemsRequest, stream grpc.ServerStreamingServer[shoppb.Item]) error {
	if err := s.serve(stream.Context(), listItems, r.GetCall()); err != nil {
		return err
	}
	for i := range r.GetCount() {
		if err := stream.Send(&shoppb.Item{Sku: fmt.Sprintf("item-%d", i)}); err != nil {
			return err
		}
	}
	return nil
}

// QuotePrices implements [shoppb.ShopServer].
func (s *service) QuotePrices(stream grpc.BidiStreamingServer[shoppb.QuotePriceRequest, shoppb.Quote]) error {
	for first := true; ; first = false {
		r, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if first {
			if err := s.serve(stream.Context(), quotePrices, r.GetCall()); err != nil {
				return err
			}
		}
		if err := stream.Send(&shoppb.Quote{Sku: r.GetSku(), Cents: 999}); err != nil {
			return err
		}
	}
}
