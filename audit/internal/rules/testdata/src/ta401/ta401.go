package ta401

import (
	"context"
	"crypto/tls"
	"os"
	"os/signal"
	"time"

	"example.com/colours"
	"example.com/crds"
	"example.com/parcels"
	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/redis/go-redis/v9"
	"golang.org/x/oauth2"
	v1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func discover(issuer string) (*oidc.Provider, error) {
	return oidc.NewProvider(context.Background(), issuer) // want `TA401: oidc.NewProvider waits on a context without a deadline \(context.Background\(\)\): fetches .*ClientContext`
}

func exchange(config *oauth2.Config, code string) (string, error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	return config.Exchange(ctx, code) // want `TA401: oauth2.Config.Exchange`
}

func handshake(conn *tls.Conn) error {
	return conn.HandshakeContext(context.TODO()) // want `TA401: tls.Conn.HandshakeContext`
}

type worker struct {
	ctx    context.Context
	config *oauth2.Config
}

func newWorker(config *oauth2.Config) *worker {
	ctx, cancel := context.WithCancel(context.Background())
	_ = cancel
	return &worker{ctx: ctx, config: config}
}

func (w *worker) work(code string) (string, error) {
	return w.config.Exchange(w.ctx, code) // want `TA401: oauth2.Config.Exchange`
}

// The library keeps the context.
func client(config *oauth2.Config, token string) {
	_ = config.Client(context.Background(), token)
}

// Its callers decide.
func Decided(ctx context.Context, config *oauth2.Config, code string) (string, error) {
	return config.Exchange(ctx, code)
}

func exchangeInTime(config *oauth2.Config, code string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return config.Exchange(ctx, code)
}

// The library has limits of its own.
func cached(client *redis.Client) (string, error) {
	return client.Get(context.Background(), "key").Result()
}

// Pings notice a peer that is gone.
func cluster(client *crds.ThingClient) (string, error) {
	return client.Get(context.Background(), "thing", v1.GetOptions{})
}

func parcel(address string) {
	ctx := context.Background()
	client, err := parcels.NewClient(ctx, address)
	if err != nil {
		return
	}
	_, _ = client.GetParcel(ctx, "1") // want `TA401: parcels.Client.GetParcel is likely to wait`
	_, _ = client.WatchParcel(ctx, "1")
	_, _ = client.GetName("1")
	_, _ = (&parcels.Options{}).GetFrom(ctx)
	_, _ = (&colours.Client{}).GetColour(ctx, "red")
}
