package snippets

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/examples/grpc/shoppb"
	"github.com/firebreak-go/firebreak/firebreakgrpc"
	"github.com/firebreak-go/firebreak/retry"
	"github.com/firebreak-go/firebreak/shed"
	"github.com/firebreak-go/firebreak/timeout"
)

// A visit is what a shopkeeper sees of a call.
type visit struct {
	deadline bool
	priority firebreak.Priority
	metadata []string // firebreak-priority
}

// A shopkeeper answers all calls but the first fails of them.
type shopkeeper struct {
	shoppb.UnimplementedShopServer

	mu     sync.Mutex // guards the fields below
	fails  int
	visits []visit
}

func (s *shopkeeper) visit(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := ctx.Deadline()
	s.visits = append(s.visits, visit{ok, firebreak.PriorityOf(ctx), metadata.ValueFromIncomingContext(ctx, firebreakgrpc.PriorityKey)})
	if len(s.visits) <= s.fails {
		return status.Error(codes.Unavailable, "not yet")
	}
	return nil
}

func (s *shopkeeper) seen() []visit {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.visits)
}

func (s *shopkeeper) GetItem(ctx context.Context, _ *shoppb.GetItemRequest) (*shoppb.Item, error) {
	return &shoppb.Item{}, s.visit(ctx)
}

func (s *shopkeeper) PlaceOrder(ctx context.Context, _ *shoppb.PlaceOrderRequest) (*shoppb.Order, error) {
	return &shoppb.Order{}, s.visit(ctx)
}

// open has srv serve the shopkeeper, and returns its address.
func open(t *testing.T, srv *grpc.Server, s *shopkeeper) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	shoppb.RegisterShopServer(srv, s)
	go srv.Serve(listener) //nolint:errcheck // it ends with Stop
	t.Cleanup(srv.Stop)
	return listener.Addr().String()
}

func visitor(t *testing.T, conn *grpc.ClientConn, err error) shoppb.ShopClient {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return shoppb.NewShopClient(conn)
}

// What the descriptor declares is made again, what it does not is not.
func TestDial(t *testing.T) {
	for name, dial := range map[string]func(address string) (*grpc.ClientConn, error){
		"dial": func(address string) (*grpc.ClientConn, error) {
			return dial(address, insecure.NewCredentials(), firebreak.New("shop", timeout.New(10*time.Second), retry.New(retry.Config{})))
		},
		"inside": func(address string) (*grpc.ClientConn, error) { return dialInside(address, insecure.NewCredentials()) },
	} {
		s := &shopkeeper{fails: 1}
		conn, err := dial(open(t, grpc.NewServer(), s))
		shop := visitor(t, conn, err)
		ctx := firebreak.WithPriority(t.Context(), firebreak.PriorityCritical)
		if _, err := shop.GetItem(ctx, &shoppb.GetItemRequest{}); err != nil || len(s.seen()) != 2 {
			t.Errorf("%s: GetItem: got %v after %d attempts, want an answer after 2", name, err, len(s.seen()))
		}
		for _, v := range s.seen() {
			if !v.deadline || (name == "inside") != slices.Equal(v.metadata, []string{"critical"}) {
				t.Errorf("%s: the server saw %+v, want a deadline, and the priority from inside", name, v)
			}
		}
		s.mu.Lock()
		s.fails = 3
		s.mu.Unlock()
		if _, err := shop.PlaceOrder(ctx, &shoppb.PlaceOrderRequest{}); status.Code(err) != codes.Unavailable || len(s.seen()) != 3 {
			t.Errorf("%s: PlaceOrder: got %v after %d attempts, want UNAVAILABLE after 1", name, err, len(s.seen())-2)
		}
	}
}

func TestGRPCServer(t *testing.T) {
	s, limiter := new(shopkeeper), shed.New(shed.Config{})
	conn, err := dialInside(open(t, grpcServer(limiter), s), insecure.NewCredentials())
	client := visitor(t, conn, err)
	ctx := firebreak.WithPriority(t.Context(), firebreak.PriorityCritical)
	_, err = client.GetItem(ctx, &shoppb.GetItemRequest{})
	if got := s.seen(); err != nil || len(got) != 1 || !got[0].deadline || got[0].priority != firebreak.PriorityDefault {
		t.Errorf("got %v, visits %+v, want one with a deadline, and no priority of a stranger's", err, got)
	}
	limiter.Close()
	_, err = client.PlaceOrder(ctx, &shoppb.PlaceOrderRequest{})
	if status.Code(err) != codes.Unavailable || len(s.seen()) != 1 {
		t.Errorf("after Close: got %v, and %d visits, want UNAVAILABLE and no more", err, len(s.seen()))
	}
}
