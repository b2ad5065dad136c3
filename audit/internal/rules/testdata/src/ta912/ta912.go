// Package ta912 makes policies.
package ta912

import (
	"context"
	"net/http"
	"sync"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/bulkhead"
	"github.com/firebreak-go/firebreak/firebreakhttp"
	"github.com/firebreak-go/firebreak/retry"
)

func fetch(context.Context) (int, error) { return 1, nil }

func handler(w http.ResponseWriter, r *http.Request) {
	stack := firebreak.New("prices", retry.New(retry.Config{}), breaker.New(breaker.Config{})) // want "TA912: firebreak.New makes this anew for each request, in handler: the state of its policies is thrown away"
	firebreak.Do(r.Context(), stack, "price", fetch)
	client := firebreakhttp.NewClient("prices") // want "TA912: firebreakhttp.NewClient makes this anew"
	client.Get("https://example.com")
}

func viaHelper(w http.ResponseWriter, r *http.Request) {
	firebreak.Do(r.Context(), newStack(), "price", fetch)
}

func newStack() *firebreak.Stack {
	return firebreak.New("prices", bulkhead.New(bulkhead.Config{})) // want "TA912: firebreak.New makes this anew for each request, in viaHelper"
}

type transport struct{ stack *firebreak.Stack }

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	guard := breaker.New(breaker.Config{}) // want "TA912: breaker.New makes this anew for each request, in RoundTrip"
	guard.Describe()
	return nil, nil
}

// Made once, they keep what they learn.

var shared = firebreak.New("prices", retry.New(retry.Config{}))

type server struct {
	once  sync.Once
	mu    sync.Mutex
	stack *firebreak.Stack
	by    map[string]*firebreak.Stack
	all   sync.Map
}

func newServer() *server { return &server{stack: madeOnce()} }

func madeOnce() *firebreak.Stack { return firebreak.New("once") }

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.once.Do(func() {
		s.stack = firebreak.New("prices")
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	stack := s.by[r.Host]
	if stack == nil {
		stack = firebreak.New(r.Host)
		s.by[r.Host] = stack
	}
	s.all.Store(r.Host, firebreak.New(r.Host))
	firebreak.Do(r.Context(), stack, "price", fetch)
	firebreak.Do(r.Context(), shared, "price", fetch)
}

func startup() {
	stack := firebreak.New("startup")
	firebreak.Do(context.Background(), stack, "price", fetch)
}
